"""Correct the labels of the training window: state, expected label and weighted training rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.contract import Estimator, LabelledRows, Snapshot
from onward.delay.learning import Evidence, Lessons
from onward.delay.outcomes import Flags


@dataclass(frozen=True)
class Correction:
    """Labels of the training window.

    Attributes:
        row: positions of the window's impressions in the evidence, [n].
        snapshot: what the estimator was told about all customers' impressions, [n].
        learners: which of them belong to customers that models may learn from, [n].
        rows: the estimator's training rows; their examples are positions in `row`, learners only.
        outcomes: impression, state, elapsed_days, expected_label, shown_at; [n] rows.
    """

    row: npt.NDArray[np.int64]
    snapshot: Snapshot
    learners: Flags
    rows: LabelledRows
    outcomes: pd.DataFrame

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
    evidence: Evidence, lessons: Lessons, in_window: Flags, learners: Flags, estimator: Estimator
) -> Correction:
    """Apply what history taught to the impressions `in_window`; both masks are over the evidence."""
    known = evidence.outcomes
    row = np.flatnonzero(in_window)
    observed, matured = known.converted[row], known.matured[row]
    unfinished, arrival = np.zeros(len(row)), np.ones(len(row))
    pending, young = known.pending[row], observed & ~matured
    unfinished[pending] = lessons.unfinished.predict(_inputs_now(evidence, row[pending]))
    elapsed = known.elapsed_days[row]
    width = len(evidence.names) + 1
    arrival[young] = lessons.arrival.predict(_inputs_now(evidence, row[young])[:, :width], elapsed[young])
    snapshot = Snapshot(observed, matured, unfinished, arrival)
    rows = estimator(snapshot)
    chosen = learners[row][rows.example]
    return Correction(
        row,
        snapshot,
        learners[row],
        LabelledRows(rows.example[chosen], rows.label[chosen], rows.weight[chosen]),
        pd.DataFrame(
            {
                "impression": known.impression[row],
                "state": known.states[row],
                "elapsed_days": elapsed.astype(np.float32),
                "expected_label": expected_labels(snapshot).astype(np.float32),
                "shown_at": known.shown_at[row],
            }
        ),
    )


def _inputs_now(evidence: Evidence, row: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    return evidence.inputs(row, np.full(len(row), evidence.outcomes.clock))
