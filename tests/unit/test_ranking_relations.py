"""Counts of pairs against a brute force, and shrinkage that lets thin products speak through their type."""

from datetime import timedelta

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import COMPLEMENTS, START, TYPE, as_purchases, gathered, make_purchases
from onward.ranking import relations
from onward.ranking.relations import PairCounts, Relation, count_baskets, count_following, pairs_of_visits
from onward.ranking.shopping import read_shopping

PRODUCTS = 5
logs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14), st.integers(0, PRODUCTS - 1)), max_size=40)
coded = st.lists(st.integers(-1, 3), min_size=PRODUCTS, max_size=PRODUCTS).map(np.array)


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        yield


def shop_of(rows, fresh_days=0):
    return read_shopping(as_purchases(rows), PRODUCTS, START + timedelta(days=100), fresh_days)


def rows_of(matrix):
    return [set(matrix[row].indices.tolist()) for row in range(matrix.shape[0])]


def held(products, codes, code):
    return [product for product in products if codes[product] == code]


@settings(max_examples=40)
@given(logs, coded, st.integers(1, 3))
def test_baskets_are_counted_as_by_hand(rows, codes, least):
    shopping = shop_of(rows)
    counts, baskets = count_baskets(shopping.baskets, codes, least), rows_of(shopping.baskets)
    size = max(codes.max() + 1, 1)
    expected = np.zeros((size, size))
    for basket in baskets:
        for one in range(size):
            for other in range(size):
                # A type is in a basket with itself when two of its products are.
                needed = 2 if one == other else 1
                both = held(basket, codes, one) and len(held(basket, codes, other)) >= needed
                expected[one, other] += bool(both)
    margin = [sum(bool(held(basket, codes, code)) for basket in baskets) for code in range(size)]
    np.testing.assert_array_equal(counts.observed.toarray(), np.where(expected < least, 0, expected))
    assert counts.left.tolist() == counts.right.tolist() == margin
    assert counts.trials == len(baskets)
    assert counts.observed.has_sorted_indices
    assert (counts.observed.data > 0).all()


@settings(max_examples=40)
@given(logs, coded, st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.integers(0, 6))
def test_what_followed_is_counted_as_by_hand(rows, codes, least, most_visits, most_days, fresh_days):
    shopping = shop_of(rows, fresh_days)
    earlier, later = pairs_of_visits(shopping.visit_customer, shopping.visit_day, most_visits, most_days)
    counts = count_following(shopping.visits[earlier], shopping.fresh[later], codes, least)
    size = max(codes.max() + 1, 1)
    expected, left, right, pairs = np.zeros((size, size)), np.zeros(size), np.zeros(size), 0
    visits, fresh = rows_of(shopping.visits), rows_of(shopping.fresh)
    for customer in range(3):
        mine = np.flatnonzero(shopping.visit_customer == customer)
        for place, first in enumerate(mine):
            for second in mine[place + 1 : place + 1 + most_visits]:
                if shopping.visit_day[second] - shopping.visit_day[first] > most_days:
                    continue
                pairs += 1
                before, after = (
                    np.array([bool(held(products, codes, code)) for code in range(size)])
                    for products in (visits[first], fresh[second])
                )
                expected += np.outer(before, after)
                left, right = left + before, right + after
    np.testing.assert_array_equal(counts.observed.toarray(), np.where(expected < least, 0, expected))
    assert (counts.left.tolist(), counts.right.tolist(), counts.trials) == (left.tolist(), right.tolist(), pairs)


def test_the_next_visit_is_the_one_after_and_no_other():
    earlier, later = pairs_of_visits(np.array([1, 1, 1, 2, 2]), np.array([0, 3, 50, 4, 34]), 1, 30)
    assert [*zip(earlier, later, strict=True)] == [(0, 1), (3, 4)]
    for empty in pairs_of_visits(np.zeros(0, np.int64), np.zeros(0, np.int64), 3, 30):
        assert len(empty) == 0


def make_relation(seed=0):
    """Two levels over six products, one of which has no code at either."""
    rng = np.random.default_rng(seed)
    codes = (np.array([0, 0, 1, 1, 2, -1]), np.array([0, 1, 2, 3, -1, -1]))
    counts = []
    for size in (3, 4):
        observed = sp.csr_matrix(rng.integers(0, 4, (size, size)).astype(np.float32))
        counts.append(PairCounts(observed, rng.integers(1, 9, size) * 1.0, rng.integers(1, 9, size) * 1.0, 20.0))
    return Relation(codes, tuple(counts), (2.0, 5.0))


@given(st.integers(0, 50))
@settings(max_examples=10)
def test_whole_rows_say_what_pairs_say(seed):
    relation, everyone = make_relation(seed), np.arange(6)
    rows = relation.rows(everyone, everyone[::-1])
    pairs = relation.lifts(np.repeat(everyone, 6), np.tile(everyone[::-1], 6))[-1]
    np.testing.assert_array_equal(rows, pairs.reshape(6, 6))


def test_each_level_is_the_posterior_mean_around_the_level_above():
    relation = make_relation()
    coarse, fine = (each[0] for each in relation.lifts(np.array([1]), np.array([2])))
    above, own = relation.counts
    assert coarse == pytest.approx((above.observed[0, 1] + 2.0) / (above.left[0] * above.right[1] / 20 + 2.0))
    expected = own.left[1] * own.right[2] / 20
    assert fine == pytest.approx((own.observed[1, 2] + 5.0 * coarse) / (expected + 5.0))


def test_a_product_without_counts_speaks_through_its_type_and_one_without_a_type_says_chance():
    relation = make_relation()
    coarse, fine = relation.lifts(np.array([4, 5, 0]), np.array([0, 0, 5]))
    assert fine[0] == coarse[0] != 1.0
    assert fine[1:].tolist() == coarse[1:].tolist() == [1.0, 1.0]


def test_types_that_go_together_lend_their_lift_to_products_never_seen_together():
    (left, right), *_ = COMPLEMENTS
    log = make_purchases(0, 60)
    u, v = np.flatnonzero(left == TYPE)[0], np.flatnonzero(right == TYPE)[0]
    both = log.groupby("order")["product"].transform(lambda of: {u, v} <= set(of)).to_numpy(bool)
    apart = log[~(both & (log["product"] == v).to_numpy())]
    together = gathered(apart).cooccurrence
    own = together.codes[-1]
    assert together.counts[-1].observed[own[u], own[v]] == 0
    _, of_types, of_products = (each[0] for each in together.lifts(np.array([u]), np.array([v])))
    assert of_types > 1.3
    assert 0 < of_products < of_types


def test_the_same_seed_fits_the_same_strengths():
    log = make_purchases(0, 40)
    one, two = (gathered(log) for _ in range(2))
    for name in ("cooccurrence", "after", "next_visit"):
        assert getattr(one, name).strengths == getattr(two, name).strengths
        assert len(getattr(one, name).strengths) == 3


def test_a_log_in_which_nothing_can_be_new_yet_is_counted_like_any_other():
    evidence = gathered(as_purchases([(customer, day, 0) for customer in range(9) for day in (0, 1)]), fresh_days=20)
    assert [counts.trials for counts in evidence.after.counts] == [9.0] * 3
    assert [counts.observed.nnz for counts in evidence.after.counts] == [0] * 3
    assert evidence.after.lifts(np.array([0]), np.array([1]))[-1] == pytest.approx(1.0)
