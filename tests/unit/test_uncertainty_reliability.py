import numpy as np
import pytest

from onward.metrics.calibration import calibration_by_level, reliability_table, summarise_calibration
from onward.metrics.intervals import wilson_interval


def test_nll_equals_the_textbook_formula():
    summary = summarise_calibration(np.array([0.2, 0.7]), np.array([0.0, 1.0]))
    assert summary.nll == pytest.approx(-(np.log(0.8) + np.log(0.7)) / 2)


def test_an_expected_label_costs_the_mean_of_both_outcomes():
    probability = np.array([0.3])
    both = [summarise_calibration(probability, np.array([y])).nll for y in (0.0, 1.0)]
    assert summarise_calibration(probability, np.array([0.25])).nll == pytest.approx(0.75 * both[0] + 0.25 * both[1])


def test_perfect_calibration_has_no_error():
    probability = np.repeat([0.1, 0.5], 10)
    label = np.r_[1, np.zeros(9), np.ones(5), np.zeros(5)]
    summary = summarise_calibration(probability, label)
    assert summary.ece == pytest.approx(0.0)
    assert summary.pcoc == pytest.approx(1.0)
    assert summary.positives == 6.0


def test_ece_sees_errors_that_cancel_in_pcoc():
    summary = summarise_calibration(np.array([0.2, 0.8] * 5), np.array([0.8, 0.2] * 5), bins=2)
    assert summary.pcoc == pytest.approx(1.0)
    assert summary.ece == pytest.approx(0.6)


def test_nothing_and_no_positives_have_no_pcoc():
    assert summarise_calibration(np.zeros(0), np.zeros(0)).pcoc is None
    assert summarise_calibration(np.full(3, 0.1), np.zeros(3)).pcoc is None


def test_reliability_bins_hold_equal_mass_and_all_examples():
    probability = np.linspace(0.01, 0.99, 100)
    table = reliability_table(probability, (probability > 0.5) * 1.0, bins=4)
    assert table["n"].tolist() == [25] * 4
    assert table["observed"].tolist() == [0, 0, 1, 1]
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_tied_probabilities_share_a_bin():
    table = reliability_table(np.repeat([0.1, 0.2], [90, 10]), np.zeros(100), bins=10)
    assert table["n"].tolist() == [90, 10]
    assert table["bin"].tolist() == [0, 1]


def test_wilson_matches_published_values():
    # Newcombe (Statistics in Medicine 1998), table I, method 3: 81 of 263.
    low, high = wilson_interval([81], [263])
    assert low == pytest.approx([0.2553], abs=5e-5)
    assert high == pytest.approx([0.3662], abs=5e-5)


def test_wilson_stays_inside_the_unit_interval():
    low, high = wilson_interval([0.0, 5.0], [5, 5])
    assert low[0] == 0.0
    assert high[1] == 1.0


def test_every_level_is_reported_even_an_empty_one():
    probability, label = np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 0.0])
    summaries, table = calibration_by_level(probability, label, np.array([0, 0, 2]), 3)
    assert {name: summary.examples for name, summary in summaries.items()} == {"all": 3, "0": 2, "1": 0, "2": 1}
    assert table.groupby("level")["n"].sum().to_dict() == {"all": 3, "0": 2, "2": 1}
    assert list(table.columns) == ["level", "bin", "n", "predicted", "observed", "low", "high"]
