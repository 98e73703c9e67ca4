"""Order beyond frequency and season: what is counted, and what is said of logs whose truth is known."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.diagnosis.direction import diagnose_direction
from onward.diagnosis.first_purchases import FirstPurchases
from onward.diagnosis.residual_order import measure_order, shuffle_days
from onward.diagnosis.seasons import fit_seasons
from tools.testbeds.diagnosed_shops import World, make_shop

# Shuffles whole logs.
pytestmark = pytest.mark.slow

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(-50, 400)), max_size=60)


def of(rows):
    customer, item, day = (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return FirstPurchases.of(customer, item, day)


@cache
def shop(*, direction, seed=3):
    found = make_shop(World(direction, delay=False, doubt=False), seed)
    return found.purchases, found.products


@cache
def answer_of(*, direction):
    """A diagnosis takes a second: each world's is made once, and those of changed logs beside it."""
    return diagnose_direction(*shop(direction=direction), seed=1)


@given(ROWS)
def test_first_purchases_are_those_that_a_plain_count_finds(rows):
    first = of(rows)
    table = pd.DataFrame(rows, columns=["customer", "item", "day"], dtype="int64")
    days = table.groupby(["customer", "item"])["day"].min()
    assert sorted(first.day) == sorted(days)
    assert first.customers == table["customer"].nunique()
    assert first.items == table["item"].nunique()
    assert np.array_equal(np.lexsort((first.item, first.day, first.customer)), np.arange(len(first.item)))
    assert (first.age >= 0).all()


@given(ROWS, st.integers(1, 200))
def test_followers_are_counted_as_pairs(rows, within):
    first = of(rows)
    expected = [
        sum(
            first.customer[i] == first.customer[j] and 0 < first.day[j] - first.day[i] <= within
            for j in range(len(first.day))
        )
        for i in range(len(first.day))
    ]
    assert first.followers(within).tolist() == expected


def test_the_most_bought_items_stay_and_whole_customers_are_drawn():
    purchases, _ = shop(direction=False)
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    first = FirstPurchases.of(purchases["customer"], purchases["product"], day)
    few = first.most_bought(20)
    assert few.items == 20
    assert np.bincount(few.item).min() >= np.sort(np.bincount(first.item))[-20]
    drawn = first.sample(200_000, 90, 1)
    assert 200_000 <= drawn.followers(90).sum() < 210_000
    assert drawn.customers < first.customers
    assert first.sample(10**9, 90, 1).customers == first.customers


def test_a_shuffle_keeps_each_customers_items_and_days_and_every_season():
    purchases, _ = shop(direction=True)
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    first = FirstPurchases.of(purchases["customer"], purchases["product"], day)
    seasons = fit_seasons(first)
    dealt = shuffle_days(first, seasons, 5)
    assert not np.array_equal(dealt.item, first.item)
    pairs = [np.unique(each.customer * 1000 + each.item) for each in (first, dealt)]
    assert np.array_equal(*pairs)
    # Seasons fitted to the shuffled log are those it was dealt by.
    assert np.corrcoef(fit_seasons(dealt).rate.ravel(), seasons.rate.ravel())[0, 1] > 0.8
    order = measure_order(dealt, fit_seasons(dealt), 90)
    assert abs(order.agreement) < 5 * order.error


def test_a_planted_order_is_found_and_named():
    answer = answer_of(direction=True)
    assert answer.yes
    assert 0.015 < answer.low < answer.effect < answer.high
    assert answer.sentence.startswith("Order matters")
    assert answer.figures["products_ordered_pairs"] > answer.figures["products_shuffled_pairs"]


def test_season_and_frequency_alone_are_no_order_though_many_pairs_have_one():
    answer = answer_of(direction=False)
    assert not answer.yes
    assert answer.figures["products_raw_pairs"] > 300
    assert answer.figures["products_ordered_pairs"] <= 1
    assert "lean on `goes_with`" in answer.consequence


@pytest.mark.parametrize("direction", [True, False])
def test_turning_time_round_flips_nothing_of_the_verdict(direction):
    purchases, products = shop(direction=direction)
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    first = FirstPurchases.of(purchases["customer"], purchases["product"], day)
    moment = first.day.max() + first.day.min() - first.day
    back = pd.DataFrame(
        {
            "customer": first.customer,
            "product": first.item,
            "purchased_at": moment.astype("datetime64[D]").astype("datetime64[us]"),
        }
    )
    assert answer_of(direction=direction).yes == diagnose_direction(back, products, 1).yes == direction


def test_the_same_log_gives_the_same_answer():
    # Made anew, so that nothing is shared but the seed.
    made = make_shop(World(direction=True, delay=False, doubt=False), 3)
    assert diagnose_direction(made.purchases, made.products, seed=1) == answer_of(direction=True)


@pytest.mark.parametrize("customers", [0, 1, 3, 40])
def test_a_log_that_is_too_small_gives_no_order_rather_than_an_error(customers):
    purchases, products = shop(direction=True)
    answer = diagnose_direction(purchases[purchases["customer"] < customers], products, 1)
    assert not answer.yes
    assert answer.p_value > 0.01


def test_products_without_categories_are_asked_at_product_level_alone():
    purchases, products = shop(direction=True)
    answer = diagnose_direction(purchases, products.assign(category=None), 1)
    assert answer.yes
    assert not any(name.startswith("types") for name in answer.figures)
