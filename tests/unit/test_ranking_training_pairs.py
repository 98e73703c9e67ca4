"""Pairs that happened come from one basket, or from one customer in order; rivals from the targets' popularity."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import START, as_purchases
from onward.ranking.shopping import read_shopping
from onward.ranking.training_pairs import Pairs, pairs_of_baskets, pairs_that_followed, rivals

logs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 4)), max_size=40)
permitted = st.lists(st.booleans(), min_size=5, max_size=5).map(np.array)


def shop_of(rows, fresh_days=0):
    return read_shopping(as_purchases(rows), 5, START + timedelta(days=100), fresh_days)


def said(pairs):
    return list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))


@settings(max_examples=50)
@given(logs, permitted, st.integers(1, 4), st.integers(0, 9))
def test_pairs_of_baskets_are_of_one_basket_and_of_different_products(rows, allowed, targets, seed):
    shopping = shop_of(rows)
    pairs = pairs_of_baskets(shopping.baskets, allowed, targets, 10_000, seed)
    baskets = [
        set(shopping.baskets[row].indices.tolist()) & set(np.flatnonzero(allowed).tolist())
        for row in range(shopping.baskets.shape[0])
    ]
    possible = {(u, v) for basket in baskets for u in basket for v in basket if u != v}
    assert set(said(pairs)) <= possible
    # Every product with company is asked `targets` times a basket.
    asked = [u for basket in baskets if len(basket) > 1 for u in basket for _ in range(targets)]
    assert sorted(pairs.source.tolist()) == sorted(asked)


def test_the_others_of_a_basket_are_drawn_alike():
    shopping = shop_of([(0, 0, product) for product in range(4)])
    pairs = pairs_of_baskets(shopping.baskets, np.ones(5, bool), 3000, 10**6, seed=0)
    found = np.bincount(pairs.source * 4 + pairs.target, minlength=16).reshape(4, 4)
    assert (np.diag(found) == 0).all()
    assert found[~np.eye(4, dtype=bool)] == pytest.approx(np.full(12, 1000), rel=0.12)


@settings(max_examples=50)
@given(logs, permitted, st.integers(1, 10), st.integers(0, 5), st.integers(0, 9))
def test_pairs_that_followed_are_of_one_customer_in_order_and_new(rows, allowed, follow_days, fresh_days, seed):
    log = shop_of(rows, fresh_days).log
    pairs = pairs_that_followed(log, allowed, follow_days, 3, 10_000, seed)
    bought = list(zip(log.customer, log.day, log.product, log.fresh, strict=True))
    possible = {
        (u, v)
        for customer, day, u, _ in bought
        for another, later, v, new in bought
        if customer == another and 0 < later - day <= follow_days and new and u != v and allowed[u] and allowed[v]
    }
    assert set(said(pairs)) <= possible


def test_every_follower_within_the_days_is_drawn_and_none_beyond():
    log = shop_of([(0, 0, 0), (0, 0, 4), (0, 3, 1), (0, 10, 2), (0, 11, 3), (1, 1, 4)]).log
    pairs = pairs_that_followed(log, np.ones(5, bool), 10, 200, 10**6, seed=0)
    assert set(said(pairs)) == {(0, 1), (0, 2), (4, 1), (4, 2), (1, 2), (1, 3), (2, 3)}


@given(logs, st.integers(0, 8), st.integers(0, 9))
@settings(max_examples=20)
def test_no_more_pairs_than_asked_and_the_seed_says_which(rows, most, seed):
    shopping, allowed = shop_of(rows), np.ones(5, bool)
    for draw in (
        lambda most, seed: pairs_of_baskets(shopping.baskets, allowed, 2, most, seed),
        lambda most, seed: pairs_that_followed(shopping.log, allowed, 9, 2, most, seed),
    ):
        assert len(draw(most, seed).source) == min(most, len(draw(10_000, seed).source))
        assert said(draw(most, seed)) == said(draw(most, seed))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] != pair[1])))
def test_no_product_is_its_own_rival(rows):
    pairs = Pairs(*(np.array([row[end] for row in rows], dtype=np.int64) for end in (0, 1)))
    drawn = rivals(pairs, 3, seed=0)
    assert (drawn.source != drawn.target).all()
    assert len(drawn.source) <= 3 * len(rows)
    assert set(drawn.target.tolist()) <= set(pairs.target.tolist())


def test_rivals_are_as_popular_as_the_targets_whatever_the_source():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 2, 20_000)
    # Source 0 leads to 2 or 3, source 1 to 4 only.
    pairs = Pairs(source, np.where(source == 1, 4, rng.integers(2, 4, 20_000)))
    drawn = rivals(pairs, 2, seed=0)
    wanted = np.bincount(pairs.target, minlength=5) / 20_000
    for one in (0, 1):
        mine = drawn.target[drawn.source == one]
        assert np.bincount(mine, minlength=5) / len(mine) == pytest.approx(wanted, abs=0.02)
