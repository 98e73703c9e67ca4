"""Learn from history, at pretended clocks, what the unfinished labels of the training window are worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.boosting import Boosting, Inputs
from onward.delay.counterfactual import PretendedClocks, pretend_clocks
from onward.delay.curve import DelayCurve, fit_curve
from onward.delay.delay_cdf import DelayCdf, fit_delay_cdf
from onward.delay.delay_shift import DelayGap, measure_gap
from onward.delay.engagement import EngagementLog
from onward.delay.held_out import HeldOutCheck, check_probabilities
from onward.delay.outcomes import Flags, Outcomes
from onward.delay.pending_probability import PendingProbability, fit_pending_probability, pending_inputs
from onward.metrics.calibration import equal_count_reliability
from onward.metrics.classification import cross_entropy


@dataclass(frozen=True)
class ObservedData:
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
        return pending_inputs(self.features[row], (clock - shown_at) / np.timedelta64(1, "D"), engaged)

    def inputs_without_engagement(self, row: npt.NDArray[np.int64], elapsed_days: npt.NDArray[np.float64]) -> Inputs:
        """Inputs of G and of z(x, e) for impressions `row` at an age, both [m]."""
        return pending_inputs(self.features[row], elapsed_days, np.zeros((len(row), 0), np.float32))


@dataclass(frozen=True)
class HeldOutLosses:
    """Log losses of z on m held-out impressions at pretended clocks, none converted by its clock.

    Attributes:
        row: positions in the data, int64 [m].
        with_engagement: of z(x, a, e), [m].
        without_engagement: of z(x, e), [m].
    """

    row: npt.NDArray[np.int64]
    with_engagement: npt.NDArray[np.float64]
    without_engagement: npt.NDArray[np.float64]


@dataclass(frozen=True)
class NuisanceModels:
    """The fitted nuisances and how z does on customers it has not seen.

    Attributes:
        pending_probability: z(x, a, e).
        pending_probability_without_engagement: z(x, e), fitted in the same way without engagement.
        rate: P(converts | x).
        delay_cdf: G(x, e).
        gap: delays of history as G sees them, which fresh ones are compared with.
        curve: the delay curve of the same customers.
        conversions: matured conversions that G and the curve rest on.
        held_out: how z and z(x, e) fare, impression by impression, on held-out customers.
        check: z on held-out customers.
        check_without_engagement: the same for z(x, e).
        reliability: predicted and observed by decile of held-out z.
    """

    pending_probability: PendingProbability
    pending_probability_without_engagement: PendingProbability
    rate: PendingProbability
    delay_cdf: DelayCdf
    gap: DelayGap
    curve: DelayCurve
    conversions: int
    held_out: HeldOutLosses
    check: HeldOutCheck
    check_without_engagement: HeldOutCheck
    reliability: pd.DataFrame


def learn(data: ObservedData, fitting: Flags, holding: Flags, clocks: int, boosting: Boosting) -> NuisanceModels:
    """Fit z and G on the impressions `fitting` and check z on those `holding`; only matured ones are used.

    Raises:
        DataError: history holds no matured impression of one of the two labels.
    """
    curve = fit_curve(data.outcomes, fitting)
    pairs = pretend_clocks(data.outcomes, fitting, clocks, boosting.seed)
    held = pretend_clocks(data.outcomes, holding, clocks, boosting.seed)
    open_pairs, open_held = pairs.where(~pairs.arrived), held.where(~held.arrived)
    inputs, held_inputs = _inputs(data, open_pairs), _inputs(data, open_held)
    with_elapsed = (*data.names, "elapsed_days")
    everything = (*with_elapsed, *data.engagement.feature_names)
    model, predicted = _fit_and_predict(inputs, everything, open_pairs.converts, held_inputs, boosting)
    pending_probability_without_engagement, predicted_without_engagement = _fit_and_predict(
        inputs, with_elapsed, open_pairs.converts, held_inputs, boosting
    )
    delay_cdf = _learn_delay_cdf(data, pairs.where(pairs.converts), with_elapsed, curve, boosting)
    arrived = pairs.where(pairs.arrived)
    settled = np.flatnonzero(fitting & data.outcomes.matured)
    rate = fit_pending_probability(data.features[settled], data.names, data.outcomes.converted[settled], boosting)
    return NuisanceModels(
        model,
        pending_probability_without_engagement,
        rate,
        delay_cdf,
        delay_gap(data, delay_cdf, arrived.row, arrived.elapsed_days),
        curve,
        len(curve.delays),
        HeldOutLosses(
            open_held.row,
            cross_entropy(open_held.converts, predicted),
            cross_entropy(open_held.converts, predicted_without_engagement),
        ),
        check_probabilities(predicted, open_held.converts),
        check_probabilities(predicted_without_engagement, open_held.converts),
        equal_count_reliability(predicted, open_held.converts),
    )


def delay_gap(
    data: ObservedData, delay_cdf: DelayCdf, row: npt.NDArray[np.int64], elapsed_days: npt.NDArray[np.float64]
) -> DelayGap:
    """Compare G at the delay of converted impressions `row` with G at the age at which they are looked at, [m]."""
    delay = data.outcomes.delay_days[row]
    by_age, by_delay = (
        delay_cdf.predict(data.inputs_without_engagement(row, days), days) for days in (elapsed_days, delay)
    )
    return measure_gap(by_age, by_delay, len(np.unique(row)))


def _inputs(data: ObservedData, pairs: PretendedClocks) -> Inputs:
    return data.inputs(pairs.row, pairs.clock)


def _fit_and_predict(
    inputs: Inputs, names: Sequence[str], converts: Flags, held_inputs: Inputs, boosting: Boosting
) -> tuple[PendingProbability, npt.NDArray[np.float64]]:
    model = fit_pending_probability(inputs, names, converts, boosting)
    return model, model.predict(held_inputs)


def _learn_delay_cdf(
    data: ObservedData, conversions: PretendedClocks, names: Sequence[str], curve: DelayCurve, boosting: Boosting
) -> DelayCdf:
    # Engagement stays out of G: P/Q needs P(observed by e | converts, x), whatever was done meanwhile.
    inputs = _inputs(data, conversions)[:, : len(names)]
    return fit_delay_cdf(inputs, names, conversions.elapsed_days, conversions.arrived, curve, boosting)
