"""The graph's arrays agree with the table of edges they were built from."""

import numpy as np
import pandas as pd
import pytest

from onward.errors import DataError
from onward.graph.pair_features import COUNT_FEATURES, count_columns
from onward.graph.product_graph import EDGE_COLUMNS, NODE_COLUMNS, ProductGraph


def edge_table(pairs):
    return pd.DataFrame(
        {
            "source": [u for u, _ in pairs],
            "target": [v for _, v in pairs],
            "support": np.arange(3.0, 3.0 + len(pairs)),
            "reverse_support": np.arange(len(pairs), dtype=float),
            "expected": 1.0,
            "score": np.arange(len(pairs)) / 10.0,
        }
    )


NODES = pd.DataFrame({"product": [0, 1, 3], "customers": [10, 20, 30], "fresh_customers": [1, 2, 3]})


@pytest.fixture
def graph():
    return ProductGraph.from_tables(5, edge_table([(3, 1), (0, 1), (0, 3), (1, 0)]), NODES)


def test_both_directions_list_the_same_edges(graph):
    forwards = set(zip(graph.sources.tolist(), graph.out_targets.tolist(), strict=True))
    targets = np.repeat(np.arange(5), graph.in_degrees)
    backwards = set(zip(graph.in_sources.tolist(), targets.tolist(), strict=True))
    assert forwards == backwards == {(3, 1), (0, 1), (0, 3), (1, 0)}
    assert (graph.sources[graph.in_edges] == graph.in_sources).all()
    assert (graph.out_targets[graph.in_edges] == targets).all()


def test_products_without_edges_or_counts_keep_a_row(graph):
    assert graph.products == 5
    assert graph.connected.tolist() == [True, True, False, True, False]
    assert graph.customers.tolist() == [10, 20, 0, 30, 0]
    assert graph.out_degrees.tolist() == [2, 1, 0, 1, 0]
    assert graph.in_degrees.tolist() == [1, 2, 0, 1, 0]


def test_per_edge_values_follow_their_edge(graph):
    number = graph.find_edges(np.array([3, 0, 1, 2]), np.array([1, 1, 0, 2]))
    assert graph.support[number[:3]].tolist() == [3.0, 4.0, 6.0]
    assert number[3] == -1


def test_tables_round_trip(graph):
    again = ProductGraph.from_tables(5, graph.edge_table(), graph.node_table())
    assert tuple(graph.edge_table().columns) == EDGE_COLUMNS
    assert tuple(graph.node_table().columns) == NODE_COLUMNS
    assert again.edge_table().equals(graph.edge_table())
    assert again.node_table().equals(graph.node_table())


def test_removing_edges_removes_them_both_ways(graph):
    smaller = graph.without_edges(graph.find_edges(np.array([0]), np.array([1])))
    assert smaller.edges == 3
    assert smaller.find_edges(np.array([0]), np.array([1])).tolist() == [-1]
    assert smaller.in_degrees.tolist() == [1, 1, 0, 1, 0]
    assert smaller.customers.tolist() == graph.customers.tolist()


def test_an_empty_graph_finds_nothing():
    empty = ProductGraph.from_tables(3, edge_table([]), NODES.head(2))
    assert empty.find_edges(np.array([0]), np.array([1])).tolist() == [-1]
    assert np.isnan(count_columns(empty, np.array([0]), np.array([1]))["count_score"][0])


@pytest.mark.parametrize(
    ("edges", "nodes", "message"),
    [
        ([(0, 5)], NODES, "1 values of target"),
        ([(-1, 0)], NODES, "1 values of source"),
        ([(0, 1), (0, 1)], NODES, "1 pairs come twice"),
        ([], NODES.assign(product=[0, 1, 9]), "1 values of product"),
    ],
)
def test_tables_that_do_not_fit_are_refused(edges, nodes, message):
    with pytest.raises(DataError, match=message):
        ProductGraph.from_tables(5, edge_table(edges), nodes)


def test_pair_features_take_support_from_whichever_edge_is_there(graph):
    frame = pd.DataFrame(count_columns(graph, np.array([0, 1, 1, 2]), np.array([1, 0, 3, 4])))
    assert tuple(frame.columns) == COUNT_FEATURES
    assert (frame.dtypes == np.float32).all()
    assert frame["count_support"].tolist() == [4.0, 6.0, 0.0, 0.0]  # 1 -> 3 is known as the reverse of 3 -> 1
    assert frame["count_reverse_support"].tolist() == [6.0, 4.0, 3.0, 0.0]
    assert frame["count_score"].isna().tolist() == [False, False, True, True]
    assert frame["count_reverse_score"].isna().tolist() == [False, False, False, True]
    assert frame["count_log_asymmetry"].iloc[0] == pytest.approx(np.log(5 / 7))
    assert frame["count_log_asymmetry"].iloc[0] == -frame["count_log_asymmetry"].iloc[1]
    assert frame["count_confidence"].iloc[0] == pytest.approx(4 / 15)
    assert frame["count_target_customers"].tolist() == [20.0, 10.0, 30.0, 0.0]
