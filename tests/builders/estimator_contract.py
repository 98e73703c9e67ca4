"""The contract that every estimator keeps, whatever the snapshot."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onward.delay.contract import Estimator, Snapshot


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    n = draw(st.integers(0, 12))
    flags = hnp.arrays(bool, n)
    shares = hnp.arrays(np.float64, n, elements=st.floats(0.0, 1.0))
    return Snapshot(draw(flags), draw(flags), draw(shares), draw(shares), draw(shares))


def every_example_has_rows_and_no_row_is_foreign(estimator: Estimator, snapshot: Snapshot) -> None:
    rows = estimator(snapshot)
    assert sorted(set(rows.example.tolist())) == list(range(len(snapshot.observed)))
    assert np.all(np.diff(rows.example) >= 0)


def weights_are_finite_and_not_negative_and_labels_are_binary(estimator: Estimator, snapshot: Snapshot) -> None:
    rows = estimator(snapshot)
    assert np.all(rows.weight >= 0.0)
    assert np.all(np.isfinite(rows.weight))
    assert set(rows.label.tolist()) <= {0, 1}
    assert len(rows.example) == len(rows.label) == len(rows.weight)


def a_matured_example_keeps_its_own_label_at_weight_one(estimator: Estimator, snapshot: Snapshot) -> None:
    rows = estimator(snapshot)
    settled = np.isin(rows.example, np.flatnonzero(snapshot.matured))
    assert rows.example[settled].tolist() == np.flatnonzero(snapshot.matured).tolist()
    assert rows.label[settled].tolist() == snapshot.observed[snapshot.matured].astype(int).tolist()
    assert np.all(rows.weight[settled] == 1.0)


def an_observed_conversion_is_never_a_negative(estimator: Estimator, snapshot: Snapshot) -> None:
    rows = estimator(snapshot)
    assert np.all(rows.label[snapshot.observed[rows.example]] == 1)


def the_snapshot_is_left_as_it_was(estimator: Estimator, snapshot: Snapshot) -> None:
    before = [values.copy() for values in vars(snapshot).values()]
    estimator(snapshot)
    for old, new in zip(before, vars(snapshot).values(), strict=True):
        np.testing.assert_array_equal(old, new)


PROMISES = (
    every_example_has_rows_and_no_row_is_foreign,
    weights_are_finite_and_not_negative_and_labels_are_binary,
    a_matured_example_keeps_its_own_label_at_weight_one,
    an_observed_conversion_is_never_a_negative,
    the_snapshot_is_left_as_it_was,
)
