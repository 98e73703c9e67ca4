"""A directed graph of any kind as a sparse matrix, with attributes of its nodes: what structural scores read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DirectedGraph:
    """Weights of edges u -> v over N nodes, and what is known of the nodes.

    Attributes:
        adjacency: [N, N] float32 in compressed rows, weight of u -> v; no loops, no stored zeros.
        baskets: [B, N] which nodes came together: the sessions of a log, or the out-lists of a plain graph.
        attributes: [N, F] float32 vectors of the nodes (see `attribute_vectors`); None where nothing is known.
    """

    adjacency: sp.csr_matrix
    baskets: sp.csr_matrix
    attributes: npt.NDArray[np.float32] | None = None

    @classmethod
    def from_edges(cls, edges: Ints, nodes: int, attributes: npt.NDArray[np.float32] | None = None) -> "DirectedGraph":
        """The graph of [m, 2] distinct edges u -> v, each of weight 1; loops are dropped.

        >>> DirectedGraph.from_edges(np.array([[0, 1], [2, 1], [1, 1]]), 3).in_degrees.tolist()
        [0, 2, 0]
        """
        edges = edges[edges[:, 0] != edges[:, 1]]
        ones = np.ones(len(edges), dtype=np.float32)
        adjacency = sp.csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
        return cls(adjacency, adjacency, attributes)

    @property
    def nodes(self) -> int:
        """Number of nodes N."""
        return int(self.adjacency.shape[0])

    @cached_property
    def transposed(self) -> sp.csr_matrix:
        """[N, N] the adjacency of every edge reversed."""
        return self.adjacency.T.tocsr()

    @property
    def out_degrees(self) -> Ints:
        """[N] number of out-edges."""
        offsets: Ints = self.adjacency.indptr.astype(np.int64)
        return offsets[1:] - offsets[:-1]

    @property
    def in_degrees(self) -> Ints:
        """[N] number of in-edges."""
        return np.bincount(self.adjacency.indices, minlength=self.nodes).astype(np.int64)

    @cached_property
    def edges(self) -> Ints:
        """[m, 2] the edges, by source and then target."""
        source = np.repeat(np.arange(self.nodes), self.out_degrees)
        edges = np.stack([source, self.adjacency.indices.astype(np.int64)], axis=1)
        return edges[np.lexsort((edges[:, 1], edges[:, 0]))]

    def has(self, pairs: Ints) -> Bools:
        """[r] whether u -> v is an edge, for [r, 2] pairs."""
        keys = self.edges[:, 0] * self.nodes + self.edges[:, 1]
        return np.isin(pairs[:, 0] * self.nodes + pairs[:, 1], keys)

    def with_edges(self, edges: Ints) -> "DirectedGraph":
        """The same nodes with other edges, each of weight 1."""
        return DirectedGraph.from_edges(edges, self.nodes, self.attributes)


def normalised(adjacency: sp.csr_matrix, power: float = 0.5, prior: float = 0.0) -> sp.csr_matrix:
    """D_out^-power A D_in^-power with weighted degrees; `prior` is added to both, against rare nodes."""
    out, into = (np.asarray(adjacency.sum(axis=axis), dtype=np.float64).ravel() + prior for axis in (1, 0))
    left, right = (
        sp.diags_array(np.where(degree > 0, np.maximum(degree, 1e-12) ** -power, 0.0)) for degree in (out, into)
    )
    return sp.csr_matrix(left @ adjacency @ right).astype(np.float32)


def propagation(adjacency: sp.csr_matrix, loop: float = 1.0) -> sp.csr_matrix:
    """P = D_out^-1/2 (A + loop I) D_in^-1/2 (DiGAE, Kollias et al. 2022); the loop lets a node speak for itself."""
    return normalised(sp.csr_matrix(adjacency + loop * sp.eye_array(adjacency.shape[0], dtype=np.float32)))


def attribute_vectors(attributes: sp.csr_matrix, dimension: int) -> npt.NDArray[np.float32]:
    """[N, dimension] of length 1: presence of attributes, rare ones weighing more (idf), reduced by SVD.

    Args:
        attributes: [N, F] non-negative.
        dimension: at most F - 1 are returned.
    """
    present = sp.csr_matrix(attributes > 0, dtype=np.float32)
    frequency = np.bincount(present.indices, minlength=present.shape[1])
    weighed = present @ sp.diags_array(np.log((1 + present.shape[0]) / (1 + frequency)))
    length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    unit = sp.csr_matrix(sp.diags_array(1.0 / np.maximum(length, 1e-12)) @ weighed)
    left, size, _ = randomized_svd(unit, min(dimension, unit.shape[1] - 1), n_iter=3, random_state=0)
    vectors = left * size
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)
