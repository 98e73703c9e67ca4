import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.chance_range import ChanceRange
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.pair_batches import batches_of

EXAMPLES = st.lists(
    st.tuples(st.floats(0.001, 0.999), st.floats(0.0, 1.0), st.floats(0.1, 5.0)), min_size=2, max_size=60
)


def fit(examples):
    score, label, weight = np.array(examples).T
    assume(len(np.unique(score)) >= 2)
    assume(label @ weight > 1e-3)
    return score, label, weight, MonotoneCalibrator.fit(score, label, weight)


@settings(deadline=None)
@given(EXAMPLES)
def test_a_higher_score_never_gets_a_lower_probability(examples):
    *_, calibrator = fit(examples)
    probability = calibrator.apply(np.linspace(-0.5, 1.5, 400))
    assert (np.diff(probability) >= 0).all()
    assert (probability > 0).all()
    assert (probability < 1).all()


@settings(deadline=None)
@given(EXAMPLES)
def test_calibrating_twice_changes_nothing(examples):
    score, label, weight, calibrator = fit(examples)
    once = calibrator.apply(score)
    assume(len(np.unique(once)) >= 2)
    twice = MonotoneCalibrator.fit(once, label, weight).apply(once)
    assert twice == pytest.approx(once, abs=1e-6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 5.0)), min_size=1, max_size=40),
    st.lists(st.floats(0.0, 25.0), min_size=2, max_size=5),
    st.booleans(),
)
def test_a_range_holds_its_chance_and_grows_with_its_reach(pairs, by, follows):
    probability, uncertainty = np.array(pairs).T
    before = probability, probability
    for reach in sorted(by):
        ranges = ChanceRange(reach, follows, promised=0.9, conversions=25.0, batches={})
        low, high = ranges.interval(probability, uncertainty)
        assert (low <= probability).all()
        assert (probability <= high).all()
        # Steps of the floating point aside, a wider reach never takes anything out of the range.
        assert (low <= before[0] + 1e-12).all()
        assert (high >= before[1] - 1e-12).all()
        assert ((low >= 0.0) & (high <= 1.0)).all()
        before = low, high


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.floats(0.0, 2.0)), min_size=1, max_size=80),
    st.floats(0.5, 10.0),
)
def test_batches_are_filled_and_keep_what_is_alike_together(rows, least):
    kind, product, expected = (np.array(each) for each in zip(*rows, strict=True))
    batch = batches_of((kind, product), expected, least)
    assert set(batch) == set(range(batch.max() + 1))
    worth = np.bincount(batch, expected)
    assert (worth >= least - 1e-9).all() or len(worth) == 1
    for each in {(k, p) for k, p, _ in rows}:
        assert len(np.unique(batch[(kind == each[0]) & (product == each[1])])) == 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=80), st.integers(1, 12))
def test_levels_follow_the_order_of_uncertainty_and_none_is_empty(uncertainty, count):
    levels = UncertaintyLevels.fit(uncertainty, count)
    assigned = levels.assign(np.sort(uncertainty))
    assert levels.count <= count
    assert (np.diff(assigned) >= 0).all()
    assert set(assigned) == set(range(levels.count))
