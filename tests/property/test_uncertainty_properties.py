import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.levels import UncertaintyLevels

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
@given(EXAMPLES, st.floats(0.0, 3.0))
def test_the_interval_encloses_the_probability(examples, z):
    score, label, _, calibrator = fit(examples)
    low, high = calibrator.interval(score, label, z)
    assert (low <= calibrator.apply(score)).all()
    assert (calibrator.apply(score) <= high).all()


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=80), st.integers(1, 12))
def test_levels_follow_the_order_of_uncertainty_and_none_is_empty(uncertainty, count):
    levels = UncertaintyLevels.fit(uncertainty, count)
    assigned = levels.assign(np.sort(uncertainty))
    assert levels.count <= count
    assert (np.diff(assigned) >= 0).all()
    assert set(assigned) == set(range(levels.count))
