"""Pretended earlier clocks on matured impressions: the only place where unfinished labels have known ends."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.delay.outcomes import ONE_DAY, Flags, Outcomes, Times
from onward.random_streams import Stream


@dataclass(frozen=True)
class PretendedClocks:
    """m pairs of a matured impression and a clock inside its window.

    Attributes:
        row: position of the impression among the outcomes, int64 [m].
        clock: datetime64[us] [m], shown_at < clock < shown_at + W.
        elapsed_days: days from shown_at to the clock, [m].
        arrived: the conversion happened before the clock, [m].
        converts: the impression converts within W, before or after the clock, [m].
    """

    row: npt.NDArray[np.int64]
    clock: Times
    elapsed_days: npt.NDArray[np.float64]
    arrived: Flags
    converts: Flags

    def where(self, chosen: Flags) -> "PretendedClocks":
        """Keep the chosen pairs."""
        return PretendedClocks(
            self.row[chosen], self.clock[chosen], self.elapsed_days[chosen], self.arrived[chosen], self.converts[chosen]
        )


def pretend_clocks(outcomes: Outcomes, eligible: Flags, per_impression: int, seed: int) -> PretendedClocks:
    """Draw clocks, spread evenly over the window, for the eligible impressions that have matured.

    A pretended clock lies whole days before the real one: runs happen at one time of day, so an unfinished
    impression meets z with the same elapsed times, to the hour, as those that z was learnt from.
    """
    row = np.flatnonzero(eligible & outcomes.matured)
    shown_at = outcomes.shown_at[row]
    days = int(np.ceil(outcomes.window / ONE_DAY))
    offset = np.random.default_rng([seed, Stream.PRETENDED_CLOCKS]).integers(0, days, len(row))
    steps = (offset[:, None] + np.arange(per_impression) * days // per_impression) % days
    first_clock = shown_at + (outcomes.clock - shown_at) % ONE_DAY
    clock = (first_clock[:, None] + steps * ONE_DAY).reshape(-1)
    row = np.repeat(row, per_impression)
    elapsed = clock - outcomes.shown_at[row]
    pairs = PretendedClocks(
        row,
        clock,
        elapsed / ONE_DAY,
        outcomes.converted[row] & (outcomes.converted_at[row] < clock),
        outcomes.converted[row],
    )
    return pairs.where((elapsed > np.timedelta64(0)) & (elapsed < outcomes.window))
