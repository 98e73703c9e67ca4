"""Untrained scores of ordered pairs: what a trained model has to beat, and what the blend is made of.

One contract: a setting is a frozen dataclass whose `fit(graph)` returns a `Chain`, which ranks the targets of any
source. Nothing here is learnt from labels, so a score is as honest as the graph it is given: leave an edge out of the
graph and no score knows of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from sklearn.utils.extmath import randomized_svd

from onward.errors import DataError
from onward.ranking.chains import Chain, Matrix
from onward.ranking.directed_graph import DirectedGraph, normalised, propagation

Way = Literal["out", "in"]


class LinkScore(Protocol):
    """A setting of one method."""

    def fit(self, graph: DirectedGraph) -> Chain:
        """Score all ordered pairs from what the graph knows."""
        ...


@dataclass(frozen=True)
class Popularity:
    """Weighted in-degree of v, times the weighted out-degree of u when `attached` (preferential attachment)."""

    attached: bool = False

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        into = np.asarray(graph.adjacency.sum(axis=0), dtype=np.float32).reshape(1, -1)
        out = np.asarray(graph.adjacency.sum(axis=1), dtype=np.float32).reshape(-1, 1)
        return Chain((out if self.attached else np.ones_like(out), into))


@dataclass(frozen=True)
class Edges:
    """The weight of u -> v itself: counts within a window, with decay, where the graph was counted so.

    `popularity_power` divides by a power of v's in-degree, which turns counts towards lift.
    """

    popularity_power: float = 0.0

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        into = np.asarray(graph.adjacency.sum(axis=0)).ravel() + 5.0
        return Chain((sp.csr_matrix(graph.adjacency @ sp.diags_array(into**-self.popularity_power), dtype=np.float32),))


@dataclass(frozen=True)
class ReversedEdges:
    """The weight of v -> u."""

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        return Chain((graph.transposed,))


@dataclass(frozen=True)
class Paths:
    """Paths u - w - v of two steps, each along (`out`) or against (`in`) the edges, and Aᵀ weighed by `reversed_edge`.

    A path counts degree(w)^-`power`: 0 is common neighbours, 1 directed resource allocation (Zhou et al. 2009).
    """

    first: Way = "out"
    second: Way = "out"
    power: float = 0.0
    reversed_edge: float = 0.0

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        degree = np.asarray(graph.adjacency.sum(axis=0)).ravel() + np.asarray(graph.adjacency.sum(axis=1)).ravel()
        steps = {"out": graph.adjacency, "in": graph.transposed}
        first = steps[self.first] @ sp.diags_array(np.maximum(degree, 1.0) ** -self.power)
        if not self.reversed_edge:
            return Chain((_csr(first), steps[self.second]))
        # [F, cA'] [S; I] = F S + c A': one chain for the sum.
        left = sp.hstack([first, self.reversed_edge * graph.transposed], format="csr")
        right = sp.vstack([steps[self.second], sp.eye_array(graph.nodes)], format="csr")
        return Chain((_csr(left), _csr(right)))


@dataclass(frozen=True)
class PropagatedEdges:
    """(PPᵀ)^hops P, with P = D_o^-1/2 (A + loop I) D_i^-1/2: who the sources of u's targets also lead to."""

    hops: int = 1
    loop: float = 1.0

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        step = propagation(graph.adjacency, self.loop)
        back = step.T.tocsr()
        return Chain((step, *((back, step) * self.hops)))


@dataclass(frozen=True)
class Walk:
    """A random walk of up to `steps` steps (Markov chain), step k weighing damping^k: Q (I + dQ)^(steps - 1)."""

    way: Way = "out"
    steps: int = 3
    damping: float = 0.85

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        edges = graph.adjacency if self.way == "out" else graph.transposed
        step = _csr(sp.diags_array(1.0 / np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1e-12)) @ edges)
        stay = _csr(sp.eye_array(graph.nodes) + self.damping * step)
        return Chain((step, *((stay,) * (self.steps - 1))))


@dataclass(frozen=True)
class Undirected:
    """Paths of `steps` steps over A + Aᵀ with loops, normalised by degree^-`power` on both ends: no direction."""

    steps: int = 2
    power: float = 0.5
    loop: float = 1.0

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        both = graph.adjacency + graph.transposed + self.loop * sp.eye_array(graph.nodes, dtype=np.float32)
        return Chain((normalised(_csr(both), self.power),) * self.steps)


@dataclass(frozen=True)
class PropagatedAttributes:
    """Cosine of the attributes seen from u over `source_hops` with those seen from v over `target_hops`.

    One hop is PX from u and PᵀX from v, two are PPᵀX and PᵀPX.
    """

    source_hops: int = 2
    target_hops: int = 2

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`.

        Raises:
            DataError: the graph has no attributes.
        """
        if graph.attributes is None:
            raise DataError("propagated attributes: the graph has no attributes; leave this score out")
        step = propagation(graph.adjacency)
        back = step.T.tocsr()
        source = _hop(graph.attributes, (step, back), self.source_hops)
        target = _hop(graph.attributes, (back, step), self.target_hops)
        return Chain((source, np.ascontiguousarray(target.T)))


@dataclass(frozen=True)
class NeighbourhoodAttributes:
    """Cosine of the attributes around u and around v, up to `steps` undirected steps away; it knows no direction."""

    steps: int = 2

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`.

        Raises:
            DataError: the graph has no attributes.
        """
        if graph.attributes is None:
            raise DataError("neighbourhood attributes: the graph has no attributes; leave this score out")
        both = graph.adjacency + graph.transposed + sp.eye_array(graph.nodes, dtype=np.float32)
        around = _hop(graph.attributes, (normalised(_csr(both)),) * 2, self.steps)
        return Chain((around, np.ascontiguousarray(around.T)))


@dataclass(frozen=True)
class SmoothedEdges:
    """The edges of the `neighbours` nodes most alike in attributes, asked for u or answered for v.

    It scores what has hardly an edge of its own by what its like lead to.
    """

    side: Literal["source", "target"] = "source"
    neighbours: int = 20

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`.

        Raises:
            DataError: the graph has no attributes.
        """
        if graph.attributes is None:
            raise DataError("smoothed edges: the graph has no attributes; leave this score out")
        alike = _most_alike(graph.attributes, min(self.neighbours, graph.nodes - 1))
        edges = normalised(graph.adjacency, prior=1.0)
        return Chain((alike, edges) if self.side == "source" else (edges, alike.T.tocsr()))


@dataclass(frozen=True)
class DualSvd:
    """Truncated SVD of P (or of A, normalised with a prior on the degrees): left vectors ask, right vectors answer."""

    rank: int = 64
    prior: float | None = None

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        matrix = propagation(graph.adjacency) if self.prior is None else normalised(graph.adjacency, prior=self.prior)
        rank = min(self.rank, graph.nodes - 1)
        left, size, right = randomized_svd(matrix, rank, n_iter=4, random_state=0)
        return Chain(((left * size).astype(np.float32), right.astype(np.float32)))


@dataclass(frozen=True)
class Ease:
    """Item-item weights of the ridge regression of baskets on themselves (EASE; Steck 2019, arXiv 1905.03375).

    Attributes:
        l2: penalty.
        through: ask for u's targets (`edges`) or for u itself (`node`).
    """

    l2: float = 100.0
    through: Literal["node", "edges"] = "edges"

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        gram = (graph.baskets.T @ graph.baskets).toarray(order="F").astype(np.float32)
        gram[np.diag_indices(graph.nodes)] += self.l2
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, wrong = lapack.spotri(factor, lower=1, overwrite_c=1) if not failed else (factor, failed)
        if wrong:
            raise DataError(f"EASE: the co-occurrence matrix cannot be inverted with l2 = {self.l2:g}; raise l2")
        weights = np.tril(inverse)
        weights += np.tril(weights, -1).T
        weights /= -np.diag(weights)[None, :].copy()
        np.fill_diagonal(weights, 0.0)
        return Chain((weights,) if self.through == "node" else (graph.adjacency, weights))


@dataclass(frozen=True)
class ItemKnn:
    """Cosine of the baskets that hold v and w, asked for u itself (`node`) or summed over u's targets w (`edges`).

    Long baskets weigh 1 / log(2 + length) where `by_length`; `prior` is added to every item's count.
    """

    through: Literal["node", "edges"] = "edges"
    prior: float = 1.0
    by_length: bool = True

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        baskets = sp.csr_matrix(graph.baskets, dtype=np.float32)
        count = np.asarray(baskets.sum(axis=0)).ravel()
        weight = 1.0 / np.log(2.0 + np.diff(baskets.indptr)) if self.by_length else np.ones(baskets.shape[0])
        scaled = _csr(sp.diags_array(np.sqrt(weight)) @ baskets @ sp.diags_array((count + self.prior) ** -0.5))
        pair = (scaled.T.tocsr(), scaled)
        return Chain(pair if self.through == "node" else (graph.adjacency, *pair))


GRIDS: Mapping[str, tuple[LinkScore, ...]] = {
    "popularity": (Popularity(), Popularity(attached=True)),
    "common neighbours": tuple(Paths(first, second) for first in ("out", "in") for second in ("out", "in")),
    "propagated edges": tuple(PropagatedEdges(hops) for hops in (1, 2, 3)),
    "resource allocation": (
        Paths("out", "out", 1.0),
        Paths("out", "out", 1.0, 0.3),
        Paths("out", "out", 0.5, 0.3),
        Paths("out", "in", 1.0),
        Paths("in", "out", 1.0),
        Paths("in", "in", 1.0),
    ),
    "reversed edge": (ReversedEdges(),),
    "propagated attributes": tuple(
        PropagatedAttributes(*hops) for hops in ((0, 0), (1, 0), (0, 1), (1, 2), (2, 1), (2, 2))
    ),
    "neighbourhood attributes": tuple(NeighbourhoodAttributes(steps) for steps in (1, 2, 3)),
    "dual SVD": tuple(DualSvd(rank) for rank in (32, 64, 128, 256)),
    "EASE": (Ease(30.0, "edges"), Ease(300.0, "edges"), Ease(300.0, "node")),
    "item kNN": (ItemKnn("edges"), ItemKnn("node")),
    "Markov walk": (Walk("out", 3), Walk("in", 3), Walk("out", 2, 0.5)),
    "undirected co-occurrence": tuple(Undirected(steps) for steps in (2, 3, 5)),
}
"""For a plain graph: every setting that tuning may pick, by method; the blend reads all of them."""


def _csr(matrix: sp.sparray | sp.spmatrix) -> sp.csr_matrix:
    return sp.csr_matrix(matrix, dtype=np.float32)


def _hop(attributes: np.ndarray, steps: tuple[sp.csr_matrix, sp.csr_matrix], hops: int) -> Matrix:
    """Attributes after `hops` of ... steps[0] steps[1] steps[0], rows of length 1."""
    seen = attributes
    # The step next to the attributes comes first: for two hops from u it is Pᵀ, then P.
    for hop in range(hops, 0, -1):
        seen = steps[(hop - 1) % 2] @ seen
    return seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12)


def _most_alike(attributes: np.ndarray, count: int) -> sp.csr_matrix:
    """[N, N] squared cosine of each node with the `count` nodes most like it, rows summing to 1."""
    nodes = len(attributes)
    rows = []
    for start in range(0, nodes, 1000):
        alike = attributes[start : start + 1000] @ attributes.T
        own_row = np.arange(len(alike))
        alike[own_row, start + own_row] = 0.0
        best = np.argpartition(alike, nodes - count, axis=1)[:, nodes - count :]
        value = np.take_along_axis(alike, best, axis=1) ** 2
        value /= np.maximum(value.sum(axis=1, keepdims=True), 1e-12)
        rows.append(
            sp.csr_matrix((value.ravel(), best.ravel(), count * np.arange(len(alike) + 1)), (len(alike), nodes))
        )
    return _csr(sp.vstack(rows))
