"""A score of all ordered pairs as a product of matrices, of which only the requested rows are ever computed."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onward.ranking.directed_graph import Ints

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = sp.csr_matrix | npt.NDArray[np.float32]

_DENSE_FROM = 0.05  # share of filled cells from which a dense product is cheaper than a sparse one


@dataclass(frozen=True)
class Chain:
    """score(u, v) = (M_1 M_2 ... M_k)[u, v], the product taken from the left for the requested rows.

    Sparse as long as that is cheaper, so that scores of two or three hops need no N x N matrix.

    Attributes:
        matrices: M_1 [N, .] to M_k [., N], float32, sparse in compressed rows or dense.
    """

    matrices: tuple[Matrix, ...]

    def __call__(self, sources: Ints) -> Floats:
        """[m, N] scores of every v after each of `sources` [m], a new array (the contract of a ranking method)."""
        return self._follow(self.matrices[0][sources])

    def score_mixtures(self, queries: sp.csr_matrix) -> Floats:
        """[m, N] weighted sums of the rows, for queries that are sparse mixtures of nodes [m, N]."""
        return self._follow(queries @ self.matrices[0])

    def _follow(self, first: Matrix) -> Floats:
        rows: Any = first
        for matrix in self.matrices[1:]:
            if sp.issparse(rows) and sp.issparse(matrix) and rows.nnz > _DENSE_FROM * rows.shape[0] * rows.shape[1]:
                rows = rows.toarray()
            rows = rows @ matrix
        return np.array(rows.toarray() if sp.issparse(rows) else rows, dtype=np.float64)
