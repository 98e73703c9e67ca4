"""Popularity of now: shares over candidates, backed by the whole log."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import START, as_purchases
from onward.ranking.popularity import recent_popularity
from onward.ranking.shopping import read_shopping

logs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 4)), max_size=40)


def popularity_of(rows, candidates, recent_days, prior, fresh_days=0):
    shopping = read_shopping(as_purchases(rows), 5, START + timedelta(days=100), fresh_days)
    return recent_popularity(shopping, np.array(candidates), recent_days, prior)


@settings(max_examples=40)
@given(logs, st.sets(st.integers(0, 4), min_size=1).map(sorted), st.integers(1, 30), st.floats(0.1, 1e6))
def test_shares_sum_to_one_over_candidates_and_leave_no_candidate_out(rows, candidates, recent_days, prior):
    found = popularity_of(rows, candidates, recent_days, prior, fresh_days=3)
    others = np.setdiff1d(np.arange(5), candidates)
    for share in (found.cooccurrence, found.after):
        assert share.sum() == pytest.approx(1.0)
        assert (share[candidates] > 0).all()
        assert (share[others] == 0).all()
    assert np.isfinite(found.trend).all()
    assert (found.trend[others] == 0).all()


def test_what_sells_now_counts_for_more_than_what_sold():
    rows = [(customer, 2 * day, 0) for customer in range(3) for day in range(10)]
    rows += [(customer, 30 + 2 * day, 1) for customer in range(3) for day in range(10)]
    now = popularity_of(rows, [0, 1], recent_days=10, prior=5.0)
    assert now.cooccurrence[1] > 2 * now.cooccurrence[0]
    assert now.trend[1] > 0 > now.trend[0]
    ever = popularity_of(rows, [0, 1], recent_days=10, prior=1e9)
    assert ever.cooccurrence == pytest.approx([0.5, 0.5, 0, 0, 0], abs=1e-6)
    assert ever.trend == pytest.approx(np.zeros(5), abs=1e-6)


def test_a_product_bought_day_by_day_is_popular_and_yet_seldom_new():
    rows = [(customer, day, 0) for customer in range(3) for day in range(40)]
    rows += [(customer, 9 * day + 4, 1 + day % 2) for customer in range(3) for day in range(4)]
    found = popularity_of(rows, [0, 1, 2], recent_days=40, prior=1.0, fresh_days=5)
    assert found.cooccurrence.argmax() == 0
    assert found.after[0] < 0.1
