import numpy as np
import pytest

from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import interval_of, wilson


def test_a_ratio_is_that_of_all_rows_and_lies_inside_its_interval():
    rng = np.random.default_rng(0)
    label, weight = rng.integers(0, 2, 400), rng.random(400) + 0.5
    interval = CustomerBootstrap.of(rng.integers(0, 40, 400), 200, 1).ratio(label, weight)
    assert interval.value == pytest.approx(label.sum() / weight.sum())
    assert interval.low < interval.value < interval.high


def test_a_difference_of_a_ratio_with_itself_is_nothing_in_every_resample():
    rng = np.random.default_rng(0)
    label, ones = rng.integers(0, 2, 100), np.ones(100)
    interval = CustomerBootstrap.of(rng.integers(0, 9, 100), 50, 1).ratio_difference(label, ones, label, ones)
    assert interval.to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_resamples_equal_drawing_whole_customers_row_by_row():
    customer, label = np.array([7, 7, 3, 5, 5, 5]), np.array([1, 0, 1, 0, 0, 1])
    bootstrap = CustomerBootstrap.of(customer, 20, 4)
    (weights,) = bootstrap.weights()
    assert (weights.sum(axis=1) == 3).all()
    by_hand = [(draw[bootstrap.codes] * label).sum() / draw[bootstrap.codes].sum() for draw in weights]
    low, high = np.quantile(by_hand, [0.025, 0.975])
    interval = bootstrap.ratio(label, np.ones(6))
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_the_same_seed_gives_the_same_interval_and_more_rows_a_customer_a_wider_one():
    rng = np.random.default_rng(0)
    rate = np.repeat(rng.beta(1, 4, 50), 40)
    label, ones = (rng.random(2000) < rate).astype(int), np.ones(2000)
    clustered = CustomerBootstrap.of(np.repeat(np.arange(50), 40), 300, 3).ratio(label, ones)
    assert clustered == CustomerBootstrap.of(np.repeat(np.arange(50), 40), 300, 3).ratio(label, ones)
    apart = CustomerBootstrap.of(np.arange(2000), 300, 3).ratio(label, ones)
    assert clustered.high - clustered.low > 1.5 * (apart.high - apart.low)


def test_a_ratio_of_nothing_is_null_not_nan():
    interval = CustomerBootstrap.of(np.arange(5), 20, 0).ratio(np.ones(5), np.zeros(5))
    assert interval.to_dict() == {"value": None, "low": None, "high": None}


def test_resamples_without_the_metric_are_left_out():
    interval = interval_of(0.5, np.array([np.nan, 0.4, 0.6]))
    assert 0.4 <= interval.low <= interval.high <= 0.6


def test_wilson_stays_within_zero_and_one_and_shrinks_with_evidence():
    assert wilson(0, 10).low == pytest.approx(0.0)
    assert wilson(10, 10).high == pytest.approx(1.0)
    assert wilson(5, 10).high - wilson(5, 10).low > wilson(500, 1000).high - wilson(500, 1000).low
    assert wilson(5, 10, 0.5).high < wilson(5, 10, 0.99).high
