"""Intervals cover what they promise to cover, over many worlds."""

import numpy as np
import pytest

from onward.metrics.classification import auc
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import wilson

pytestmark = pytest.mark.statistical

CUSTOMERS, ROWS = 120, 10


def world(seed):
    """Customers differ in how often they convert, and their rows in score."""
    rng = np.random.default_rng([seed, 1])
    customer = np.repeat(np.arange(CUSTOMERS), ROWS)
    taste = rng.normal(0, 1, CUSTOMERS)[customer]
    score = rng.normal(0, 1, len(customer))
    label = (rng.random(len(customer)) < 1 / (1 + np.exp(1.0 - score - taste))).astype(float)
    return customer, label, score


@pytest.fixture(scope="module")
def truth():
    rows = [world(seed) for seed in range(10_000, 10_300)]
    label, score = np.concatenate([row[1] for row in rows]), np.concatenate([row[2] for row in rows])
    bootstrap = CustomerBootstrap.of(np.zeros(len(label)), 10, 0)
    return label.mean(), (label * (score > 1)).sum() / label.sum(), auc(label, score, bootstrap).value


def test_customer_bootstrap_covers_ratios_and_auc_about_as_often_as_it_says(truth):
    rate, recall, order = truth
    covered = np.zeros(3)
    worlds = 300
    for seed in range(worlds):
        customer, label, score = world(seed)
        bootstrap = CustomerBootstrap.of(customer, 200, seed)
        intervals = (
            bootstrap.ratio(label, np.ones(len(label))),
            bootstrap.ratio(label * (score > 1), label),
            auc(label, score, bootstrap),
        )
        covered += [
            found.low <= true <= found.high for found, true in zip(intervals, (rate, recall, order), strict=True)
        ]
    # 95 % promised; 300 worlds have a standard error of 1.3 points, and percentile intervals run a little short.
    assert (covered / worlds > 0.90).all(), covered / worlds
    assert (covered / worlds < 0.985).all(), covered / worlds


def test_rows_taken_for_customers_would_cover_too_seldom(truth):
    hits = 0
    for seed in range(200):
        _, label, _ = world(seed)
        interval = CustomerBootstrap.of(np.arange(len(label)), 200, seed).ratio(label, np.ones(len(label)))
        hits += interval.low <= truth[0] <= interval.high
    assert hits / 200 < 0.90


def test_wilson_covers_rare_rates():
    rng = np.random.default_rng(3)
    drawn = rng.binomial(400, 0.02, 2000)
    covered = [(found := wilson(positives, 400)).low <= 0.02 <= found.high for positives in drawn]
    assert 0.93 < np.mean(covered) < 0.985
