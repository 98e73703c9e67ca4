"""EASE, and what the package `implicit` has: BM25 and alternating least squares."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from benchmarks.peers.models.exam_paper import Floats, Lesson, Queries, Scorer, presence, with_own


def _own_lists(lesson: Lesson, *, own: bool) -> sp.csr_matrix:
    """[lists, N] what is learnt from; a node may stand on its own list."""
    return presence(with_own(lesson.lists, np.arange(len(lesson.lists)), own=own), lesson.items)


def _asked(queries: Queries, items: int, *, own: bool) -> sp.csr_matrix:
    return presence(with_own(queries.histories, queries.owners, own=own), items)


@dataclass(frozen=True)
class Ease:
    """Embarrassingly shallow autoencoders (Steck 2019, arXiv 1905.03375).

    Attributes:
        penalty: added to the diagonal of the Gram matrix.
        own: a node stands on its own list.
    """

    penalty: float
    own: bool = False

    def fit(self, lesson: Lesson, _seed: int) -> Iterator[Scorer]:
        """Invert once."""
        rows = _own_lists(lesson, own=self.own)
        gram = np.asfortranarray((rows.T @ rows).toarray(), dtype=np.float32)
        gram[np.diag_indices_from(gram)] += self.penalty
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, again = lapack.spotri(factor, lower=1, overwrite_c=1)
        if failed or again:
            raise ArithmeticError(f"EASE: no inverse at penalty {self.penalty}; raise it")
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)

        def scores(queries: Queries) -> Floats:
            return np.asarray(_asked(queries, lesson.items, own=self.own) @ weights)

        yield scores


@dataclass(frozen=True)
class Bm25:
    """Nearest items by BM25, as `implicit` scores them.

    Attributes:
        k1: saturation.
        b: length normalisation.
        neighbours: kept of each item.
        own: a node stands on its own list.
    """

    k1: float
    b: float
    neighbours: int = 500
    own: bool = False

    def fit(self, lesson: Lesson, _seed: int) -> Iterator[Scorer]:
        """Count once."""
        from implicit.nearest_neighbours import BM25Recommender

        model: Any = BM25Recommender(K=self.neighbours, K1=self.k1, B=self.b, num_threads=1)
        model.fit(_own_lists(lesson, own=self.own), show_progress=False)
        similarity = sp.csr_matrix(model.similarity, dtype=np.float32)

        def scores(queries: Queries) -> Floats:
            return np.asarray((_asked(queries, lesson.items, own=self.own) @ similarity).toarray())

        yield scores


@dataclass(frozen=True)
class Als:
    """Alternating least squares of implicit feedback (Hu, Koren and Volinsky 2008), folded in at the query.

    Attributes:
        factors: dimension.
        regularization: penalty.
        alpha: weight of what is there, against 1 for what is not.
        own: a node stands on its own list.
    """

    factors: int
    regularization: float
    alpha: float
    iterations: int = 15
    own: bool = False

    def fit(self, lesson: Lesson, seed: int) -> Iterator[Scorer]:
        """Alternate."""
        from implicit.cpu.als import AlternatingLeastSquares

        model: Any = AlternatingLeastSquares(
            factors=self.factors, regularization=self.regularization, alpha=self.alpha,
            iterations=self.iterations, num_threads=1, random_state=seed,
        )  # fmt: skip
        model.fit(_own_lists(lesson, own=self.own), show_progress=False)
        items = np.asarray(model.item_factors, dtype=np.float32)

        def scores(queries: Queries) -> Floats:
            rows = _asked(queries, lesson.items, own=self.own)
            factors = model.recalculate_user(np.arange(rows.shape[0]), rows)
            return np.asarray(np.asarray(factors, np.float32) @ items.T)

        yield scores
