"""Pairs and their supports: what is held out, what is drawn, and the graph that they make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from onward.errors import DataError
from onward.graph.pair_support import PairSupport, graph_of_pairs

PRODUCTS = 9
ENDS = st.tuples(st.integers(0, PRODUCTS - 1), st.integers(0, PRODUCTS - 1)).filter(lambda pair: pair[0] != pair[1])
COUNTED = st.dictionaries(ENDS, st.integers(1, 50), min_size=3, max_size=40)


def pairs_of(counted):
    ends = np.array(list(counted), dtype=np.int64).reshape(-1, 2)
    return PairSupport(ends[:, 0], ends[:, 1], np.array(list(counted.values()), dtype=np.float64))


def counted_of(pairs):
    return dict(
        zip(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True), pairs.support.tolist(), strict=True)
    )


@settings(max_examples=60)
@given(COUNTED, st.integers(0, 99))
def test_a_split_loses_no_pair_and_holds_a_pair_and_its_turn_together(counted, seed):
    held_out, learnt = (counted_of(half) for half in pairs_of(counted).split(0.25, 10**6, seed))
    assert held_out | learnt == counted
    assert not held_out.keys() & learnt.keys()
    assert not {(v, u) for u, v in held_out} & learnt.keys()
    wanted = round(0.25 * len(counted))
    assert wanted <= len(held_out) <= 2 * wanted


def test_no_more_is_held_out_than_asked_and_one_seed_is_one_split():
    pairs = pairs_of({(0, v): 1 for v in range(1, 100)})
    halves = [pairs.split(0.5, 7, seed)[0] for seed in (1, 1, 2)]
    assert [len(each.source) for each in halves] == [7, 7, 7]
    assert counted_of(halves[0]) == counted_of(halves[1]) != counted_of(halves[2])


def test_what_is_held_out_is_drawn_by_support():
    counted = {(0, 1): 1, (2, 3): 4, (4, 5): 10, (6, 7): 25}
    pairs, draws = pairs_of(counted), 3000
    held_out = [counted_of(pairs.split(0.25, 1, seed)[0]) for seed in range(draws)]
    found = [sum(pair in each for each in held_out) for pair in counted]
    assert chisquare(found, draws * pairs.support / pairs.support.sum()).pvalue > 1e-4


def test_pairs_are_drawn_by_support():
    pairs = pairs_of({(3, 1): 1, (1, 3): 4, (2, 3): 10, (3, 2): 0.5})
    source, target = pairs.draw(40_000, np.random.default_rng(3))
    found = [((source == u) & (target == v)).sum() for u, v in counted_of(pairs)]
    assert sum(found) == 40_000
    assert chisquare(found, 40_000 * pairs.support / pairs.support.sum()).pvalue > 1e-4


@pytest.mark.parametrize("count", [0, 1, 24])
def test_too_few_pairs_to_hold_any_out_are_one_clear_line(count):
    with pytest.raises(DataError, match=rf"encoder: {count} pairs .*min_support") as refused:
        pairs_of({(0, v): 1 for v in range(1, count + 1)}).split(0.02, 5000, seed=1)
    assert "\n" not in str(refused.value)


def test_a_split_that_leaves_nothing_to_learn_from_is_said():
    with pytest.raises(DataError, match=r"none of 2 pairs to learn from; lower encoder\.held_out_pairs"):
        pairs_of({(0, 1): 1, (1, 0): 1}).split(0.5, 5000, seed=1)


@given(COUNTED, COUNTED)
def test_the_graph_of_relations_has_every_pair_once_with_supports_added(one, other):
    graph = graph_of_pairs(PRODUCTS, pairs_of(one), pairs_of(other))
    assert graph.products == PRODUCTS
    found = zip(zip(graph.sources.tolist(), graph.out_targets.tolist(), strict=True), graph.support, strict=True)
    assert dict(found) == {pair: one.get(pair, 0) + other.get(pair, 0) for pair in one | other}
