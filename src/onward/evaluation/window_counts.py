"""Directed counts: what is newly bought within a window of days after each product."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Bools, Ints, PurchaseLog


@dataclass(frozen=True)
class WindowCounts:
    """New purchases of V within `window_days` after U, decaying with the gap, backed off to popularity.

    A purchase of V counts once for each U, from the last purchase of U before it. `backoff` is the weight of
    popularity in purchases: what U's own followers must outweigh.
    """

    window_days: int
    half_life_days: float | None
    backoff: float

    def fit(self, log: PurchaseLog) -> Method:
        """Count; see `Method`."""
        gap = np.arange(self.window_days + 1)
        decay = np.ones(len(gap)) if self.half_life_days is None else 0.5 ** (gap / self.half_life_days)
        prior = self.backoff * share_of_purchases(log, None, fresh_only=True)
        counts = counts_following(log, log.day, decay, fresh_only=True)
        return lambda sources: counts(sources) + prior


def share_of_purchases(log: PurchaseLog, recency_days: int | None, *, fresh_only: bool) -> Floats:
    """[P] share of each product among the purchases of the last `recency_days` days known, or of all."""
    counted = log.fresh if fresh_only else np.ones(len(log.day), dtype=np.bool_)
    if recency_days is not None and len(log.day):
        counted = counted & (log.day > log.day.max() - recency_days)
    return share_of(log.product[counted], log.products)


def share_of(product: Ints, products: int) -> Floats:
    """[C] how often each candidate occurs in [n] numbers, adding up to 1; zeros for nothing."""
    count = np.bincount(product, minlength=products)
    return np.asarray(count / max(1, len(product)), dtype=np.float64)


def counts_following(log: PurchaseLog, position: Ints, decay: Floats, *, fresh_only: bool) -> Method:
    """Purchases of each product after each source, a later one weighing less.

    Args:
        log: what may be counted.
        position: [n] where each purchase stands: its day, or its customer's visit.
        decay: [k] weight of a purchase so many positions later; none counts from k on.
        fresh_only: whether only what was new to the customer counts.
    """
    by_product = np.argsort(log.product, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(log.product, minlength=log.products))]
    counted = log.fresh if fresh_only else np.ones(len(log.day), dtype=np.bool_)

    def counts(sources: Ints) -> Floats:
        out = np.zeros((len(sources), log.products))
        _count_following(sources, starts, by_product, log.customer, log.product, position, counted, decay, out)
        return out

    return counts


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _count_following(
    sources: Ints,
    starts: Ints,
    by_product: Ints,
    customer: Ints,
    product: Ints,
    position: Ints,
    counted: Bools,
    decay: Floats,
    out: Floats,
) -> None:
    """Walk forward from each purchase of a source until the window ends or the customer buys the source again."""
    for row in range(len(sources)):
        source = sources[row]
        for k in range(starts[source], starts[source + 1]):
            event = by_product[k]
            reach = len(decay) - 1
            following = event + 1
            while following < len(customer) and customer[following] == customer[event]:
                gap = position[following] - position[event]
                if gap > reach:
                    break
                if gap > 0:
                    if product[following] == source:
                        reach = gap
                    elif counted[following]:
                        out[row, product[following]] += decay[gap]
                following += 1
