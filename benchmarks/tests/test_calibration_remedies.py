import numpy as np
import pytest

from benchmarks.doubt.calibration_remedies import debiased_ece
from onward.metrics.calibration import summarise_calibration


@pytest.mark.statistical
def test_a_perfect_probability_has_no_debiased_error_and_a_wrong_one_keeps_it():
    plain, mended, wrong = [], [], []
    for seed in range(60):
        rng = np.random.default_rng([seed, 3])
        truth = rng.uniform(0.02, 0.4, 2000)
        label = (rng.random(2000) < truth) * 1.0
        plain.append(summarise_calibration(truth, label).ece)
        mended.append(debiased_ece(truth, label))
        wrong.append(debiased_ece(truth * 0.7, label))
    assert np.mean(plain) > 0.015
    assert abs(np.mean(np.sign(mended) * np.square(mended))) < 0.1 * np.mean(plain) ** 2
    assert np.mean(wrong) == pytest.approx(0.3 * np.sqrt(0.21**2 + 0.38**2 / 12), abs=0.004)


def test_nothing_has_no_error():
    assert debiased_ece(np.zeros(0), np.zeros(0)) == 0.0
