"""What every estimator is measured against: the two habits that are common."""

import numpy as np

from onward.delay.contract import LabelledRows, Snapshot


def naive(snapshot: Snapshot) -> LabelledRows:
    """Take every label as observed, so that a pending example counts as negative: biased, for comparison."""
    every = np.arange(len(snapshot.observed))
    return LabelledRows(every, snapshot.observed.astype(np.int8), np.ones(len(every)))


def wait(snapshot: Snapshot) -> LabelledRows:
    """Use matured examples only, early conversions among the young ones left out too: for comparison."""
    matured = np.flatnonzero(snapshot.matured)
    return LabelledRows(matured, snapshot.observed[matured].astype(np.int8), np.ones(len(matured)))
