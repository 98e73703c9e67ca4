import numpy as np
import pytest

from benchmarks.direction.counted_baselines import Markov, Popularity
from onward.evaluation.window_counts import WindowCounts
from onward.ranking.purchase_log import PurchaseLog

A, B, C, D = range(4)
ALL = np.arange(4)


def log_of(rows, fresh_days=1):
    customer, product, day = np.array(rows, dtype=np.int64).T
    return PurchaseLog.of(customer, product, day, 4, fresh_days)


def test_popularity_counts_what_is_recent_the_same_after_every_source():
    log = log_of([(1, A, 0), (2, A, 1), (1, B, 10), (2, B, 10), (3, C, 10), (1, D, 3)])
    scores = Popularity(recency_days=7, fresh_only=False).fit(log)(ALL)
    assert scores.shape == (4, 4)
    assert (scores == scores[0]).all()
    assert scores[0].tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0])


def test_popularity_can_count_only_what_was_new():
    log = log_of([(1, A, 0), (1, A, 1), (1, A, 2), (1, B, 2)], fresh_days=1)
    assert Popularity(3650, fresh_only=True).fit(log)(ALL)[0].tolist() == [0, 1, 0, 0]


def test_markov_looks_at_the_next_shopping_day_only_however_far():
    log = log_of([(1, A, 0), (1, B, 90), (1, C, 91), (2, A, 5), (2, A, 6), (2, D, 7)])
    scores = Markov(fresh_only=False, backoff=0.0).fit(log)(ALL)
    assert scores[A].tolist() == [0, 1, 0, 1]
    assert scores[B].tolist() == [0, 0, 1, 0]
    assert scores[D].tolist() == [0, 0, 0, 0]


def test_window_counts_know_direction_and_end_with_the_window():
    log = log_of([(9, D, 0), (1, A, 10), (1, B, 13), (1, C, 18), (2, B, 10), (2, A, 30)])
    scores = WindowCounts(window_days=7, half_life_days=None, backoff=0.0).fit(log)(ALL)
    assert scores[A].tolist() == [0, 1, 0, 0]
    assert scores[B].tolist() == [0, 0, 1, 0]


def test_window_counts_decay_by_half_each_half_life():
    log = log_of([(9, D, 0), (1, A, 10), (1, B, 12), (1, C, 14)])
    scores = WindowCounts(window_days=30, half_life_days=2.0, backoff=0.0).fit(log)(np.array([A]))
    assert scores[0].tolist() == pytest.approx([0, 0.5, 0.25, 0])


def test_a_purchase_counts_once_from_the_last_source_before_it():
    log = log_of([(9, D, 0), (1, A, 10), (1, A, 12), (1, B, 12), (1, C, 14)])
    scores = WindowCounts(window_days=30, half_life_days=1.0, backoff=0.0).fit(log)(np.array([A]))
    # B came with the second A: it follows the first by two days; C follows the second by two days.
    assert scores[0].tolist() == pytest.approx([0, 0.25, 0.25, 0])


def test_customers_are_never_mixed():
    log = log_of([(1, A, 10), (2, B, 11), (3, A, 10), (3, C, 11)], fresh_days=0)
    assert WindowCounts(30, None, 0.0).fit(log)(np.array([A]))[0].tolist() == [0, 0, 1, 0]


def test_backoff_breaks_ties_by_popularity_and_a_large_one_is_popularity():
    log = log_of([(9, D, 0), (1, A, 10), (1, B, 11), (2, C, 11), (3, C, 11), (4, C, 12)])
    light = WindowCounts(7, None, 0.1).fit(log)(np.array([A]))[0]
    heavy = WindowCounts(7, None, 1e6).fit(log)(np.array([A]))[0]
    assert light.argmax() == B
    assert light[C] > light[D]
    assert heavy.argmax() == C


@pytest.mark.parametrize(
    "setting", [Popularity(28, fresh_only=True), Markov(fresh_only=False, backoff=100.0), WindowCounts(30, 7.0, 100.0)]
)
def test_every_method_ranks_an_empty_past(setting):
    empty = PurchaseLog.of(*(np.zeros(0, dtype=np.int64),) * 3, 4, 60)
    assert (setting.fit(empty)(ALL) == 0).all()
