"""DirGNN (Rossi et al. 2023, arXiv 2305.10498) by PyG, with a decoder of ordered pairs as DirLinkBench has them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch_geometric.nn import DirGNNConv, GCNConv, SAGEConv

from benchmarks.peers.models.exam_paper import Floats, Ints, Lesson, Queries, Scorer

WINDOW = 5
"""Places in a sequence up to which one item points to another."""
_DECAY = 0.7
_ROWS = 64


class Network(torch.nn.Module):
    """Words and an embedding of the node, convolutions in both directions, all layers joined, and two roles.

    Attributes:
        roles: as a source and as a target.
    """

    def __init__(self, setting: "DirGnn", nodes: int, words: int) -> None:
        super().__init__()
        width, layers = setting.hidden, setting.layers
        self.read = torch.nn.Linear(words, width) if words else None
        self.own = torch.nn.Embedding(nodes, width) if setting.embedding or not words else None
        if self.own is not None:
            torch.nn.init.normal_(self.own.weight, std=0.1)
        kind = {"gcn": GCNConv, "sage": SAGEConv}[setting.conv]
        self.convs = torch.nn.ModuleList([DirGNNConv(kind(width, width), setting.alpha) for _ in range(layers)])
        joined = width * (layers + 1)
        self.roles = torch.nn.ModuleList([torch.nn.Linear(joined, setting.hidden) for _ in range(2)])
        self.out = torch.nn.Linear(setting.hidden, 1) if setting.decoder == "mlp" else None
        self.dropout = setting.dropout

    def encode(self, words: torch.Tensor | None, edges: torch.Tensor) -> list[torch.Tensor]:
        """[N, hidden] of every node as a source and as a target."""
        start: torch.Tensor | float = 0.0
        if self.read is not None and words is not None:
            start = self.read(words)
        if self.own is not None:
            start = start + self.own.weight
        layers = [torch.as_tensor(start)]
        for conv in self.convs:
            inner = torch.nn.functional.dropout(layers[-1], self.dropout, self.training)
            layers.append(torch.relu(conv(inner, edges)))
        joined = torch.nn.functional.dropout(torch.cat(layers, dim=1), self.dropout, self.training)
        return [role(joined) for role in self.roles]

    def decode(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-odds of pairs from both roles: the inner product, or a layer over their sum."""
        if self.out is None:
            return (source * target).sum(dim=-1)
        found: torch.Tensor = self.out(torch.relu(source + target)).squeeze(-1)
        return found


@dataclass(frozen=True)
class DirGnn:
    """A directed graph network, trained to tell edges from pairs at random.

    Attributes:
        conv: `gcn` or `sage`, wrapped for both directions.
        decoder: `dual`, inner product of two roles, or `mlp`.
        hidden: width.
        layers: convolutions.
        held: share of the edges that a step predicts and does not pass messages over; 0 passes and predicts all.
        embedding: a learnt vector of each node beside its words.
        alpha: weight of messages from targets to sources; the rest is that of messages the other way.
        dropout: share of units.
        absent: random pairs for every edge.
        vectors: dimension of what is read of a node's words, as many as Onward's encoder reads.
        steps_told: steps between two looks at validation.
    """

    conv: str
    decoder: str
    hidden: int = 64
    layers: int = 2
    held: float = 0.3
    embedding: bool = False
    alpha: float = 0.5
    dropout: float = 0.3
    rate: float = 0.01
    absent: int = 1
    vectors: int = 256
    steps_told: int = 20

    def fit(self, lesson: Lesson, seed: int) -> Iterator[Scorer]:
        """Train until nobody asks for more."""
        torch.manual_seed(seed)
        edges, weight = (torch.from_numpy(each) for each in edges_of(lesson))
        words = _vectors(lesson.words, self.vectors)
        model = Network(self, lesson.items, words.shape[1] if words is not None else 0)
        optimiser = torch.optim.Adam(model.parameters(), lr=self.rate)
        while True:
            model.train()
            for _ in range(self.steps_told):
                shown, asked, asked_weight = edges, edges, weight
                if self.held:
                    hidden = torch.rand(edges.shape[1]) < self.held
                    shown, asked, asked_weight = edges[:, ~hidden], edges[:, hidden], weight[hidden]
                loss = self._loss(model.encode(words, shown), model, asked, asked_weight, lesson.items)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            model.eval()
            with torch.no_grad():
                source, target = model.encode(words, edges)
            # The last layer's bias is the same for all pairs, so it ranks nothing.
            out = None if model.out is None else model.out.weight.detach().clone()[0]
            yield PairScores(source, target, out, lesson.is_graph)

    def _loss(
        self, roles: list[torch.Tensor], model: Network, asked: torch.Tensor, weight: torch.Tensor, nodes: int
    ) -> torch.Tensor:
        source, target = roles
        absent = torch.randint(nodes, (2, asked.shape[1] * self.absent))
        found = model.decode(source[asked[0]], target[asked[1]])
        other = model.decode(source[absent[0]], target[absent[1]])
        right = (weight * torch.nn.functional.softplus(-found)).sum() / weight.sum()
        return right + torch.nn.functional.softplus(other).mean()


@dataclass(frozen=True)
class PairScores:
    """Scores from both roles of every node as they are now.

    Attributes:
        source: [N, hidden].
        target: [N, hidden].
        out: weights of the decoder's last layer; None for the inner product.
        is_graph: queries are nodes; else they are histories.
    """

    source: torch.Tensor
    target: torch.Tensor
    out: torch.Tensor | None
    is_graph: bool

    def __call__(self, queries: Queries) -> Floats:
        """[Q, N] of all items."""
        mixture = torch.from_numpy(_mixture(queries, len(self.target), is_graph=self.is_graph))
        asker = torch.sparse.mm(mixture.to_sparse(), self.source)
        if self.out is None:
            return np.asarray((asker @ self.target.T).numpy())
        parts = [
            torch.relu(asker[start : start + _ROWS, None] + self.target) @ self.out
            for start in range(0, len(asker), _ROWS)
        ]
        return np.asarray(torch.cat(parts).numpy())

    def pairs(self, pairs: Ints) -> Floats:
        """[r] of [r, 2] pairs of nodes."""
        source, target = self.source[pairs[:, 0]], self.target[pairs[:, 1]]
        if self.out is None:
            return np.asarray((source * target).sum(dim=1).numpy())
        return np.asarray((torch.relu(source + target) @ self.out).numpy())


def edges_of(lesson: Lesson) -> tuple[Ints, Floats]:
    """[2, m] edges and their weights: those of the graph, or of each item to the next few with weight 1/k."""
    lengths = [len(each) for each in lesson.lists]
    owner, flat = np.repeat(np.arange(len(lengths)), lengths), np.concatenate(lesson.lists)
    if lesson.is_graph:
        return np.stack([owner, flat]), np.ones(len(flat), np.float32)
    counts = sp.csr_matrix((lesson.items, lesson.items), dtype=np.float32)
    for gap in range(1, WINDOW + 1):
        near = (owner[gap:] == owner[:-gap]) & (flat[gap:] != flat[:-gap])
        pair = (flat[:-gap][near], flat[gap:][near])
        counts = counts + sp.csr_matrix((np.full(len(pair[0]), 1.0 / gap, np.float32), pair), shape=counts.shape)
    found = sp.coo_matrix(counts)
    return np.stack([found.row, found.col]).astype(np.int64), found.data.astype(np.float32)


def _mixture(queries: Queries, nodes: int, *, is_graph: bool) -> Floats:
    """[Q, N] what asks: the node, or the history with the last item weighing most."""
    out = np.zeros((len(queries.owners), nodes), np.float32)
    if is_graph:
        out[np.arange(len(out)), queries.owners] = 1.0
        return out
    for row, history in enumerate(queries.histories):
        weight = _DECAY ** np.arange(len(history))[::-1]
        np.add.at(out[row], history, weight / weight.sum())
    return out


def _vectors(words: sp.csr_matrix, width: int) -> torch.Tensor | None:
    """[N, width] the first singular vectors of each node's words at length 1; None where nothing is known."""
    if not words.shape[1]:
        return None
    length = np.maximum(np.sqrt(np.asarray(words.multiply(words).sum(axis=1)).ravel()), 1e-12)
    unit = sp.csr_matrix(sp.diags_array(1.0 / length) @ words, dtype=np.float32)
    left, scale, _ = svds(unit, k=min(width, min(unit.shape) - 1), rng=0)
    return torch.from_numpy(np.ascontiguousarray(left * scale, dtype=np.float32) * 10.0)
