import json

import numpy as np
import pytest
from scipy.special import expit, logit

from onward.errors import DataError
from onward.metrics.calibration import summarise_calibration
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.calibrators import FITS, fit_beta, fit_histogram, fit_platt


def drawn(n=40_000, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.01, 0.6, n), rng


def test_platt_finds_the_line_that_made_the_labels():
    score, _ = drawn()
    truth = expit(0.6 * logit(score) - 1.2)
    assert fit_platt(score, truth).apply(score) == pytest.approx(truth, abs=1e-3)


def test_beta_finds_its_curve_which_platt_cannot():
    score, _ = drawn()
    truth = expit(0.4 * np.log(score) - 2.5 * np.log1p(-score) - 1.0)
    assert fit_beta(score, truth).apply(score) == pytest.approx(truth, abs=1e-3)
    assert np.abs(fit_platt(score, truth).apply(score) - truth).max() > 0.02


def test_histogram_gives_each_bin_its_mean():
    calibrator = fit_histogram([0.1, 0.2, 0.3, 0.4], [0.0, 0.2, 0.4, 0.8], bins=2)
    assert calibrator.apply([0.1, 0.2, 0.29]) == pytest.approx([0.1, 0.1, 0.1])
    assert calibrator.apply([0.3, 0.4, 0.9]) == pytest.approx([0.6, 0.6, 0.6])
    pooled = fit_histogram([0.1, 0.2, 0.3], [0.6, 0.2, 0.7], bins=3)
    assert pooled.apply([0.1, 0.2, 0.3]) == pytest.approx([0.4, 0.4, 0.7])


@pytest.mark.parametrize("name", sorted(FITS))
def test_every_calibrator_mends_a_distorted_score(name):
    truth, rng = drawn()
    label = (rng.random(len(truth)) < truth) * 1.0
    score = expit(1.8 * logit(truth) + 0.7)
    probability = FITS[name](score, label).apply(score)
    assert summarise_calibration(score, label).ece > 0.05
    assert np.abs(probability - truth).mean() < 0.01
    assert probability.mean() == pytest.approx(label.mean(), abs=1e-3)


@pytest.mark.parametrize("name", sorted(FITS))
def test_weights_count_as_repeated_rows_and_json_keeps_all(name):
    score, label, copies = np.array([0.1, 0.2, 0.3, 0.5]), np.array([0.1, 0.5, 0.2, 0.8]), np.array([1, 2, 1, 3])
    weighted = FITS[name](score, label, copies)
    repeated = FITS[name](np.repeat(score, copies), np.repeat(label, copies))
    assert weighted.apply(score) == pytest.approx(repeated.apply(score), abs=1e-4)
    assert MonotoneCalibrator.from_dict(json.loads(json.dumps(weighted.to_dict()))) == weighted


@pytest.mark.parametrize("name", ["platt", "beta", "histogram"])
@pytest.mark.parametrize(("score", "label"), [([0.1, 0.1], [0, 1]), ([0.1, 0.2], [0, 0]), ([], [])])
def test_what_cannot_be_calibrated_is_refused(name, score, label):
    with pytest.raises(DataError, match=r"need 2 scores and a positive; enlarge splits\.calibrate"):
        FITS[name](score, label)
