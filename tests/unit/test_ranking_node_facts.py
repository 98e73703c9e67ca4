"""What edges say of a node: heights against their defining equations, and columns against made graphs."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.node_facts import NODE_FACTS, node_facts, spring_rank


def drawn_graph(seed, nodes=30, share=0.15):
    chance = np.random.default_rng(seed).random((nodes, nodes))
    return DirectedGraph.from_edges(np.argwhere(chance < share), nodes)


@pytest.mark.parametrize("pull", [0.01, 2.0])
def test_heights_minimise_what_they_promise(pull):
    drawn = np.random.default_rng(1).random((2, 12, 12))
    weights = sp.csr_matrix(drawn[0] * (drawn[1] < 0.3))
    heights, (row, column) = spring_rank(weights, pull), weights.nonzero()
    # The same least squares, written as one row an edge and one a node.
    root = np.sqrt(np.asarray(weights[row, column]).ravel())
    edges = np.zeros((len(row), 12))
    edges[np.arange(len(row)), column] += root
    edges[np.arange(len(row)), row] -= root
    asked = np.vstack([edges, np.sqrt(pull) * np.eye(12)])
    expected = np.linalg.lstsq(asked, np.r_[root, np.zeros(12)], rcond=None)[0]
    assert heights == pytest.approx(expected, abs=1e-6)


def test_heights_that_cannot_be_found_are_refused():
    with pytest.raises(DataError, match="raise pull"):
        spring_rank(sp.csr_matrix(np.array([[0.0, np.nan], [0.0, 0.0]])), 0.1)


def test_facts_of_a_made_graph():
    # 0 <-> 1, and 0 -> 2, 3 -> 2.
    facts = node_facts(DirectedGraph.from_edges(np.array([[0, 1], [1, 0], [0, 2], [3, 2]]), 4))
    column = {name: facts[:, number].tolist() for number, name in enumerate(NODE_FACTS)}
    assert column["in-degree"] == [1, 1, 2, 0]
    assert column["out-degree"] == [2, 1, 0, 1]
    assert column["edges returned"] == [1, 1, 0, 0]
    assert column["share of out-edges returned"] == [0.5, 1, 0, 0]
    assert column["mean log in-degree of targets"] == pytest.approx([np.log([2, 3]).mean(), np.log(2), 0, np.log(3)])
    assert column["mean log in-degree of one-way targets"] == pytest.approx([np.log(3), 0, 0, np.log(3)])
    assert np.argmax(column["SpringRank, pull 0.01"]) == np.argmax(column["PageRank"]) == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_reversing_every_edge_turns_heights_and_swaps_roles(seed):
    graph = drawn_graph(seed)
    back = graph.with_edges(graph.edges[:, ::-1])
    there, reversed_ = (dict(zip(NODE_FACTS, node_facts(each).T, strict=True)) for each in (graph, back))
    assert reversed_["in-degree"] == pytest.approx(there["out-degree"])
    assert reversed_["PageRank"] == pytest.approx(there["PageRank of reversed edges"], abs=1e-5)
    for way in ("", "one-way "):
        found, same = reversed_[f"mean log in-degree of {way}targets"], there[f"mean log out-degree of {way}sources"]
        assert found == pytest.approx(same, abs=1e-5)
    for name in (name for name in NODE_FACTS if name.startswith("SpringRank")):
        assert reversed_[name] == pytest.approx(-there[name], abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_relabelling_changes_no_fact(seed):
    graph = drawn_graph(seed)
    new = np.random.default_rng(seed).permutation(graph.nodes)
    assert node_facts(graph.with_edges(new[graph.edges]))[new] == pytest.approx(node_facts(graph), abs=1e-4)
