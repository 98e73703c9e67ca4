"""Learn from history, at pretended clocks, what the unfinished labels of the training window are worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.arrival import ArrivalModel, fit_arrival
from onward.delay.boosting import Boosting, Inputs
from onward.delay.counterfactual import PretendedClocks, pretend_clocks
from onward.delay.curve import DelayCurve, fit_curve
from onward.delay.engagement import EngagementLog
from onward.delay.held_out import HeldOutCheck, check_probabilities, reliability_table
from onward.delay.outcomes import Flags, Outcomes
from onward.delay.tilt import DelayGap, measure_gap
from onward.delay.unfinished import UnfinishedModel, fit_unfinished, unfinished_inputs


@dataclass(frozen=True)
class Evidence:
    """What is known at the clock about n impressions, in one order: labels, features and engagement.

    Attributes:
        outcomes: labels so far.
        names: feature names.
        features: float32 [n, len(names)].
        engagement: all engagements before the clock.
    """

    outcomes: Outcomes
    names: tuple[str, ...]
    features: Inputs
    engagement: EngagementLog

    def inputs(self, row: npt.NDArray[np.int64], clock: npt.NDArray[np.datetime64]) -> Inputs:
        """Inputs of z for impressions `row` as they stood at `clock`, both [m]."""
        shown_at = self.outcomes.shown_at[row]
        engaged = self.engagement.features(self.outcomes.impression[row], shown_at, clock)
        return unfinished_inputs(self.features[row], (clock - shown_at) / np.timedelta64(1, "D"), engaged)

    def inputs_without_engagement(self, row: npt.NDArray[np.int64], elapsed_days: npt.NDArray[np.float64]) -> Inputs:
        """Inputs of G and of z(x, e) for impressions `row` at an age, both [m]."""
        return unfinished_inputs(self.features[row], elapsed_days, np.zeros((len(row), 0), np.float32))


@dataclass(frozen=True)
class Lessons:
    """The fitted nuisances and how z does on customers it has not seen.

    Attributes:
        unfinished: z(x, a, e).
        blind: z(x, e), fitted in the same way without engagement.
        rate: P(converts | x).
        arrival: G(x, e).
        gap: delays of history as G sees them, which fresh ones are compared with.
        curve: the delay curve of the same customers.
        conversions: matured conversions that G and the curve rest on.
        check: z on held-out customers.
        check_without_engagement: the same for z(x, e).
        reliability: predicted and observed by decile of held-out z.
    """

    unfinished: UnfinishedModel
    blind: UnfinishedModel
    rate: UnfinishedModel
    arrival: ArrivalModel
    gap: DelayGap
    curve: DelayCurve
    conversions: int
    check: HeldOutCheck
    check_without_engagement: HeldOutCheck
    reliability: pd.DataFrame


def learn(evidence: Evidence, fitting: Flags, holding: Flags, clocks: int, boosting: Boosting) -> Lessons:
    """Fit z and G on the impressions `fitting` and check z on those `holding`; only matured ones are used.

    Raises:
        DataError: history holds no matured impression of one of the two labels.
    """
    curve = fit_curve(evidence.outcomes, fitting)
    pairs = pretend_clocks(evidence.outcomes, fitting, clocks, boosting.seed)
    held = pretend_clocks(evidence.outcomes, holding, clocks, boosting.seed)
    open_pairs, open_held = pairs.where(~pairs.arrived), held.where(~held.arrived)
    inputs, held_inputs = _inputs(evidence, open_pairs), _inputs(evidence, open_held)
    with_elapsed = (*evidence.names, "elapsed_days")
    everything = (*with_elapsed, *evidence.engagement.feature_names)
    model, predicted = _fit_and_predict(inputs, everything, open_pairs.converts, held_inputs, boosting)
    blind, predicted_blind = _fit_and_predict(inputs, with_elapsed, open_pairs.converts, held_inputs, boosting)
    arrival = _learn_arrival(evidence, pairs.where(pairs.converts), with_elapsed, curve, boosting)
    arrived = pairs.where(pairs.arrived)
    settled = np.flatnonzero(fitting & evidence.outcomes.matured)
    rate = fit_unfinished(evidence.features[settled], evidence.names, evidence.outcomes.converted[settled], boosting)
    return Lessons(
        model,
        blind,
        rate,
        arrival,
        delay_gap(evidence, arrival, arrived.row, arrived.elapsed_days),
        curve,
        len(curve.delays),
        check_probabilities(predicted, open_held.converts),
        check_probabilities(predicted_blind, open_held.converts),
        reliability_table(predicted, open_held.converts),
    )


def delay_gap(
    evidence: Evidence, arrival: ArrivalModel, row: npt.NDArray[np.int64], elapsed_days: npt.NDArray[np.float64]
) -> DelayGap:
    """Compare G at the delay of converted impressions `row` with G at the age at which they are looked at, [m]."""
    delay = evidence.outcomes.delay_days[row]
    by_age, by_delay = (
        arrival.predict(evidence.inputs_without_engagement(row, days), days) for days in (elapsed_days, delay)
    )
    return measure_gap(by_age, by_delay, len(np.unique(row)))


def _inputs(evidence: Evidence, pairs: PretendedClocks) -> Inputs:
    return evidence.inputs(pairs.row, pairs.clock)


def _fit_and_predict(
    inputs: Inputs, names: Sequence[str], converts: Flags, held_inputs: Inputs, boosting: Boosting
) -> tuple[UnfinishedModel, npt.NDArray[np.float64]]:
    model = fit_unfinished(inputs, names, converts, boosting)
    return model, model.predict(held_inputs)


def _learn_arrival(
    evidence: Evidence, conversions: PretendedClocks, names: Sequence[str], curve: DelayCurve, boosting: Boosting
) -> ArrivalModel:
    # Engagement stays out of G: P/Q needs P(observed by e | converts, x), whatever was done meanwhile.
    inputs = _inputs(evidence, conversions)[:, : len(names)]
    return fit_arrival(inputs, names, conversions.elapsed_days, conversions.arrived, curve, boosting)
