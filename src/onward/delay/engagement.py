"""Engagement so far: what a customer did between seeing an impression and a clock, by kind."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.outcomes import ONE_DAY, Flags, Times

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EngagementLog:
    """Engagements known at a clock: for each kind, impression and happened_at sorted by both."""

    kinds: tuple[str, ...]
    impressions: tuple[Ids, ...]
    times: tuple[Times, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of `features`: a count and the days since the last one, for each kind."""
        return tuple(name for kind in self.kinds for name in (f"engaged_{kind}", f"days_since_{kind}"))

    def features(self, impression: Ids, shown_at: Times, clock: Times) -> npt.NDArray[np.float32]:
        """Describe the engagement of n impressions strictly after shown_at and strictly before clock.

        Returns:
            float32 [n, 2 · kinds]; the days since the last engagement are NaN where there was none.
        """
        table = np.empty((len(impression), 2 * len(self.kinds)), dtype=np.float32)
        for position, (owner, time) in enumerate(zip(self.impressions, self.times, strict=True)):
            first = np.searchsorted(owner, impression, "left")
            end = np.searchsorted(owner, impression, "right")
            begin = _bisect(time, first, end, shown_at, include_equal=True)
            stop = _bisect(time, begin, end, clock, include_equal=False)
            table[:, 2 * position] = stop - begin
            table[:, 2 * position + 1] = np.nan
            some = stop > begin
            table[some, 2 * position + 1] = (clock[some] - time[stop[some] - 1]) / ONE_DAY
        return table


def read_engagements(engagements: pd.DataFrame, as_of: datetime) -> EngagementLog:
    """Index engagements (impression, kind, happened_at) that happened before `as_of`."""
    time = engagements["happened_at"].to_numpy("datetime64[us]")
    before_clock = time < np.datetime64(as_of, "us")
    owner, time = engagements["impression"].to_numpy(np.int64)[before_clock], time[before_clock]
    codes, kinds = pd.factorize(engagements["kind"][before_clock], sort=True)
    columns = [_in_order(owner[codes == code], time[codes == code]) for code in range(len(kinds))]
    owners, times = tuple(column[0] for column in columns), tuple(column[1] for column in columns)
    return EngagementLog(tuple(str(kind) for kind in kinds), owners, times)


def _in_order(owner: Ids, time: Times) -> tuple[Ids, Times]:
    # Ingest writes the table sorted by impression; checking that is 20 times cheaper than sorting again.
    same = owner[1:] == owner[:-1]
    if np.all((owner[1:] > owner[:-1]) | (same & (time[1:] >= time[:-1]))):
        return owner, time
    order = np.lexsort((time, owner))
    return owner[order], time[order]


def _bisect(time: Times, low: Ids, high: Ids, bound: Times, *, include_equal: bool) -> Ids:
    """Binary search in every slice time[low:high] at once: the first position that is not before `bound`.

    One key of impression and time together would be simpler, but overflows 63 bits at a few million impressions.
    """
    low, high = low.copy(), high.copy()
    open_: Flags = low < high
    while open_.any():
        middle = (low + high) // 2
        seen = time[np.minimum(middle, len(time) - 1)]
        before = (seen <= bound) if include_equal else (seen < bound)
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
        open_ = low < high
    return low
