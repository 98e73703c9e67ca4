"""Baselines of the benchmark alone: what follows on the next shopping day, cosine of orders, and EASE.

Each is a setting whose `fit(log)` counts what was known and returns a score of all candidates.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from benchmarks.direction import counted_baselines
from onward.errors import DataError
from onward.evaluation.related_baselines import cooccurrence
from onward.evaluation.related_log import RelatedLog
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints


@dataclass(frozen=True)
class Markov:
    """Purchases of V on the customer's next shopping day after U, backed off to popularity."""

    fresh_only: bool
    backoff: float

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        return counted_baselines.Markov(self.fresh_only, self.backoff).fit(log.purchases)


@dataclass(frozen=True)
class Cosine:
    """Orders with both, over n_u^1/2 n_v^power: 0 counts alone, 1/2 the cosine, 1 nearly the lift."""

    power: float

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        orders = np.bincount(log.product, minlength=log.products)
        scale = np.maximum(orders, 1.0) ** -self.power
        together = cooccurrence(log.order, log.product, log.products)

        def scores(sources: Ints) -> Floats:
            own = np.maximum(orders[sources], 1.0) ** -0.5
            cosine: Floats = together(sources) * own[:, None] * scale
            return cosine

        return scores


@dataclass(frozen=True)
class Ease:
    """Embarrassingly shallow autoencoders over orders (Steck 2019, arXiv 1905.03375): B = I - P / diag(P).

    P is the inverse of the orders' Gram matrix plus `penalty` on its diagonal; an order that so far holds U alone
    continues by row U of B.
    """

    penalty: float

    def fit(self, log: RelatedLog) -> Method:
        """Invert; see `Method`.

        Raises:
            DataError: the matrix is singular.
        """
        row = np.unique(log.order, return_inverse=True)[1]
        lines = sp.csr_matrix((np.ones(len(row), np.float32), (row, log.product)), shape=(row.max() + 1, log.products))
        gram = np.asfortranarray((lines.T @ lines).toarray())
        gram[np.diag_indices_from(gram)] += self.penalty
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, again = lapack.spotri(factor, lower=1, overwrite_c=1)
        if failed or again:
            raise DataError(f"EASE: the Gram matrix of {log.products} products has no inverse; raise penalty")
        diagonal = np.diag(inverse).copy()

        def scores(sources: Ints) -> Floats:
            # Only the lower triangle was filled: row u is column u from the diagonal down, and row u before it.
            beyond = np.arange(len(diagonal)) > sources[:, None]
            precision = np.where(beyond, inverse[:, sources].T, inverse[sources])
            return np.asarray(-precision / diagonal, dtype=np.float64)

        return scores
