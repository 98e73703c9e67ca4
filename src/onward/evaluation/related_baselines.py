"""What served lists have to beat in every run: popularity, popularity among new purchases, counts and co-occurrence.

Each is counted from the purchases that the model may know, and its few settings are tuned on selection customers (see
`related_comparison`), so that nobody wins against a straw man.
"""

from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp

from onward.evaluation.related_log import RelatedLog
from onward.evaluation.window_counts import WindowCounts, share_of, share_of_purchases
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

_WHOLE_LOG = 3650


@dataclass(frozen=True)
class Popularity:
    """Order lines of V in the last `recency_days` days known; the same list after every U."""

    recency_days: int

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        share = share_of(log.product[log.day > _last(log) - self.recency_days], log.products)
        return lambda sources: np.tile(share, (len(sources), 1))


@dataclass(frozen=True)
class PopularityAmongNew:
    """New purchases of V in the last `recency_days` days known; the same list after every U."""

    recency_days: int

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        share = share_of_purchases(log.purchases, self.recency_days, fresh_only=True)
        return lambda sources: np.tile(share, (len(sources), 1))


@dataclass(frozen=True)
class Counts:
    """New purchases of V within `window_days` after U, and `backoff` purchases' worth of popularity among new ones."""

    window_days: int
    backoff: float

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        return WindowCounts(self.window_days, None, self.backoff).fit(log.purchases)


@dataclass(frozen=True)
class Cooccurrence:
    """Orders of the last `recency_days` days that hold both U and V, and `backoff` orders' worth of popularity."""

    recency_days: int
    backoff: float

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        recent = log.day > _last(log) - self.recency_days
        prior = self.backoff * share_of(log.product[recent], log.products)
        together = cooccurrence(log.order[recent], log.product[recent], log.products)
        return lambda sources: together(sources) + prior


RelatedBaseline = Popularity | PopularityAmongNew | Counts | Cooccurrence

RELATED_GRID: dict[str, tuple[RelatedBaseline, ...]] = {
    "popularity": tuple(Popularity(days) for days in (7, 14, 28, 56, _WHOLE_LOG)),
    "popularity_among_new": tuple(PopularityAmongNew(days) for days in (7, 14, 28, 56, _WHOLE_LOG)),
    "counts": (Counts(7, 1_000.0), *(Counts(30, backoff) for backoff in (100.0, 1_000.0, 10_000.0))),
    "cooccurrence": (
        *(Cooccurrence(56, backoff) for backoff in (100.0, 1_000.0)),
        *(Cooccurrence(_WHOLE_LOG, backoff) for backoff in (100.0, 1_000.0, 10_000.0)),
    ),
}
"""Every setting that tuning may pick, by method."""


def plain(setting: RelatedBaseline) -> dict[str, int | float]:
    """A setting as plain values."""
    return asdict(setting)


def cooccurrence(order: Ints, product: Ints, products: int) -> Method:
    """Count the orders that hold U and V, for sources as they are asked; a product does not occur with itself.

    Args:
        order: [n] of distinct lines (order, product).
        product: [n] candidate number.
        products: C.
    """
    orders, row = np.unique(order, return_inverse=True)
    shape = (len(orders), products)
    lines = sp.csr_matrix((np.ones(len(row), dtype=np.float32), (row, product)), shape=shape)
    by_product = lines.T.tocsr()

    def counts(sources: Ints) -> Floats:
        together: Floats = (by_product[sources] @ lines).toarray().astype(np.float64)
        together[np.arange(len(sources)), sources] = 0.0
        return together

    return counts


def _last(log: RelatedLog) -> int:
    return int(log.day.max(initial=0))
