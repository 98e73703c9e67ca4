"""A dual encoder for a whole graph in memory: two embeddings a node, each role fed by the other over several hops.

Where `DualEncoder` learns weights inside each exchange and samples neighbourhoods, this one exchanges first and learns
how to read the hops afterwards (as SIGN does; Frasca et al. 2020, arXiv 2004.11198):

    s_0 = t_0 = x,   s_k+1 = P t_k,   t_k+1 = Pᵀ s_k,   P = D_o^-1/2 (A + I) D_i^-1/2
    s = norm(sum_k A_k norm(s_k)),   t = norm(sum_k B_k norm(t_k))

for the attributes x. Who a node is stands in random coordinates, one draw a node, whose walks (all of one and two
steps, with or against the edges, and the alternating third) each role mixes by a few learnt numbers a head: products of
walks approximate the propagated edges (PPᵀ)^k P, shared neighbours and the reversed edge, and no weight ever belongs to
one node. Hops without weights are computed once for many steps, so a graph of ten thousand nodes trains on one core.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from onward.errors import DataError
from onward.model.reproducible import reproducible
from onward.random_streams import Stream
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, Ints, propagation


@dataclass(frozen=True)
class _GraphView:
    """What one graph shows of its nodes: hops of attributes by role, walks of coordinates, and log degrees [N, 2]."""

    attributes: tuple[list[Tensor], list[Tensor]]
    coordinates: tuple[list[Tensor], list[Tensor]]
    degrees: Tensor


@dataclass(frozen=True)
class WholeGraphEncoder:
    """A `LinkScore` that is trained: `fit` hides edges, learns to find them again, and embeds with all of them.

    Attributes:
        dimension: of the attribute part of an embedding.
        coordinates: random coordinates a node.
        heads: mixtures of the coordinates' walks, each another part of an embedding.
        hops: how far a node sees of the attributes.
        steps: of training.
        steps_per_mask: steps that share one draw of hidden edges.
        hidden: share of the edges that a draw hides, to be found again.
        rows: sources a step.
        candidates: uniform targets a step, everybody's negatives.
        dropout: share of attribute dimensions dropped.
        learning_rate: at the start; it falls as a cosine.
        global_weight: of telling edges from all pairs, beside ranking each row and each column.
        seed: of everything.
        threads: of torch.
    """

    dimension: int = 256
    coordinates: int = 384
    heads: int = 2
    hops: int = 3
    steps: int = 400
    steps_per_mask: int = 8
    hidden: float = 0.25
    rows: int = 512
    candidates: int = 1024
    dropout: float = 0.3
    learning_rate: float = 0.005
    global_weight: float = 1.0
    seed: int = 0
    threads: int = 1

    def fit(self, graph: DirectedGraph) -> Chain:
        """Train on the graph's edges and embed its nodes; s . t of the result is the logit of u -> v.

        Raises:
            DataError: the graph has no attributes or no edges.
        """
        if graph.attributes is None or not len(graph.edges):
            raise DataError("whole-graph encoder: it needs edges and attributes; leave it out for this graph")
        with reproducible(self.seed, self.threads):
            base = torch.randn(graph.nodes, self.coordinates) / self.coordinates**0.5
            tower = _Tower(graph.attributes.shape[1], self.dimension, self.hops, self.heads)
            optimizer = torch.optim.AdamW(tower.parameters(), lr=self.learning_rate, weight_decay=1e-4)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps, eta_min=1e-4)
            generator = np.random.default_rng([self.seed, Stream.WHOLE_GRAPH_STEPS])
            for view, hidden in self._masks(graph, base, generator):
                rows = generator.permutation(graph.nodes)[: self.rows]
                loss = self._loss(tower, view, graph, hidden, rows, generator)
                if loss is None:
                    continue
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
            tower.eval()
            with torch.no_grad():
                everyone = torch.arange(graph.nodes)
                whole = _view_of(graph, base, self.hops)
                source = tower.source(whole, everyone)
                target = tower.target(whole, everyone)
        return Chain((source.numpy(), np.ascontiguousarray(target.numpy().T)))

    def _masks(
        self, graph: DirectedGraph, base: Tensor, generator: np.random.Generator
    ) -> Iterator[tuple[_GraphView, sp.csr_matrix]]:
        """Yield, for every step, what the graph shows without its hidden edges, and the hidden edges [N, N]."""
        for step in range(self.steps):
            if step % self.steps_per_mask == 0:
                out = generator.random(len(graph.edges)) < self.hidden
                hidden = graph.with_edges(graph.edges[out]).adjacency
                view = _view_of(graph.with_edges(graph.edges[~out]), base, self.hops)
            yield view, hidden

    def _loss(
        self,
        tower: "_Tower",
        view: _GraphView,
        graph: DirectedGraph,
        hidden: sp.csr_matrix,
        rows: Ints,
        generator: np.random.Generator,
    ) -> Tensor | None:
        """Softmax of each hidden edge against its row, its column and all pairs, from uniform samples of each."""
        hidden_edges = hidden[rows].tocoo()
        if not hidden_edges.nnz:
            return None
        targets, target_of = np.unique(hidden_edges.col, return_inverse=True)
        negatives = generator.integers(0, graph.nodes, self.candidates)
        columns = np.concatenate([targets, negatives])
        # Self terms see the attributes with some dimensions missing, the same for all nodes of a step.
        keep = torch.rand(tower.attribute_dimension) >= self.dropout
        logits = (
            tower.source(view, torch.from_numpy(rows), keep) @ tower.target(view, torch.from_numpy(columns), keep).T
        )
        positive = logits[torch.from_numpy(hidden_edges.row.astype(np.int64)), torch.from_numpy(target_of)]
        edge = torch.from_numpy(graph.adjacency[rows][:, columns].toarray() > 0)
        absent = logits.masked_fill(edge, -torch.inf)
        scale = np.log(graph.nodes / len(rows))
        by_row = torch.logsumexp(absent[:, len(targets) :], 1) + np.log(graph.nodes / self.candidates)
        by_column = torch.logsumexp(absent[:, : len(targets)], 0) + scale
        row = by_row[torch.from_numpy(hidden_edges.row.astype(np.int64))]
        column = by_column[torch.from_numpy(target_of)]
        # All pairs together weigh as much as `_GLOBAL_RIVALS` of them: an edge must beat the best few, not the mean.
        everywhere = torch.logsumexp(by_row, 0) + scale - 2 * np.log(graph.nodes) + np.log(_GLOBAL_RIVALS)
        against = [(row, 1.0), (column, 1.0), (everywhere, self.global_weight)]
        loss: Tensor = sum(
            (weight * (torch.logaddexp(positive, rival) - positive).mean() for rival, weight in against),
            start=torch.zeros(()),
        )
        return loss


_GLOBAL_RIVALS = 500.0


_SHORT = ("", "o", "i", "oo", "oi", "io", "ii")
_WALKS = ((*_SHORT, "oio"), (*_SHORT, "ioi"))
_ALTERNATING = (("o", "oi", "oio"), ("i", "io", "ioi"))


class _Tower(nn.Module):
    """Reads hops into the two embeddings; a bias a role, from the degrees, rides in two more dimensions."""

    def __init__(self, attributes: int, dimension: int, hops: int, heads: int) -> None:
        super().__init__()
        self.attribute_dimension = attributes
        # Both roles and all hops start from one orthogonal map: the first score is a sum of cosines of hops.
        first = nn.init.orthogonal_(torch.empty(dimension, attributes)) / (hops + 1) ** 0.5
        self.maps = nn.ParameterList(nn.Parameter(first.repeat(hops + 1, 1, 1)) for _ in range(2))
        # The first head begins with the alternating walks alone, the others with a little of everything.
        mixtures = torch.randn(2, heads, len(_WALKS[0])) * 0.1
        mixtures[:, 0] = torch.tensor(
            [[0.5 * (walk in begin) for walk in role] for role, begin in zip(_WALKS, _ALTERNATING, strict=True)]
        )
        self.mixtures = nn.Parameter(mixtures)
        self.biases = nn.ModuleList(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)) for _ in range(2))
        self.log_size = nn.Parameter(torch.tensor([2.0] + [1.5] * heads))

    def source(self, view: _GraphView, nodes: Tensor, keep: Tensor | None = None) -> Tensor:
        """[m, d + heads r + 2] of the given nodes; `keep` [F] says which attribute dimensions are shown."""
        from_attributes, from_walks, bias = self._read(0, view, nodes, keep)
        parts = [part * size for part, size in zip([from_attributes, *from_walks], self.log_size.exp(), strict=True)]
        return torch.cat([*parts, bias, torch.ones_like(bias)], 1)

    def target(self, view: _GraphView, nodes: Tensor, keep: Tensor | None = None) -> Tensor:
        """[m, d + heads r + 2] of the given nodes."""
        from_attributes, from_walks, bias = self._read(1, view, nodes, keep)
        return torch.cat([from_attributes, *from_walks, torch.ones_like(bias), bias], 1)

    def _read(
        self, role: int, view: _GraphView, nodes: Tensor, keep: Tensor | None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        from_attributes = torch.zeros(())
        for hop, weight in zip(view.attributes[role], self.maps[role], strict=True):
            shown = hop[nodes] if keep is None else hop[nodes] * keep
            from_attributes = from_attributes + functional.normalize(shown, dim=1) @ weight.T
        walks = torch.stack([walk[nodes] for walk in view.coordinates[role]])
        from_walks = list(torch.einsum("hw,wnr->hnr", self.mixtures[role], walks))
        bias = self.biases[role](view.degrees[nodes])
        return (
            functional.normalize(from_attributes, dim=1),
            [functional.normalize(part, dim=1) for part in from_walks],
            bias,
        )


def _view_of(graph: DirectedGraph, base: Tensor, hops: int) -> _GraphView:
    step = propagation(graph.adjacency)
    degrees = np.log1p(np.stack([graph.out_degrees, graph.in_degrees], axis=1)).astype(np.float32)
    attributes = graph.attributes if graph.attributes is not None else np.zeros((graph.nodes, 1), dtype=np.float32)
    return _GraphView(_hops(step, attributes, hops), _walks(step, base.numpy()), torch.from_numpy(degrees))


def _hops(step: sp.csr_matrix, start: np.ndarray, hops: int) -> tuple[list[Tensor], list[Tensor]]:
    back = step.T.tocsr()
    hop_pairs = [(start, start)]
    for _ in range(hops):
        source, target = hop_pairs[-1]
        hop_pairs.append((step @ target, back @ source))
    by_role = ([torch.from_numpy(pair[role]) for pair in hop_pairs] for role in (0, 1))
    source_hops, target_hops = ([functional.normalize(hop, dim=1) for hop in role] for role in by_role)
    return source_hops, target_hops


def _walks(step: sp.csr_matrix, start: np.ndarray) -> tuple[list[Tensor], list[Tensor]]:
    """Coordinates after each of `_WALKS`, by role; "oi" goes along the edges, then against them."""
    steps = {"o": step, "i": step.T.tocsr()}
    after_walk: dict[str, np.ndarray] = {"": start}
    for walk in sorted({walk for role in _WALKS for walk in role} - {""}, key=len):
        # From u over "oi" to w is P Pᵀ [u, w]: the last step is taken of the start first.
        after_walk[walk] = steps[walk[0]] @ after_walk[walk[1:]]
    unit = {walk: functional.normalize(torch.from_numpy(rows), dim=1) for walk, rows in after_walk.items()}
    by_source, by_target = ([unit[walk] for walk in role] for role in _WALKS)
    return by_source, by_target
