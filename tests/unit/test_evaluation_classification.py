import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from onward.evaluation.score_quality import measure, positivity_heat_map
from onward.metrics.calibration import equal_mass_bins, expected_calibration_error
from onward.metrics.classification import auc, cross_entropy
from onward.metrics.customer_bootstrap import CustomerBootstrap


@pytest.fixture
def rows():
    rng = np.random.default_rng(5)
    probability = rng.beta(1, 8, 3000).round(2)
    return (rng.random(3000) < probability).astype(np.int8), probability, rng.integers(0, 150, 3000)


def test_auc_and_its_resamples_equal_those_of_sklearn_under_ties(rows):
    label, score, customer = rows
    bootstrap = CustomerBootstrap.of(customer, 40, 2)
    drawn = [
        roc_auc_score(label, score, sample_weight=draw[bootstrap.codes])
        for block in bootstrap.weights()
        for draw in block
    ]
    interval = auc(label, score, bootstrap)
    assert interval.value == pytest.approx(roc_auc_score(label, score))
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_auc_does_not_exist_with_one_class_only():
    bootstrap = CustomerBootstrap.of(np.arange(3), 10, 0)
    assert auc(np.zeros(3), np.array([0.1, 0.2, 0.3]), bootstrap).to_dict()["value"] is None


def test_measure_equals_sklearn_and_plain_means(rows):
    label, probability, customer = rows
    found = measure(label, probability, probability, customer, 50, 1, 10)
    assert found["nll"]["value"] == pytest.approx(log_loss(label, probability.clip(1e-6, 1 - 1e-6)))
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(label, probability))
    assert found["pcoc"]["value"] == pytest.approx(probability.sum() / label.sum())
    assert found["positivity"]["value"] == pytest.approx(label.mean())
    assert (found["n"], found["positives"], found["customers"]) == (3000, label.sum(), 150)
    assert found["ece"] < 0.03


def test_a_sure_and_wrong_probability_costs_much_but_not_infinity():
    assert np.isfinite(cross_entropy(np.array([1, 0]), np.array([0.0, 1.0]))).all()


def test_equal_scores_share_a_bin_and_bins_are_of_equal_mass():
    assert equal_mass_bins(np.zeros(10), 5).tolist() == [0] * 10
    assert np.bincount(equal_mass_bins(np.arange(100.0), 4)).tolist() == [25] * 4


def test_calibration_error_weighs_bins_by_their_rows():
    label, probability = np.r_[np.zeros(300), np.ones(100)], np.r_[np.full(300, 0.1), np.full(100, 0.5)]
    assert expected_calibration_error(probability, label, 4) == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)
    assert expected_calibration_error(np.full(400, 0.25), np.tile([1, 0, 0, 0], 100), 10) == 0.0


def test_the_heat_map_has_every_cell_once_and_loses_no_row(rows):
    label, score, _ = rows
    level = np.random.default_rng(1).integers(0, 3, len(label))
    cells = positivity_heat_map(label, score, level, 5)
    assert len({(cell["score_bin"], cell["level"]) for cell in cells}) == len(cells)
    assert sum(cell["n"] for cell in cells) == len(label)
    assert sum(cell["positives"] for cell in cells) == label.sum()


def test_an_empty_cell_of_the_heat_map_claims_nothing():
    cells = positivity_heat_map(np.array([0, 1]), np.array([0.1, 0.9]), np.array([0, 1]), 2)
    (empty,) = [cell for cell in cells if cell["score_bin"] == 0 and cell["level"] == 1]
    assert (empty["n"], empty["positivity"], empty["low"], empty["high"]) == (0, None, 0.0, 1.0)
