"""Estimators of what an unfinished label is worth; each is pure and keeps `onward.delay.contract`.

`tests/unit/test_delay_closed_form.py` enumerates a small world and shows for which of them the weighted loss on
unfinished data equals the loss on finished data, and which are biased.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from onward.delay.contract import Estimator, LabelledRows, Snapshot


def naive(snapshot: Snapshot) -> LabelledRows:
    """Take every label as observed, so that a pending example counts as negative: biased, for comparison."""
    every = np.arange(len(snapshot.observed))
    return LabelledRows(every, snapshot.observed.astype(np.int8), np.ones(len(every)))


def wait(snapshot: Snapshot) -> LabelledRows:
    """Use matured examples only, early conversions among the young ones left out too: for comparison."""
    matured = np.flatnonzero(snapshot.matured)
    return LabelledRows(matured, snapshot.observed[matured].astype(np.int8), np.ones(len(matured)))


def soft_label(snapshot: Snapshot) -> LabelledRows:
    """Split a pending example into label 1 with weight z and label 0 with weight 1 − z."""
    pending = ~snapshot.observed & ~snapshot.matured
    example = np.repeat(np.arange(len(pending)), 1 + pending)
    split = pending[example]
    second = np.append(False, example[1:] == example[:-1])
    z = snapshot.unfinished[example]
    label = np.where(split, ~second, snapshot.observed[example])
    weight = np.where(split, np.where(second, 1.0 - z, z), 1.0)
    return LabelledRows(example, label.astype(np.int8), weight)


def importance_weight(snapshot: Snapshot, max_weight: float) -> LabelledRows:
    """Weigh observed examples by P/Q, the finished world over the unfinished one.

    An observed positive stands for 1 / G(x, e) conversions, at most max_weight; an unconverted example is negative
    with weight 1 − z(x, a, e).
    """
    every = np.arange(len(snapshot.observed))
    positive = 1.0 / np.maximum(_arrival(snapshot), 1.0 / max_weight)
    negative = np.where(snapshot.matured, 1.0, 1.0 - snapshot.unfinished)
    weight = np.where(snapshot.observed, positive, negative)
    return LabelledRows(every, snapshot.observed.astype(np.int8), weight)


def clipped_share(snapshot: Snapshot, max_weight: float) -> float:
    """Share of observed positives whose importance weight would exceed max_weight; 0 without positives."""
    clipped = _arrival(snapshot)[snapshot.observed] < 1.0 / max_weight
    return float(clipped.mean()) if len(clipped) else 0.0


def choose_estimator(name: str, max_weight: float) -> Estimator:
    """Look an estimator up by its name in params.yaml."""
    estimators: dict[str, Estimator] = {
        "soft_label": soft_label,
        "importance_weight": partial(importance_weight, max_weight=max_weight),
    }
    return estimators[name]


def _arrival(snapshot: Snapshot) -> npt.NDArray[np.float64]:
    return np.where(snapshot.matured, 1.0, snapshot.arrival)
