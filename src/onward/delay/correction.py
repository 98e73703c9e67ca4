"""Correct the labels of the training window: state, expected label and weighted training rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.delay_shift import NO_SHIFT, DelayShift
from onward.delay.estimators import BLIND, choose_estimator
from onward.delay.learning import NuisanceModels, ObservedData
from onward.delay.outcomes import Flags
from onward.delay.plan import Plan
from onward.delay.recalibration import UNCHANGED, Recalibration, apply_recalibration, comparable, fit_recalibration
from onward.delay.window import Window, follow_delays


@dataclass(frozen=True)
class Correction:
    """Labels of the training window.

    Attributes:
        row: positions of the window's impressions in the data, [n].
        snapshot: what the estimator was told about all customers' impressions, guarded and recalibrated, [n].
        learners: which of them belong to customers that models may learn from, [n].
        rows: the estimator's training rows; their examples are positions in `row`, learners only.
        outcomes: impression, state, elapsed_days, expected_label, shown_at; [n] rows.
        plan: the estimator, and why.
        delay_shift: what the guard found, `NO_SHIFT` where the plan has none.
        recalibration: what fresh examples changed, `UNCHANGED` where the plan has none.
    """

    row: npt.NDArray[np.int64]
    snapshot: Snapshot
    learners: Flags
    rows: LabelledRows
    outcomes: pd.DataFrame
    plan: Plan
    delay_shift: DelayShift
    recalibration: Recalibration

    @property
    def labels(self) -> pd.DataFrame:
        """The training rows with inside ids: impression, label, weight."""
        impression = self.outcomes["impression"].to_numpy()[self.rows.example]
        weight = self.rows.weight.astype(np.float32)
        return pd.DataFrame({"impression": impression, "label": self.rows.label, "weight": weight})


def expected_labels(snapshot: Snapshot) -> npt.NDArray[np.float64]:
    """1 or 0 where the label is settled, z where it is pending, [n]."""
    return np.where(snapshot.observed, 1.0, np.where(snapshot.matured, 0.0, snapshot.pending_probability))


def correct(data: ObservedData, nuisances: NuisanceModels, window: Window, plan: Plan, max_weight: float) -> Correction:
    """Apply what history taught to the impressions of a window.

    Args:
        data: what is known.
        nuisances: the fitted nuisances.
        window: the impressions to correct.
        plan: the estimator, one of `FOR_RUNS`, and what is done to the snapshot before it.
        max_weight: importance weights are clipped here.

    Raises:
        ParamsError: the estimator is not one for runs.
    """
    outcomes = data.outcomes
    row, learning = window.row, window.learning
    delay_shift, recalibration = NO_SHIFT, UNCHANGED
    if plan.guards_delay:
        window, delay_shift = follow_delays(data, nuisances, window)
    snapshot = window.snapshot.without_engagement if plan.estimator in BLIND else window.snapshot
    if plan.recalibrates:
        rate = nuisances.rate.predict(data.features[row])
        features = comparable(data.features[row], data.names, learning & ~snapshot.matured)
        recalibration = fit_recalibration(snapshot.of(learning), rate[learning], features[learning], plan.independence)
        snapshot = apply_recalibration(snapshot, recalibration.move(rate, features))
    rows = choose_estimator(plan.estimator, max_weight)(snapshot)
    chosen = learning[rows.example]
    return Correction(
        row,
        snapshot,
        learning,
        LabelledRows(rows.example[chosen], rows.label[chosen], rows.weight[chosen]),
        pd.DataFrame(
            {
                "impression": outcomes.impression[row],
                "state": outcomes.states[row],
                "elapsed_days": outcomes.elapsed_days[row].astype(np.float32),
                "expected_label": expected_labels(snapshot).astype(np.float32),
                "shown_at": outcomes.shown_at[row],
            }
        ),
        plan,
        delay_shift,
        recalibration,
    )
