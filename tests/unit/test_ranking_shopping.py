"""Purchases as rows of baskets and visits."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import START, as_purchases
from onward.ranking.shopping import day_of, read_shopping

FIRST_DAY = day_of(START)
logs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 4)), max_size=40)


def rows_of(matrix):
    return [set(matrix[row].indices.tolist()) for row in range(matrix.shape[0])]


@settings(max_examples=40)
@given(logs, st.integers(0, 21), st.integers(0, 8))
def test_visits_hold_what_each_customer_bought_on_each_day_and_what_was_new(rows, before, fresh_days):
    shopping = read_shopping(as_purchases(rows), 5, START + timedelta(days=before), fresh_days)
    known = {row for row in rows if row[1] < before}
    first = min((day for _, day, _ in known), default=0)
    visits = sorted({(customer, day) for customer, day, _ in known})
    held = [{product for c, d, product in known if (c, d) == visit} for visit in visits]
    assert [*zip(shopping.visit_customer, shopping.visit_day - FIRST_DAY, strict=True)] == visits
    assert rows_of(shopping.visits) == held
    assert rows_of(shopping.fresh) == [
        {
            product
            for product in products
            if day >= first + fresh_days
            and not any((customer, day - back, product) in known for back in range(1, fresh_days + 1))
        }
        for (customer, day), products in zip(visits, held, strict=True)
    ]
    assert shopping.products == 5
    buyers = [len({customer for customer, _, product in known if product == number}) for number in range(5)]
    assert shopping.customers.tolist() == buyers


def test_two_orders_of_a_day_are_two_baskets_and_one_visit():
    purchases = as_purchases([(1, 3, 0), (1, 3, 2), (1, 3, 2), (0, 4, 1)])
    purchases["order"] = [7, 8, 8, 3]
    shopping = read_shopping(purchases, 3, START + timedelta(days=9), 0)
    assert rows_of(shopping.baskets) == [{1}, {0}, {2}]
    assert shopping.baskets.max() == 1.0
    assert shopping.basket_customer.tolist() == [0, 1, 1]
    assert (shopping.basket_day - FIRST_DAY).tolist() == [4, 3, 3]
    assert rows_of(shopping.visits) == [{1}, {0, 2}]


def test_only_what_came_before_the_moment_counts():
    purchases = as_purchases([(0, 0, 0), (0, 1, 1)])  # bought at nine in the morning
    for hours, products in ((33, {0}), (34, {0, 1})):
        shopping = read_shopping(purchases, 2, START + timedelta(hours=hours), 0)
        assert set().union(*rows_of(shopping.baskets)) == products


def test_a_log_without_purchases_is_no_error():
    shopping = read_shopping(as_purchases([]), 3, START, 10)
    assert shopping.baskets.shape == shopping.visits.shape == (0, 3)
    assert shopping.customers == pytest.approx(np.zeros(3))
