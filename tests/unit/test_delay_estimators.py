"""The estimators of runs keep the contract, and each its own promises; a new estimator inherits the suite."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.estimator_contract import PROMISES, snapshots
from onward.delay.contract import Estimator, LabelledRows, Snapshot
from onward.delay.correction import expected_labels
from onward.delay.estimators import FOR_BENCHMARKS, FOR_RUNS, choose_estimator
from onward.delay.reference import naive, wait
from onward.delay.soft_labels import soft_label, soft_label_without_engagement
from onward.delay.weights import clipped_share, fsiw, importance_weight
from onward.errors import ParamsError

# Every estimator that uses all examples joins the suite with one line.
CONTRACT: dict[str, Estimator] = {
    "soft_label": soft_label,
    "soft_label_without_engagement": soft_label_without_engagement,
    "importance_weight": partial(importance_weight, max_weight=20.0),
    "fsiw": partial(fsiw, max_weight=20.0),
    "naive": naive,
}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("estimator", CONTRACT.values(), ids=CONTRACT)
@given(snapshot=snapshots())
def test_the_contract_is_kept(
    estimator: Estimator, promise: Callable[[Estimator, Snapshot], None], snapshot: Snapshot
) -> None:
    promise(estimator, snapshot)


@given(snapshots())
def test_soft_weights_of_an_example_sum_to_one(snapshot: Snapshot) -> None:
    rows = soft_label(snapshot)
    total = np.bincount(rows.example, rows.weight, len(snapshot.observed))
    np.testing.assert_allclose(total, 1.0)


@given(snapshots())
def test_soft_positive_weight_of_an_example_is_its_expected_label(snapshot: Snapshot) -> None:
    rows = soft_label(snapshot)
    positive = np.bincount(rows.example, rows.weight * rows.label, len(snapshot.observed))
    np.testing.assert_allclose(positive, expected_labels(snapshot))


@given(snapshots(), st.floats(1.0, 50.0))
def test_no_importance_weight_exceeds_the_clip(snapshot: Snapshot, max_weight: float) -> None:
    assert np.all(importance_weight(snapshot, max_weight).weight <= max_weight * (1 + 1e-12))


def test_an_early_conversion_stands_for_those_that_are_still_to_come() -> None:
    snapshot = Snapshot(*np.array([[True, False], [False, False]]), *np.array([[0.9, 0.25], [0.5, 0.5], [0.2, 0.9]]))
    rows = importance_weight(snapshot, 20.0)
    np.testing.assert_allclose(rows.weight, [5.0, 0.75])
    assert rows.label.tolist() == [1, 0]


def test_wait_keeps_matured_examples_only() -> None:
    nothing = np.zeros(3)
    rows = wait(Snapshot(np.array([True, True, False]), np.array([False, True, True]), nothing, nothing, nothing))
    assert rows.example.tolist() == [1, 2]
    assert rows.label.tolist() == [1, 0]


def test_clipped_share_counts_unmatured_conversions_beyond_the_clip() -> None:
    snapshot = Snapshot(
        np.array([True, True, True, False]),
        np.array([False, False, True, False]),
        np.zeros(4),
        np.zeros(4),
        np.array([0.01, 0.5, 0.01, 0.01]),
    )
    assert clipped_share(snapshot, 20.0) == pytest.approx(1 / 3)
    assert clipped_share(Snapshot(*[np.zeros(0, bool)] * 2, *[np.zeros(0)] * 3), 20.0) == 0.0


def test_effective_sample_size_ignores_how_one_example_is_split_and_punishes_uneven_weights() -> None:
    split = LabelledRows(np.array([0, 0, 1]), np.array([1, 0, 0], np.int8), np.array([0.3, 0.7, 1.0]))
    assert split.effective_sample_size == pytest.approx(2.0)
    assert split.rate == pytest.approx(0.15)
    uneven = LabelledRows(np.array([0, 1]), np.array([1, 0], np.int8), np.array([9.0, 1.0]))
    assert uneven.effective_sample_size == pytest.approx(100 / 82)
    empty = LabelledRows(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0))
    assert (empty.rate, empty.effective_sample_size) == (0.0, 0.0)


def test_names_of_params_lead_to_estimators_and_the_truth_is_refused() -> None:
    snapshot = Snapshot(np.array([True]), np.array([False]), np.array([0.5]), np.array([0.5]), np.array([0.1]))
    assert choose_estimator("soft_label", 4.0)(snapshot).weight.tolist() == [1.0]
    assert choose_estimator("importance_weight", 4.0)(snapshot).weight.tolist() == [4.0]
    assert len({choose_estimator(name, 4.0) for name in FOR_RUNS}) == len(FOR_RUNS)
    for name in FOR_BENCHMARKS:
        with pytest.raises(ParamsError, match=f"{name}.*benchmarks only; choose one of soft_label"):
            choose_estimator(name, 4.0)
    with pytest.raises(ParamsError, match="unknown"):
        choose_estimator("magic", 4.0)
