"""Figures of related lists against ones worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.evaluation.listing import NOTHING, best_first, complements
from onward.evaluation.related_quality import breaches, gains_of, intervals_of, judge_lists, list_once, variety
from onward.evaluation.related_queries import Answers
from onward.metrics.customer_bootstrap import CustomerBootstrap

CHANCE = np.array([0.4, 0.3, 0.2, 0.1])


def answers(pairs):
    query, product = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Answers(query, product)


def test_every_figure_of_three_queries_is_the_one_worked_out_by_hand():
    lists = np.array([[1, 2, 0], [0, 1, NOTHING], [3, 0, 1]])
    outcome = judge_lists(lists, answers([(0, 2), (0, 3), (1, 3)]), CHANCE, 3)
    log2, log3, log4 = np.log2([2, 3, 4])
    assert outcome.answered.tolist() == [1, 1, 0]
    assert outcome.hits.tolist() == [1, 0, 0]
    assert outcome.expected.tolist() == pytest.approx([2 * 0.9, 1 * 0.7, 0])
    assert outcome.hr.tolist() == [1, 0, 0]
    assert outcome.mrr.tolist() == [0.5, 0, 0]
    assert outcome.ndcg.tolist() == pytest.approx([(1 / log3) / (1 / log2 + 1 / log3), 0, 0])
    assert log4 == 2  # the third place was not needed: there are two answers

    found = intervals_of([outcome], CustomerBootstrap.of(np.array([7, 7, 8]), 20, 0))[0]
    assert found["hr"].value == 0.5  # of two queries: the third has no answer
    assert found["mrr"].value == 0.25
    assert found["lift"].value == pytest.approx(1 / 2.5)
    assert found["lift"].low == found["lift"].high  # customer 8 has nothing to say


def test_only_the_first_k_count_and_a_cut_beyond_the_list_counts_all_of_it():
    lists, wanted = np.array([[0, 1, 2]]), answers([(0, 2)])
    assert judge_lists(lists, wanted, CHANCE, 2).hits.tolist() == [0]
    assert judge_lists(lists, wanted, CHANCE, 3).hits.tolist() == [1]
    assert judge_lists(lists, wanted, CHANCE, 10).expected.tolist() == pytest.approx([0.9])
    assert judge_lists(lists, answers([(0, 0), (0, 1), (0, 2), (0, 3)]), CHANCE, 3).ndcg.tolist() == pytest.approx([1])


def test_lists_drawn_by_chance_have_a_lift_of_one():
    rng = np.random.default_rng(0)
    lists = rng.choice(4, (40_000, 1), p=CHANCE)
    wanted = answers(np.stack([np.arange(40_000), rng.choice(4, 40_000, p=CHANCE)], axis=1))
    found = intervals_of([judge_lists(lists, wanted, CHANCE, 1)], CustomerBootstrap.of(np.arange(40_000), 200, 0))
    assert found[0]["lift"].low < 1 < found[0]["lift"].high


def test_what_nobody_asks_has_no_figures():
    outcome = judge_lists(np.array([[0, 1]]), answers([]), CHANCE, 2)
    found = intervals_of([outcome], CustomerBootstrap.of(np.array([1]), 10, 0))[0]
    assert outcome.answered.tolist() == [0]
    assert all(np.isnan(interval.value) for interval in found.values())
    empty = judge_lists(np.full((1, 2), NOTHING), answers([(0, 1)]), CHANCE, 2)
    assert (empty.hits.tolist(), empty.expected.tolist(), empty.hr.tolist()) == ([0], [0], [0])


def test_a_method_gains_exactly_nothing_over_itself():
    rng = np.random.default_rng(1)
    lists = rng.permuted(np.tile(np.arange(4), (60, 1)), axis=1)
    outcome = judge_lists(lists, answers([(q, q % 4) for q in range(60)]), CHANCE, 2)
    gains = gains_of(outcome, outcome, CustomerBootstrap.of(np.arange(60) // 3, 100, 0))
    assert {(gain.value, gain.low, gain.high) for gain in gains.values()} == {(0.0, 0.0, 0.0)}


def test_a_gain_is_the_difference_of_both_figures():
    wanted, bootstrap = answers([(0, 2), (1, 3)]), CustomerBootstrap.of(np.array([1, 2]), 50, 0)
    good, poor = (judge_lists(np.array(lists), wanted, CHANCE, 1) for lists in ([[2], [3]], [[2], [0]]))
    gains = gains_of(good, poor, bootstrap)
    assert gains["hr"].value == 0.5
    assert gains["lift"].value == pytest.approx(2 / 0.3 - 1 / 0.6)


def test_the_best_come_first_and_equals_in_the_order_of_their_numbers():
    scores = np.array([[5.0, 1.0, 3.0, 3.0, 3.0, -np.inf]])
    lister = best_first(lambda sources: scores.repeat(len(sources), axis=0), 6, 3)
    assert lister(np.array([0])).tolist() == [[2, 3, 4]]  # never the source
    assert lister(np.array([2])).tolist() == [[0, 3, 4]]
    whole = best_first(lambda sources: scores.repeat(len(sources), axis=0), 6, 6)
    assert whole(np.array([0])).tolist() == [[2, 3, 4, 1, NOTHING, NOTHING]]  # nor what has no score


def test_complements_are_of_other_types_and_at_most_two_a_type():
    types = np.array([0, 0, 1, 1, 1, 2, 2])
    scores = np.array([[9.0, 8.0, 5.0, 6.0, 7.0, 1.0, 1.0]])
    lister = complements(lambda sources: scores.repeat(len(sources), axis=0), types, 4)
    assert lister(np.array([0])).tolist() == [[4, 3, 5, 6]]
    assert lister(np.array([5])).tolist() == [[0, 1, 4, 3]]
    assert breaches(lister(np.array([0, 5])), np.array([0, 5]), types) == 0
    assert breaches(np.array([[1, 2, 3, 4, NOTHING]]), np.array([0]), types) == 2


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30), st.integers(1, 8), st.integers(1, 3), st.data())
def test_one_walk_over_the_scores_lists_what_sorting_all_of_them_would(kinds, count, most, data):
    types = np.array(kinds)
    levels = st.sampled_from([-np.inf, 0.0, 1.0, 2.0, 3.0])
    scores = np.array(data.draw(st.lists(levels, min_size=len(kinds), max_size=len(kinds))))
    source = data.draw(st.integers(0, len(kinds) - 1))
    expected: list[int] = []
    for candidate in np.argsort(-scores, kind="stable"):
        full = sum(types[each] == types[candidate] for each in expected) >= most
        if types[candidate] != types[source] and not full and scores[candidate] > -np.inf:
            expected.append(int(candidate))
    expected = (expected + [NOTHING] * count)[:count]
    found = complements(lambda sources: scores[None].repeat(len(sources), axis=0), types, count, most)
    assert found(np.array([source])).tolist() == [expected]


def test_a_source_is_listed_once_however_often_it_is_asked_about():
    asked = []

    def lister(sources):
        asked.append(sources.tolist())
        return sources[:, None] * 10

    assert list_once(lister, np.array([3, 1, 3])).tolist() == [[30], [10], [30]]
    assert asked == [[1, 3]]


def test_variety_tells_the_share_of_the_catalogue_and_how_popular_it_is():
    popularity = np.array([10.0, 20.0, 20.0, 50.0])
    found = variety(np.array([[3, 1, 0], [3, 2, NOTHING]]), popularity, 2)
    assert found["coverage"] == 0.75
    assert found["popularity_percentile"] == pytest.approx((0.875 + 0.5 + 0.875 + 0.5) / 4)
    assert variety(np.full((1, 2), NOTHING), popularity, 2) == {"coverage": 0.0, "popularity_percentile": None}
