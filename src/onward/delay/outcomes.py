"""What is known, at one clock, about the label of every impression."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError

ONE_DAY = np.timedelta64(1, "D")

Times = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """Labels of n impressions as a clock shows them; arrays keep the order of the impressions table.

    Attributes:
        impression: inside ids, int64 [n].
        shown_at: datetime64[us] [n].
        converted_at: datetime64[us] [n]; NaT where no conversion is known.
        clock: the first moment that is not known.
        window: the attribution window W.
    """

    impression: npt.NDArray[np.int64]
    shown_at: Times
    converted_at: Times
    clock: np.datetime64
    window: np.timedelta64

    @property
    def converted(self) -> Flags:
        """Bought within W, and already known."""
        return ~np.isnat(self.converted_at)

    @property
    def matured(self) -> Flags:
        """W has passed, so the label cannot change any more."""
        return self.shown_at + self.window <= self.clock

    @property
    def pending(self) -> Flags:
        """Not converted, and W has not passed: the label is unfinished."""
        return ~self.converted & ~self.matured

    @property
    def states(self) -> npt.NDArray[np.str_]:
        """One of "converted", "negative" and "pending" for each impression."""
        return np.where(self.converted, "converted", np.where(self.matured, "negative", "pending"))

    @property
    def elapsed_days(self) -> npt.NDArray[np.float64]:
        """Days from shown_at to the clock."""
        return (self.clock - self.shown_at) / ONE_DAY

    @property
    def delay_days(self) -> npt.NDArray[np.float64]:
        """Days from shown_at to the known conversion; NaN where there is none."""
        return (self.converted_at - self.shown_at) / ONE_DAY


def observe_outcomes(
    impressions: pd.DataFrame, conversions: pd.DataFrame, as_of: datetime, window: timedelta
) -> Outcomes:
    """Read the labels of `impressions` (impression, shown_at) off the conversions known before `as_of`.

    A conversion counts when shown_at < converted_at <= shown_at + window; of several the first counts.

    Raises:
        DataError: an impression was shown at or after as_of, so it does not exist yet.
    """
    clock, width = np.datetime64(as_of, "us"), np.timedelta64(window, "us")
    shown_at = impressions["shown_at"].to_numpy("datetime64[us]")
    unborn = int((shown_at >= clock).sum())
    if unborn:
        raise DataError(f"impressions: {unborn} shown at or after as_of {as_of}; run `dvc repro ingest` to part them")
    row = pd.Index(impressions["impression"]).get_indexer(conversions["impression"].to_numpy())
    time = conversions["converted_at"].to_numpy("datetime64[us]")
    shown = shown_at[row]
    counts = (row >= 0) & (time < clock) & (time > shown) & (time <= shown + width)
    row, time = row[counts], time[counts]
    latest_first = np.argsort(time, kind="stable")[::-1]
    converted_at = np.full(len(shown_at), np.datetime64("NaT", "us"))
    # Of equal indices numpy keeps the last assignment, here the first conversion.
    converted_at[row[latest_first]] = time[latest_first]
    return Outcomes(impressions["impression"].to_numpy(np.int64), shown_at, converted_at, clock, width)
