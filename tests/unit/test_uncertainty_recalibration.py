"""A score bent by its own uncertainty."""

import numpy as np
from scipy.special import logit
from tests.builders.scored_shop import shop

from onward.metrics.customer_bootstrap import deal_customers
from onward.uncertainty.recalibration import Recalibration, cross_fitted


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
    fold = deal_customers(customer, 4, np.random.default_rng(0))
    first = cross_fitted(score, unsure, label, fold)
    second = cross_fitted(score, unsure, np.where(fold == 2, 1.0 - label, label), fold)
    np.testing.assert_array_equal(first[fold == 2], second[fold == 2])
    assert (first[fold != 2] != second[fold != 2]).any()


def test_a_customer_has_one_fold():
    customer = np.random.default_rng(5).integers(0, 50, 1000)
    fold = deal_customers(customer, 6, np.random.default_rng(7))
    assert all(len(np.unique(fold[customer == one])) == 1 for one in np.unique(customer))
    assert set(fold) == set(range(6))


def test_it_is_read_back_as_it_was_written():
    score, unsure, label, _ = shop(9, 0.4, n=5000)
    fitted = Recalibration.fit(score, unsure, label)
    again = Recalibration.from_dict(fitted.to_dict())
    assert again == fitted
    np.testing.assert_array_equal(again.apply(score, unsure), fitted.apply(score, unsure))
