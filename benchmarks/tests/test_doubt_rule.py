"""The rule that asks whether a scorer is wrong where its uncertainty says so finds what is planted, and only that."""

import numpy as np
import pytest
from scipy.special import expit, logit

from benchmarks.doubt.__main__ import simulated_verdict
from benchmarks.doubt.cases_picture import Case, draw
from benchmarks.doubt.recalibration import Recalibration, cross_fitted, deal_customers
from benchmarks.doubt.rule import Gain, dependence, gain_of, worth_of_shown
from onward.evaluation.decisions import top_by_score


def shop(seed: int, bias: float, n: int = 60_000):
    """Score, uncertainty, label and customer of a scorer whose truth lies `bias` log odds a unit off its score."""
    draws = np.random.default_rng(seed)
    odds, unsure = -2.5 + draws.standard_normal(n), draws.standard_normal(n)
    label = (draws.random(n) < expit(odds - bias * unsure)).astype(np.float64)
    return expit(odds), unsure, label, draws.integers(0, 1000, n)


def test_recalibration_finds_the_bias_that_was_planted():
    score, unsure, label, _ = shop(0, 0.4)
    fitted = Recalibration.fit(score, unsure, label)
    at = np.array([-1.0, 0.0, 1.0])
    moved = logit(fitted.apply(np.full(3, 0.1), at)) - logit(0.1)
    np.testing.assert_allclose(moved, [0.4, 0.0, -0.4], atol=0.12)


def test_a_score_that_is_right_stays_as_it_is():
    score, unsure, label, _ = shop(1, 0.0)
    fitted = Recalibration.fit(score, unsure, label)
    again = fitted.apply(score, unsure)
    assert np.quantile(np.abs(logit(again) - logit(score)), 0.95) < 0.25


def test_at_equal_uncertainty_the_order_stays():
    score, unsure, label, _ = shop(2, 2.0)
    # Labels that fall with the score would turn the order round, were slopes free.
    fitted = Recalibration.fit(score, unsure, 1.0 - label)
    rising = np.linspace(0.01, 0.9, 50)
    for at in (-3.0, -0.4, 0.0, 1.1, 3.0):
        assert (np.diff(fitted.apply(rising, np.full(50, at))) > 0.0).all()


def test_one_uncertainty_for_all_is_a_straight_line_of_log_odds():
    score, _, label, _ = shop(3, 0.0)
    fitted = Recalibration.fit(score, np.zeros(len(score)), label)
    assert len(fitted.knots) == 1
    assert np.isfinite(fitted.apply(score, np.zeros(len(score)))).all()


def test_no_row_of_a_fold_decides_on_its_own_recalibration():
    score, unsure, label, customer = shop(4, 0.4, n=4000)
    fold = deal_customers(customer, 4, 0)
    first = cross_fitted(score, unsure, label, fold)
    second = cross_fitted(score, unsure, np.where(fold == 2, 1.0 - label, label), fold)
    np.testing.assert_array_equal(first[fold == 2], second[fold == 2])
    assert (first[fold != 2] != second[fold != 2]).any()


def test_a_customer_has_one_fold():
    customer = np.random.default_rng(5).integers(0, 50, 1000)
    fold = deal_customers(customer, 6, 7)
    assert all(len(np.unique(fold[customer == one])) == 1 for one in np.unique(customer))
    assert set(fold) == set(range(6))


def test_the_same_order_gains_nothing_and_showing_more_of_the_right_ones_does():
    score, _, label, customer = shop(6, 0.0)
    assert gain_of(score**2, score, label, customer).recall == 0.0
    better = gain_of(0.5 * score + 0.5 * label, score, label, customer)
    assert better.low > 0.1


def test_worth_sums_to_the_conversions_gained_where_as_many_are_shown():
    score, _, label, _ = shop(7, 0.0, n=5000)
    other = np.random.default_rng(8).random(5000)
    shown, control = top_by_score(other, 400), top_by_score(score, 400)
    worth = worth_of_shown(shown, control, score, label)
    assert worth.sum() == pytest.approx(float(label @ shown - label @ control))


@pytest.mark.statistical
def test_z_is_standard_where_uncertainty_says_nothing_and_where_it_is_nearly_the_score():
    z = {"nothing": [], "score": []}
    for seed in range(60):
        score, unsure, label, customer = shop(100 + seed, 0.0, n=20_000)
        z["nothing"].append(dependence(score, unsure, label, customer))
        z["score"].append(dependence(score, logit(score) + 0.02 * unsure, label, customer))
    for values in z.values():
        assert abs(np.mean(values)) < 0.45  # 3.5 errors of the mean
        assert 0.7 < np.std(values) < 1.35


@pytest.mark.statistical
def test_the_rule_finds_what_is_planted_and_nothing_else():
    fired = {
        kind: np.mean([simulated_verdict(kind, 900 + seed).fires for seed in range(10)])
        for kind in ("planted", "random", "following")
    }
    assert fired["planted"] >= 0.9
    assert fired["random"] == 0.0
    assert fired["following"] == 0.0


def test_the_picture_has_the_same_bytes_again(tmp_path):
    cases = [Case("well fitted", {"a cut a level": {0.01: Gain(0.01, 0.002), 0.03: Gain(-0.01, 0.002)}})]
    draw(cases, tmp_path / "a.svg")
    draw(cases, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
