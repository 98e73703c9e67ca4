"""Correct the labels of the training window: state, expected label and weighted training rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.estimators import choose_estimator
from onward.delay.learning import Evidence, Lessons, delay_gap
from onward.delay.outcomes import Flags
from onward.delay.plan import Plan
from onward.delay.recalibration import UNCHANGED, Recalibration, apply_recalibration, comparable, fit_recalibration
from onward.delay.tilt import NO_TILT, Tilt, apply_tilt, fit_tilt


@dataclass(frozen=True)
class Correction:
    """Labels of the training window.

    Attributes:
        row: positions of the window's impressions in the evidence, [n].
        snapshot: what the estimator was told about all customers' impressions, guarded and recalibrated, [n].
        learners: which of them belong to customers that models may learn from, [n].
        rows: the estimator's training rows; their examples are positions in `row`, learners only.
        outcomes: impression, state, elapsed_days, expected_label, shown_at; [n] rows.
        plan: the estimator, and why.
        tilt: what the guard found, `NO_TILT` where the plan has none.
        recalibration: what fresh examples changed, `UNCHANGED` where the plan has none.
    """

    row: npt.NDArray[np.int64]
    snapshot: Snapshot
    learners: Flags
    rows: LabelledRows
    outcomes: pd.DataFrame
    plan: Plan
    tilt: Tilt
    recalibration: Recalibration

    @property
    def labels(self) -> pd.DataFrame:
        """The training rows with inside ids: impression, label, weight."""
        impression = self.outcomes["impression"].to_numpy()[self.rows.example]
        weight = self.rows.weight.astype(np.float32)
        return pd.DataFrame({"impression": impression, "label": self.rows.label, "weight": weight})


def expected_labels(snapshot: Snapshot) -> npt.NDArray[np.float64]:
    """1 or 0 where the label is settled, z where it is pending, [n]."""
    return np.where(snapshot.observed, 1.0, np.where(snapshot.matured, 0.0, snapshot.unfinished))


def correct(
    evidence: Evidence, lessons: Lessons, in_window: Flags, learners: Flags, plan: Plan, max_weight: float
) -> Correction:
    """Apply what history taught to the impressions `in_window`.

    Args:
        evidence: what is known.
        lessons: the fitted nuisances.
        in_window: the impressions to correct, over the evidence.
        learners: those whose customers models may learn from, over the evidence.
        plan: the estimator, one of `FOR_RUNS`, and what is done to the snapshot before it.
        max_weight: importance weights are clipped here.

    Raises:
        ParamsError: the estimator is not one for runs.
    """
    known = evidence.outcomes
    row = np.flatnonzero(in_window)
    mine = learners[row]
    snapshot = look(evidence, lessons, row)
    tilt, recalibration = NO_TILT, UNCHANGED
    if plan.guards_delay:
        fresh = row[snapshot.observed & ~snapshot.matured & mine]
        tilt = fit_tilt(lessons.gap, delay_gap(evidence, lessons.arrival, fresh, known.elapsed_days[fresh]))
        snapshot = apply_tilt(snapshot, tilt.exponent)
    if plan.recalibrates:
        rate = lessons.rate.predict(evidence.features[row])
        features = comparable(evidence.features[row], evidence.names, mine & ~snapshot.matured)
        recalibration = fit_recalibration(snapshot.of(mine), rate[mine], features[mine], plan.independence)
        snapshot = apply_recalibration(snapshot, recalibration.move(rate, features))
    rows = choose_estimator(plan.estimator, max_weight)(snapshot)
    chosen = mine[rows.example]
    return Correction(
        row,
        snapshot,
        mine,
        LabelledRows(rows.example[chosen], rows.label[chosen], rows.weight[chosen]),
        pd.DataFrame(
            {
                "impression": known.impression[row],
                "state": known.states[row],
                "elapsed_days": known.elapsed_days[row].astype(np.float32),
                "expected_label": expected_labels(snapshot).astype(np.float32),
                "shown_at": known.shown_at[row],
            }
        ),
        plan,
        tilt,
        recalibration,
    )


def look(evidence: Evidence, lessons: Lessons, row: npt.NDArray[np.int64]) -> Snapshot:
    """Say of impressions `row` what is observed, and with what history taught, what may still come, [n]."""
    known = evidence.outcomes
    observed, matured = known.converted[row], known.matured[row]
    unfinished, blind, arrival = np.zeros(len(row)), np.zeros(len(row)), np.ones(len(row))
    young, pending = ~matured, ~matured & ~observed
    elapsed = known.elapsed_days[row[young]]
    arrival[young] = lessons.arrival.predict(evidence.inputs_without_engagement(row[young], elapsed), elapsed)
    inputs = evidence.inputs(row[pending], np.full(int(pending.sum()), known.clock))
    unfinished[pending] = lessons.unfinished.predict(inputs)
    blind[pending] = lessons.blind.predict(inputs)
    return Snapshot(observed, matured, unfinished, blind, arrival)
