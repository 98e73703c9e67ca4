import numpy as np
import pytest
from scipy.special import expit

from onward.metrics.calibration import summarise_calibration
from onward.uncertainty.calibration import MonotoneCalibrator

pytestmark = pytest.mark.statistical


def test_isotonic_calibration_removes_a_bias_of_the_score_on_fresh_examples():
    pcocs, raw = [], []
    for seed in range(40):
        rng = np.random.default_rng([seed, 11])
        truth = expit(rng.normal(-3.0, 1.0, 8000))
        score = np.clip(3.0 * truth**1.3, 0.0, 1.0)  # right order, wrong scale
        label = (rng.random(8000) < truth) * 1.0
        fitted = MonotoneCalibrator.fit(score[:4000], label[:4000])
        pcocs.append(summarise_calibration(fitted.apply(score[4000:]), label[4000:]).pcoc)
        raw.append(score[4000:].sum() / label[4000:].sum())
    # Four standard errors of the mean; the bias of the raw score is far outside.
    assert np.mean(pcocs) == pytest.approx(1.0, abs=4 * np.std(pcocs) / np.sqrt(len(pcocs)))
    assert abs(np.mean(raw) - 1.0) > 0.1


def test_expected_labels_calibrate_to_the_same_rate_as_true_labels():
    gaps = []
    for seed in range(20):
        rng = np.random.default_rng([seed, 12])
        truth = expit(rng.normal(-2.0, 1.0, 5000))
        label = (rng.random(5000) < truth) * 1.0
        pending = rng.random(5000) < 0.4
        soft = np.where(pending, truth, label)
        hard_fit, soft_fit = MonotoneCalibrator.fit(truth, label), MonotoneCalibrator.fit(truth, soft)
        gaps.append(soft_fit.apply(truth).mean() - hard_fit.apply(truth).mean())
    assert np.mean(gaps) == pytest.approx(0.0, abs=4 * np.std(gaps) / np.sqrt(len(gaps)))
