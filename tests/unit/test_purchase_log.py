import numpy as np

from onward.evaluation.newly_bought import newly_bought_after
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


def test_newly_bought_after_is_what_is_new_to_the_same_customer_on_a_later_day_within_the_window():
    log = log_of([
        (1, 9, 0),
        (1, 1, 10),  # the same day says nothing about order
        (1, 2, 9), (1, 2, 12),  # bought lately: not new
        (1, 3, 15),  # the last day that counts
        (1, 4, 16),  # too late
        (2, 5, 11),  # somebody else
    ], products=10)  # fmt: skip
    query, product = newly_bought_after(log, np.array([1, 2]), np.array([10, 11]), 5)
    assert list(zip(query.tolist(), product.tolist(), strict=True)) == [(0, 3)]


def test_nothing_is_newly_bought_in_an_empty_log():
    query, product = newly_bought_after(log_of([]), np.array([1]), np.array([0]), 5)
    assert (query.tolist(), product.tolist()) == ([], [])
