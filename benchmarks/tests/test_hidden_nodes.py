"""Hidden nodes are hidden: what is asked stays out at any number of edges given back, and every edge has one place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.direction.hidden_nodes import HiddenNodes

NODES = 40


def make(seed, share=0.5, most=10**6):
    generator = np.random.default_rng(seed)
    edges = np.unique(generator.integers(0, NODES, (400, 2)), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    hidden = generator.permutation(NODES)[:8]
    return edges, hidden, HiddenNodes.of(edges, NODES, hidden, share, most, generator)


def as_set(edges):
    return set(map(tuple, edges.tolist()))


@given(st.integers(0, 10**6))
def test_every_edge_is_shown_asked_or_given_back_or_lies_between_hidden_nodes(seed):
    edges, hidden, nodes = make(seed)
    between = as_set(edges[np.isin(edges, hidden).all(axis=1)])
    parts = [as_set(each) for each in (nodes.shown, nodes.asked, nodes.others)]
    assert set.union(*parts, between) == as_set(edges)
    assert sum(map(len, parts)) + len(between) == len(edges)


@given(st.integers(0, 10**6))
def test_what_is_asked_is_never_given_back(seed):
    _, hidden, nodes = make(seed)
    assert np.isin(nodes.asked[:, 1], hidden).all()
    assert not np.isin(nodes.asked[:, 0], hidden).any()
    assert not np.isin(nodes.edges(0), hidden).any()
    assert not as_set(nodes.asked) & as_set(nodes.edges(10**6))


@pytest.mark.parametrize("revealed", [1, 2, 5])
def test_each_hidden_node_gets_back_so_many_edges_and_keeps_them(revealed):
    _, hidden, nodes = make(3)
    given_back = nodes.edges(revealed)
    for node in hidden:
        own = (given_back == node).any(axis=1).sum()
        assert own == min(revealed, (nodes.node == node).sum())
    assert as_set(nodes.edges(revealed - 1)) <= as_set(given_back)
    by_node = np.zeros(NODES, np.int64)
    by_node[hidden[0]] = revealed
    assert as_set(nodes.edges(by_node)) - as_set(nodes.shown) == as_set(
        given_back[(given_back == hidden[0]).any(axis=1)]
    )


def test_half_of_the_edges_into_a_hidden_node_are_asked_and_one_at_least():
    edges, hidden, nodes = make(5)
    for node in hidden:
        into = (edges[:, 1] == node) & ~np.isin(edges[:, 0], hidden)
        assert (nodes.asked[:, 1] == node).sum() == np.ceil(into.sum() / 2)
    assert len(make(5, most=7)[2].asked) == 7
