"""Customers of products as bits: counts as by hand, and a trip through pairs."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import START, as_purchases
from onward.ranking import shared_customers
from onward.ranking.shared_customers import SharedCustomers
from onward.ranking.shopping import read_shopping

buyers = st.sets(st.tuples(st.integers(0, 199), st.integers(0, 4)), max_size=300)


@settings(max_examples=40)
@given(buyers)
def test_bits_come_back_as_the_pairs_they_were_made_of(pairs):
    customer, product = (np.array([pair[end] for pair in pairs], dtype=np.int64) for end in (0, 1))
    shared = SharedCustomers.from_pairs(customer, product, 200, 5)
    assert set(zip(*(each.tolist() for each in shared.pairs()), strict=True)) == pairs
    again = SharedCustomers.from_pairs(*shared.pairs(), 200, 5)
    np.testing.assert_array_equal(again.bits, shared.bits)
    assert shared.count.tolist() == [sum(each == number for _, each in pairs) for number in range(5)]


@settings(max_examples=40)
@given(buyers)
def test_shared_customers_are_counted_as_by_hand(pairs):
    log = as_purchases([(customer, number % 3, product) for number, (customer, product) in enumerate(sorted(pairs))])
    shared = SharedCustomers.of(read_shopping(log, 5, START + timedelta(days=9), 0), seed=0)
    of = [{customer for customer, product in pairs if product == number} for number in range(5)]
    everyone = len(set().union(*of))
    assert (shared.customers, shared.count.tolist()) == (everyone, [len(each) for each in of])
    u, v = (each.ravel() for each in np.indices((5, 5)))
    expected = [
        np.log((len(of[a] & of[b]) + 10) / (len(of[a]) * len(of[b]) / max(everyone, 1) + 10))
        for a, b in zip(u, v, strict=True)
    ]
    np.testing.assert_allclose(shared.log_lift(u, v), expected)


def test_pairs_are_looked_at_in_parts_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(0)
    shared = SharedCustomers.from_pairs(rng.integers(0, 99, 300), rng.integers(0, 5, 300), 99, 5)
    u, v = rng.integers(0, 5, (2, 100))
    whole = shared.log_lift(u, v)
    monkeypatch.setattr(shared_customers, "_PAIRS_AT_ONCE", 7)
    np.testing.assert_array_equal(shared.log_lift(u, v), whole)


def test_many_customers_are_sampled_and_the_sample_is_the_seeds(monkeypatch):
    monkeypatch.setattr(shared_customers, "_MOST_CUSTOMERS", 50)
    rng = np.random.default_rng(0)
    log = as_purchases([(customer, 0, product) for customer in range(200) for product in rng.integers(0, 5, 2)])
    shopping = read_shopping(log, 5, START + timedelta(days=9), 0)
    one, again, other = (SharedCustomers.of(shopping, seed) for seed in (1, 1, 2))
    assert one.customers == 50
    np.testing.assert_array_equal(one.bits, again.bits)
    assert (one.bits != other.bits).any()
    assert one.count / 50 == pytest.approx(shopping.customers / 200, abs=0.2)
