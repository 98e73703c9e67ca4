import numpy as np
import pytest

from onward.evaluation.queries import build_queries
from onward.ranking.purchase_log import PurchaseLog


def log_of(rows, products=6, fresh_days=3):
    customer, product, day = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return PurchaseLog.of(customer, product, day, products, fresh_days)


def test_a_purchase_is_new_when_the_last_one_is_longer_ago_than_the_window():
    log = log_of([(1, 0, 0), (1, 0, 3), (1, 0, 7), (1, 0, 7), (1, 1, 10), (2, 0, 10)])
    assert list(
        zip(log.customer.tolist(), log.product.tolist(), log.day.tolist(), log.fresh.tolist(), strict=True)
    ) == [
        (1, 0, 0, False),  # the log has only begun: nobody knows
        (1, 0, 3, False),
        (1, 0, 7, True),
        (1, 1, 10, True),
        (2, 0, 10, True),
    ]


def test_visits_count_shopping_days_of_each_customer():
    log = log_of([(1, 0, 0), (1, 1, 0), (1, 2, 5), (2, 0, 5), (2, 1, 6)])
    assert log.visit().tolist() == [0, 0, 1, 0, 1]
    assert log_of([]).visit().tolist() == []
    assert log_of([]).before(3).products == 6


def queries_of(log, start=10, end=20, horizon=40, follow=5, limit=100, customers=(1, 2)):
    return build_queries(log, np.array(customers), start, end, horizon, follow, limit, 0)


def answers(queries):
    return sorted(
        (int(queries.customer[q]), int(queries.source[q]), int(v))
        for q, v in zip(queries.pair_query, queries.pair_product, strict=True)
    )


def test_relevant_is_what_is_new_on_a_later_day_within_the_window_before_the_horizon():
    log = log_of([
        (1, 9, 0),
        (1, 0, 10),  # the query
        (1, 1, 10),  # the same day says nothing about order
        (1, 2, 9), (1, 2, 12),  # bought lately: not new
        (1, 3, 15),  # the last day that counts
        (1, 4, 16),  # too late for the query of day 10
        (2, 5, 11),  # somebody else
    ], products=10)  # fmt: skip
    assert answers(queries_of(log, end=11)) == [(1, 0, 3), (1, 1, 3)]
    assert answers(queries_of(log, end=11, horizon=15)) == []


def test_the_source_never_answers_itself_and_nobody_else_is_asked():
    log = log_of([(1, 9, 0), (1, 0, 10), (1, 0, 15), (1, 1, 15), (3, 0, 10), (3, 1, 12)], products=10)
    assert answers(queries_of(log, end=11)) == [(1, 0, 1)]


def test_the_sample_keeps_its_size_and_depends_on_the_seed_alone():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, 30, 4000), rng.integers(0, 50, 4000), rng.integers(0, 40, 4000)], axis=1)
    log = log_of(rows, products=50)
    first = build_queries(log, np.arange(30), 10, 30, 40, 5, 25, 1)
    again = build_queries(log, np.arange(30), 10, 30, 40, 5, 25, 1)
    other = build_queries(log, np.arange(30), 10, 30, 40, 5, 25, 2)
    assert len(first.customer) == 25
    assert set(first.pair_query.tolist()) == set(range(25))
    assert answers(first) == answers(again) != answers(other)


@pytest.mark.parametrize("rows", [[], [(1, 0, 12)]])
def test_no_answer_no_query(rows):
    assert len(queries_of(log_of(rows)).customer) == 0
