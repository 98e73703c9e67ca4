import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onward.uncertainty.calibrators import FITS

EXAMPLES = st.lists(
    st.tuples(st.integers(1, 19).map(lambda step: step / 20.0), st.floats(0.05, 0.95), st.floats(0.1, 5.0)),
    min_size=4,
    max_size=60,
)


def fitted(name, examples):
    score, label, weight = np.array(examples).T
    assume(len(np.unique(score)) >= 2)
    return score, label, weight, FITS[name](score, label, weight)


@settings(deadline=None, max_examples=60)
@given(EXAMPLES, st.sampled_from(sorted(FITS)))
def test_a_higher_score_never_gets_a_lower_probability(examples, name):
    *_, calibrator = fitted(name, examples)
    probability = calibrator.apply(np.linspace(-0.5, 1.5, 400))
    assert (np.diff(probability) >= 0).all()
    assert (probability > 0).all()
    assert (probability < 1).all()


@settings(deadline=None, max_examples=60)
@given(EXAMPLES, st.sampled_from(["histogram", "isotonic", "platt"]))
def test_calibrating_twice_changes_nothing(examples, name):
    # Beta calibration is missing on purpose: its curves do not contain the curves of its curves.
    score, label, weight, calibrator = fitted(name, examples)
    once = calibrator.apply(score)
    assume(np.ptp(once) > 1e-3)
    twice = FITS[name](once, label, weight).apply(once)
    assert twice == pytest.approx(once, abs=2e-3 if name == "platt" else 1e-6)
