"""Count-based rankings that a trained model has to beat: popularity, Markov and directed window counts.

They are given the purchases that the product graph was given, no more and no less, and their few settings are tuned
(see `comparison`), so that the model does not win against a straw man.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numba import njit

from onward.evaluation.intervals import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Bools, Ints, PurchaseLog

_BACKOFFS = (100.0, 1_000.0, 10_000.0)


@dataclass(frozen=True)
class Popularity:
    """Purchases of V in the last `recency_days` days known; the same list after every U."""

    recency_days: int
    fresh_only: bool

    def fit(self, log: PurchaseLog) -> Method:
        """Count; see `Method`."""
        share = _share(log, self.recency_days, fresh_only=self.fresh_only)
        return lambda sources: np.tile(share, (len(sources), 1))


@dataclass(frozen=True)
class Markov:
    """Purchases of V on the customer's next shopping day after U, backed off to popularity."""

    fresh_only: bool
    backoff: float

    def fit(self, log: PurchaseLog) -> Method:
        """Count; see `Method`."""
        prior = self.backoff * _share(log, None, fresh_only=self.fresh_only)
        counts = _following(log, log.visit(), np.array([0.0, 1.0]), fresh_only=self.fresh_only)
        return lambda sources: counts(sources) + prior


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
        prior = self.backoff * _share(log, None, fresh_only=True)
        counts = _following(log, log.day, decay, fresh_only=True)
        return lambda sources: counts(sources) + prior


Baseline = Popularity | Markov | WindowCounts

GRID: dict[str, tuple[Baseline, ...]] = {
    "popularity": tuple(Popularity(days, fresh) for days in (14, 28, 56, 3650) for fresh in (True, False)),
    "markov": tuple(Markov(fresh, backoff) for fresh in (True, False) for backoff in _BACKOFFS),
    "window_counts": tuple(
        WindowCounts(days, half_life, backoff)
        for days, half_life in ((7, None), (30, None), (30, 7.0))
        for backoff in _BACKOFFS
    ),
}
"""Every setting that tuning may pick, by method."""


def describe(setting: Baseline) -> dict[str, bool | float | int | None]:
    """A setting as plain values."""
    return asdict(setting)


def _share(log: PurchaseLog, recency_days: int | None, *, fresh_only: bool) -> Floats:
    counted = log.fresh if fresh_only else np.ones(len(log.day), dtype=np.bool_)
    if recency_days is not None and len(log.day):
        counted = counted & (log.day > log.day.max() - recency_days)
    count = np.bincount(log.product[counted], minlength=log.products)
    return np.asarray(count / max(1, count.sum()), dtype=np.float64)


def _following(log: PurchaseLog, position: Ints, decay: Floats, *, fresh_only: bool) -> Method:
    by_product = np.argsort(log.product, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(log.product, minlength=log.products))]
    counted = log.fresh if fresh_only else np.ones(len(log.day), dtype=np.bool_)

    def counts(sources: Ints) -> Floats:
        out = np.zeros((len(sources), log.products))
        _count_following(sources, starts, by_product, log.customer, log.product, position, counted, decay, out)
        return out

    return counts


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _count_following(
    sources: Ints, starts: Ints, by_product: Ints, customer: Ints, product: Ints, position: Ints, counted: Bools,
    decay: Floats, out: Floats,
) -> None:  # fmt: skip
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
