"""DiGAE, the directed graph auto-encoder (Kollias et al., AAAI 2022), as a baseline that is trained.

    P = D_out^-beta (A + I) D_in^-alpha,   S = P relu(P' X W_t1) W_s2,   T = P' relu(P X W_s1) W_t2,   logit = S T'

trained by binary cross-entropy of the edges against as many drawn pairs, all nodes at once.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from onward.errors import DataError
from onward.model.reproducible import reproducible
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph


@dataclass(frozen=True)
class Digae:
    """A `LinkScore` that is trained on every edge of the graph.

    Attributes:
        alpha: power of the in-degree.
        beta: power of the out-degree.
        hidden: units of the first layer.
        dimension: of an embedding.
        steps: of training.
        learning_rate: of Adam.
        seed: of everything.
        threads: of torch.
    """

    alpha: float = 0.5
    beta: float = 0.5
    hidden: int = 64
    dimension: int = 32
    steps: int = 150
    learning_rate: float = 0.01
    seed: int = 0
    threads: int = 1

    def fit(self, graph: DirectedGraph) -> Chain:
        """Train on the graph's edges; s . t of the result is the logit of u -> v.

        Raises:
            DataError: the graph has no attributes or no edges.
        """
        if graph.attributes is None or not len(graph.edges):
            raise DataError("DiGAE: it needs edges and attributes; leave it out for this graph")
        step, back = self._propagation(graph)
        attributes, edges = torch.from_numpy(graph.attributes), torch.from_numpy(graph.edges)
        # What does not change is computed once: P X and P' X.
        around = (step @ attributes, back @ attributes)
        with reproducible(self.seed, self.threads):
            first = nn.ModuleList(nn.Linear(attributes.shape[1], self.hidden, bias=False) for _ in range(2))
            second = nn.ModuleList(nn.Linear(self.hidden, self.dimension, bias=False) for _ in range(2))
            optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=self.learning_rate)

            def embed() -> tuple[Tensor, Tensor]:
                source_hidden, target_hidden = (
                    torch.relu(layer(seen)) for layer, seen in zip(first, around, strict=True)
                )
                return step @ second[0](target_hidden), back @ second[1](source_hidden)

            for _ in range(self.steps):
                source, target = embed()
                drawn = torch.randint(graph.nodes, edges.shape)
                pairs = torch.cat([edges, drawn])
                logits = (source[pairs[:, 0]] * target[pairs[:, 1]]).sum(1)
                wanted = torch.cat([torch.ones(len(edges)), torch.zeros(len(drawn))])
                loss = functional.binary_cross_entropy_with_logits(logits, wanted)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
            with torch.no_grad():
                source, target = embed()
        return Chain((source.numpy(), np.ascontiguousarray(target.numpy().T)))

    def _propagation(self, graph: DirectedGraph) -> tuple[Tensor, Tensor]:
        looped = sp.csr_matrix(graph.adjacency + sp.eye_array(graph.nodes, dtype=np.float32))
        out, into = (np.asarray(looped.sum(axis=axis)).ravel() for axis in (1, 0))
        scaled = sp.coo_matrix(sp.diags_array(out**-self.beta) @ looped @ sp.diags_array(into**-self.alpha))
        place = torch.from_numpy(np.stack([scaled.row, scaled.col]).astype(np.int64))
        values = torch.from_numpy(scaled.data.astype(np.float32))
        step = torch.sparse_coo_tensor(place, values, scaled.shape, check_invariants=False).coalesce()
        return step, step.t().coalesce()
