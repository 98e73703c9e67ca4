"""What the benchmark of ranges puts together itself: batches of quarters, rows of both labels, ranks."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks.doubt.head_stability import _correlation, _ranks
from benchmarks.doubt.ranges import _joined, _truths
from benchmarks.doubt.rotated_runs import Rows, _pairs
from onward.metrics.customer_bootstrap import CustomerBootstrap


def test_batches_of_one_quarter_are_none_of_another():
    parts = [{"one": np.array([0, 1, 1])}, {"one": np.array([0, 0])}, {"one": np.array([1, 0])}]
    assert _joined(parts)["one"].tolist() == [0, 1, 1, 2, 2, 4, 3]


def test_a_truth_is_held_against_the_mean_range_of_what_is_shown_often_enough():
    truth = np.array([0.1] * 120 + [0.9])
    low, high = np.full(121, 0.05), np.full(121, 0.2)
    columns = {"target": np.r_[np.zeros(120, np.int64), 1], "source": np.zeros(121, np.int64)}
    found = _truths(truth, low, high, columns, {"one": np.r_[np.zeros(120, np.int64), 1]})
    assert found["products shown 20"] == found["pairs shown 100"] == 1.0
    assert found["batches"] == 0.5
    assert found["impressions"] == pytest.approx(120 / 121)


def test_an_unfinished_label_is_learnt_as_both_weighing_what_each_is_worth():
    columns = {name: np.arange(3) for name in ("source", "target", "customer")}
    rows = Rows(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), columns, np.array([1.0, 0.25, 0.0]), pd.Series(["a"]))
    pairs = _pairs(rows, np.array([True, True, True]))
    told = sorted(zip(pairs.frame["x"], pairs.label, pairs.weight, pairs.customer, strict=True))
    assert told == [(1.0, 1.0, 1.0, 0), (2.0, 0.0, 0.75, 1), (2.0, 1.0, 0.25, 1), (3.0, 0.0, 1.0, 2)]


def test_the_correlation_is_spearmans():
    odds = np.random.default_rng(0).normal(size=(500, 10)) * np.linspace(0.1, 3.0, 500)[:, None]
    one, other = _ranks(odds[:, :5]), _ranks(odds[:, 5:])
    found = _correlation(one, other, CustomerBootstrap.of(np.arange(500) // 5, 50, 0))
    assert found.value == pytest.approx(spearmanr(one, other).statistic)
    assert found.low < found.value < found.high
