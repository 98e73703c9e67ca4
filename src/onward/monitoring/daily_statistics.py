"""What an assessment needs of the decisions and of what became of them: counts per day and uncertainty level.

A *cohort* is the decisions of one day. A conversion's *lag* is the number of midnights between the impression and the
conversion, so the lags 0 … age − 1 of a cohort are fully known, and nothing else is, when its day began `age` days
before as_of. All statistics are sums over rows: ten million decisions and a thousand give arrays of the same size.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SCORE_BINS = 64
TOGETHER_DAYS = 56
"""All levels together are judged over so many days at most."""


@dataclass(frozen=True)
class DailyStatistics:
    """Sums over the decisions of S days, K levels, C categories; W is the attribution window in days.

    Attributes:
        first: the first of the S consecutive days.
        n: decisions [S, K].
        shown: of them with decision "show" [S, K].
        unscored: decisions on products that the version does not know [S].
        predicted: sum of predicted probabilities [S, K].
        predicted_shown: likewise of what was shown [S, K].
        arrivals: conversions by lag, [S, K, W + 1]; those that came at or after as_of are not in it.
        arrivals_shown: likewise of what was shown.
        engaged: decisions with an engagement by lag 1 [S, K].
        scores: histogram of logit scores [S, K, SCORE_BINS].
        categories: names of the C categories.
        category_predicted: sum of predicted probabilities [S, C].
        category_arrivals: [S, C, W + 1].
        spread: variance of a level's sum of conversions over that of independent rows [K]; above 1 where customers
            repeat.
        spread_together: likewise of the sum over all levels in the last TOGETHER_DAYS.
        impossible: conversions that are older than their impression.
    """

    first: date
    n: Floats
    shown: Floats
    unscored: Floats
    predicted: Floats
    predicted_shown: Floats
    arrivals: Floats
    arrivals_shown: Floats
    engaged: Floats
    scores: Floats
    categories: tuple[str, ...]
    category_predicted: Floats
    category_arrivals: Floats
    spread: Floats
    spread_together: float = 1.0
    impossible: int = 0

    @property
    def days(self) -> int:
        """S, the number of days; the last is the day before as_of."""
        return int(self.n.shape[0])

    @property
    def levels(self) -> int:
        """K, the number of uncertainty levels."""
        return int(self.n.shape[1])

    @property
    def window(self) -> int:
        """W, the attribution window in days."""
        return int(self.arrivals.shape[2]) - 1

    @property
    def as_of(self) -> date:
        """The first day that is not known."""
        return self.first + timedelta(days=self.days)

    @property
    def ages(self) -> npt.NDArray[np.int64]:
        """Days from each cohort's beginning to as_of, [S]: the number of its lags that are known."""
        return self.days - np.arange(self.days)

    @property
    def matured(self) -> Flags:
        """Cohorts whose last label is final, [S]."""
        return self.ages > self.window

    @property
    def known(self) -> Flags:
        """Cells of a cohort and a lag that lie before as_of, [S, W + 1]."""
        return np.arange(self.window + 1)[None, :] < self.ages[:, None]

    def with_spread(self, spread: Floats, together: float) -> "DailyStatistics":
        """The same sums with another spread."""
        return replace(self, spread=spread, spread_together=together)
