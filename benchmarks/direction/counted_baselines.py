"""Count-based rankings that only benchmarks ask: recent popularity, and what comes on the next shopping day."""

from dataclasses import dataclass

import numpy as np

from onward.evaluation.window_counts import WindowCounts, counts_following, share_of_purchases
from onward.ranking.method import Method
from onward.ranking.purchase_log import PurchaseLog


@dataclass(frozen=True)
class Popularity:
    """Purchases of V in the last `recency_days` days known; the same list after every U."""

    recency_days: int
    fresh_only: bool

    def fit(self, log: PurchaseLog) -> Method:
        """Count; see `Method`."""
        share = share_of_purchases(log, self.recency_days, fresh_only=self.fresh_only)
        return lambda sources: np.tile(share, (len(sources), 1))


@dataclass(frozen=True)
class Markov:
    """Purchases of V on the customer's next shopping day after U, backed off to popularity."""

    fresh_only: bool
    backoff: float

    def fit(self, log: PurchaseLog) -> Method:
        """Count; see `Method`."""
        prior = self.backoff * share_of_purchases(log, None, fresh_only=self.fresh_only)
        counts = counts_following(log, log.visit(), np.array([0.0, 1.0]), fresh_only=self.fresh_only)
        return lambda sources: counts(sources) + prior


Baseline = Popularity | Markov | WindowCounts
