"""A pair that one customer accounts for is found by hand and by kernel alike, and stands on no list of complements."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import DAYS, START, TYPE, as_purchases, fit, make_purchases, model_of
from onward.ranking import relations
from onward.ranking.customer_habits import CustomerHabits
from onward.ranking.related_lists import ListSettings, related_lists
from onward.ranking.relations import count_baskets
from onward.ranking.shopping import read_shopping

PRODUCTS = 5
ONE, OTHER = 15, 21
logs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 14), st.integers(0, PRODUCTS - 1)), max_size=60)
left_out = st.sets(st.integers(0, PRODUCTS - 1), max_size=2)


def habits_of(rows, candidates):
    shopping = read_shopping(as_purchases(rows), PRODUCTS, START + timedelta(days=100), 0)
    codes = np.full(PRODUCTS, -1)
    codes[candidates] = np.arange(len(candidates))
    together = count_baskets(shopping.baskets, codes, 1.0).observed
    return CustomerHabits.of(shopping.baskets, shopping.basket_customer, together, candidates)


@settings(max_examples=60)
@given(logs, left_out)
def test_habits_are_those_found_by_hand(rows, without):
    candidates = np.array([each for each in range(PRODUCTS) if each not in without])
    baskets = {}
    for customer, day, product in rows:
        baskets.setdefault((customer, day), set()).add(product)
    by_customer = Counter(
        (pair, customer) for (customer, _), held in baskets.items() for pair in combinations(sorted(held), 2)
    )
    expected = set()
    for pair in {pair for pair, _ in by_customer}:
        counts = [count for (of, _), count in by_customer.items() if of == pair]
        if set(pair) <= set(candidates.tolist()) and sum(counts) >= 3 and 3 * max(counts) > 2 * sum(counts):
            expected.add(pair)
    found = habits_of(rows, candidates)
    u, v = (each.ravel() for each in np.indices((PRODUCTS, PRODUCTS)))
    held = {(int(a), int(b)) for a, b in zip(u[found.hold(u, v)], v[found.hold(u, v)], strict=True)}
    assert held == expected | {(b, a) for a, b in expected}


def test_a_shop_without_baskets_has_no_habit():
    nothing = CustomerHabits.of(
        sp.csr_matrix((0, PRODUCTS)), np.zeros(0, np.int64), sp.csr_matrix((2, 2)), np.array([1, 3])
    )
    assert not nothing.hold(np.array([1, 3]), np.array([3, 1])).any()
    assert nothing.hold(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0,)


@pytest.fixture(scope="module")
def habitual():
    """With a customer who buys ONE and OTHER every other day, as nobody else does."""
    weekly = as_purchases([(1, day, product) for day in range(0, DAYS, 2) for product in (ONE, OTHER)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return model_of(fit(pd.concat([make_purchases(0, 60), weekly], ignore_index=True)))


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("directed", [True, False])
def test_a_habit_stands_on_no_list_though_it_looks_related(habitual, weight, directed):
    assert TYPE[ONE] != TYPE[OTHER]
    evidence, both = habitual.evidence, np.array([ONE, OTHER])
    assert evidence.habits.hold(both, both[::-1]).all()
    setting = ListSettings(6, weight, directed)
    table = related_lists(habitual, both, setting)
    assert not evidence.habits.hold(table["product"].to_numpy(np.int64), table["other"].to_numpy(np.int64)).any()
    listed_too = replace(evidence, habits=replace(evidence.habits, pair=np.zeros(0, np.int64)))
    unguarded = related_lists(replace(habitual, evidence=listed_too), both, setting)
    assert OTHER in unguarded[(unguarded["product"] == ONE) & (unguarded["list"] == "goes_with")]["other"].tolist()
