"""The training window as its clock and history show it: what is observed, and what may still come."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onward.delay.contract import Snapshot
from onward.delay.delay_shift import DelayShift, apply_delay_shift, fit_delay_shift
from onward.delay.learning import NuisanceModels, ObservedData, delay_gap
from onward.delay.outcomes import Flags


@dataclass(frozen=True)
class Window:
    """n impressions of the window.

    Attributes:
        row: their positions in the data, [n].
        learning: whether models may learn from their customers, [n].
        snapshot: what is known of them, [n].
    """

    row: npt.NDArray[np.int64]
    learning: Flags
    snapshot: Snapshot


def see_window(data: ObservedData, nuisances: NuisanceModels, in_window: Flags, learners: Flags) -> Window:
    """Look at the impressions `in_window`, of which those of `learners` may be learnt from; both over the data."""
    row = np.flatnonzero(in_window)
    return Window(row, learners[row], take_snapshot(data, nuisances, row))


def take_snapshot(data: ObservedData, nuisances: NuisanceModels, row: npt.NDArray[np.int64]) -> Snapshot:
    """Say of impressions `row` what is observed, and with what history taught, what may still come, [n]."""
    outcomes = data.outcomes
    observed, matured = outcomes.converted[row], outcomes.matured[row]
    with_engagement = np.zeros(len(row))
    without_engagement = np.zeros(len(row))
    delay_cdf = np.ones(len(row))
    young, pending = ~matured, ~matured & ~observed
    elapsed = outcomes.elapsed_days[row[young]]
    delay_cdf[young] = nuisances.delay_cdf.predict(data.inputs_without_engagement(row[young], elapsed), elapsed)
    inputs = data.inputs(row[pending], np.full(int(pending.sum()), outcomes.clock))
    with_engagement[pending] = nuisances.pending_probability.predict(inputs)
    without_engagement[pending] = nuisances.pending_probability_without_engagement.predict(inputs)
    return Snapshot(observed, matured, with_engagement, without_engagement, delay_cdf)


def follow_delays(data: ObservedData, nuisances: NuisanceModels, window: Window) -> tuple[Window, DelayShift]:
    """Move G and z when the learners' fresh conversions come faster or slower than history's."""
    snapshot = window.snapshot
    fresh = window.row[snapshot.observed & ~snapshot.matured & window.learning]
    gap = delay_gap(data, nuisances.delay_cdf, fresh, data.outcomes.elapsed_days[fresh])
    shift = fit_delay_shift(nuisances.gap, gap)
    return replace(window, snapshot=apply_delay_shift(snapshot, shift.exponent)), shift
