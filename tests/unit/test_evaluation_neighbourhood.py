"""The picture of the directed graph shows pairs whose order is no coin's, and never one name twice."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.reporting.neighbourhood import one_way_neighbourhoods

PRODUCTS = 12
NAMES = [f"product {number}" for number in range(PRODUCTS)]


def graph(rows):
    return pd.DataFrame(rows, columns=["source", "target", "support", "reverse_support"])


def test_the_product_between_two_sure_pairs_is_drawn_with_both():
    found = one_way_neighbourhoods(graph([(0, 1, 40, 3), (1, 2, 20, 4), (2, 1, 4, 20), (3, 4, 3, 0)]), NAMES)
    assert [each.name for each in found] == ["product 1"]
    assert [(each.name, each.so, each.reversed) for each in found[0].before] == [("product 0", 40, 3)]
    assert [(each.name, each.so, each.reversed) for each in found[0].after] == [("product 2", 20, 4)]


def test_an_order_that_is_missing_may_have_one_customer_less_than_the_graph_counts():
    found = one_way_neighbourhoods(graph([(0, 1, 30, 0), (1, 2, 30, 0), (3, 4, 5, 0)]), NAMES)
    assert [each.reversed for each in (*found[0].before, *found[0].after)] == [4, 4]


@pytest.mark.parametrize("support", [(10, 8), (3, 0), (5, 5)])
def test_an_order_that_a_coin_could_give_is_not_drawn(support):
    assert one_way_neighbourhoods(graph([(0, 1, 40, 3), (1, 2, *support), (5, 6, 3, 0)]), NAMES) == ()


def test_a_graph_without_edges_has_nothing_to_draw():
    assert one_way_neighbourhoods(graph([]).astype(np.int64), NAMES) == ()


def test_products_of_one_name_do_not_stand_side_by_side():
    edges = graph([(0, 1, 40, 3), (1, 2, 40, 3), (5, 6, 3, 0)])
    assert one_way_neighbourhoods(edges, ["same", "same", *NAMES[2:]]) == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, PRODUCTS - 1)] * 2, st.integers(3, 60)), max_size=60), st.data())
def test_no_name_comes_twice_and_reversing_the_graph_mirrors_each_picture(drawn, data):
    pairs = {(u, v): support for u, v, support in drawn if u != v}
    rows = [(u, v, support, pairs.get((v, u), 0)) for (u, v), support in sorted(pairs.items())]
    found = one_way_neighbourhoods(graph(rows).astype(np.int64), NAMES)
    names = [name for each in found for name in (each.name, *(n.name for n in (*each.before, *each.after)))]
    assert len(names) == len(set(names))
    for each in found:
        assert each.before
        assert each.after
        assert all(n.so > n.reversed for n in (*each.before, *each.after))
    mirrored = one_way_neighbourhoods(graph([(v, u, s, r) for u, v, s, r in rows]).astype(np.int64), NAMES)
    # Ties may be broken otherwise, but what is surest is as sure in the mirror.
    assert bool(found) == bool(mirrored)
