"""The package `implicit` (an extra: `pip install -e ".[peers]"`): BM25, cosine and ALS of orders.

Scores are the package's own; only the order of equal ones is ours, as everywhere, by candidate number. Where the
package is missing, its rows say so.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from onward.evaluation.related_log import RelatedLog
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

MISSING = "not installed; it is the extra `peers`"

Baskets = Literal["order", "customer"]


def installed() -> bool:
    """Whether the package can be asked."""
    return find_spec("implicit") is not None


@dataclass(frozen=True)
class NearestItems:
    """Most similar products by the package's BM25 or cosine, as `similar_items` scores them.

    Attributes:
        kind: of similarity.
        of: whose products are a row: an order's or a customer's.
        k1: BM25's saturation.
        b: BM25's length normalisation.
        neighbours: that the package keeps of each product.
    """

    kind: Literal["bm25", "cosine"]
    of: Baskets
    k1: float | None = None
    b: float | None = None
    neighbours: int = 500

    def fit(self, log: RelatedLog) -> Method:
        """Fit; see `Method`."""
        from implicit import nearest_neighbours as nearest
        from implicit.utils import ParameterWarning

        with threadpool_limits(1, "blas"), catch_warnings():
            simplefilter("ignore", ParameterWarning)  # of the package itself: it weighs rows in another sparse form
            model: Any = (
                nearest.BM25Recommender(K=self.neighbours, K1=self.k1, B=self.b, num_threads=1)
                if self.kind == "bm25"
                else nearest.CosineRecommender(K=self.neighbours, num_threads=1)
            )
            model.fit(_rows(log, self.of), show_progress=False)

        def scores(sources: Ints) -> Floats:
            similarity = sp.csr_matrix(model.similarity[sources])
            out = np.full(similarity.shape, -np.inf)
            row = np.repeat(np.arange(len(sources)), np.diff(similarity.indptr))
            out[row, similarity.indices] = similarity.data
            return out

        return scores


@dataclass(frozen=True)
class LeastSquares:
    """Alternating least squares of implicit feedback (Hu, Koren and Volinsky 2008).

    Attributes:
        ask: "similar" ranks by the cosine of item factors, "continue" by what an order that holds U alone goes on with.
        factors: dimension.
        regularization: penalty.
        alpha: weight of what was bought, against 1 for what was not.
    """

    ask: Literal["similar", "continue"]
    factors: int
    regularization: float
    alpha: float
    iterations: int = 15

    def fit(self, log: RelatedLog) -> Method:
        """Fit; see `Method`."""
        from implicit.cpu.als import AlternatingLeastSquares

        with threadpool_limits(1, "blas"):
            model: Any = AlternatingLeastSquares(
                factors=self.factors, regularization=self.regularization, alpha=self.alpha,
                iterations=self.iterations, num_threads=1, random_state=0,
            )  # fmt: skip
            model.fit(_rows(log, "order"), show_progress=False)
        items = np.asarray(model.item_factors, dtype=np.float64)
        unit = items / np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)

        def scores(sources: Ints) -> Floats:
            if self.ask == "similar":
                return np.asarray(unit[sources] @ unit.T)
            one = sp.csr_matrix(
                (np.ones(len(sources), np.float32), sources, np.arange(len(sources) + 1)),
                shape=(len(sources), log.products),
            )
            with threadpool_limits(1, "blas"):
                own = model.recalculate_user(np.arange(len(sources)), one)
            return np.asarray(np.asarray(own, np.float64) @ items.T)

        return scores


def _rows(log: RelatedLog, of: Baskets) -> sp.csr_matrix:
    owner = np.unique(log.order if of == "order" else log.customer, return_inverse=True)[1]
    rows = sp.csr_matrix((np.ones(len(owner), np.float32), (owner, log.product)), shape=(owner.max() + 1, log.products))
    rows.sum_duplicates()
    rows.data[:] = 1.0
    return rows
