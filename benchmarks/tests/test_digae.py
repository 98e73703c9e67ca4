"""DiGAE as a baseline: it learns who leads to whom, and says what it lacks."""

import numpy as np
import pytest

from benchmarks.direction.digae import Digae
from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph

NODES = 60


def made_graph():
    """Three groups, each leading to the next; attributes name the group."""
    group = np.arange(NODES) % 3
    follows = group[None, :] == (group[:, None] + 1) % 3
    edges = np.argwhere(follows & (np.random.default_rng(0).random((NODES, NODES)) < 0.3))
    return DirectedGraph.from_edges(edges, NODES, np.eye(3, dtype=np.float32)[group]), follows


def test_unseen_followers_score_above_everybody_else_and_direction_is_known():
    graph, follows = made_graph()
    scores = Digae(hidden=16, dimension=8).fit(graph)(np.arange(NODES))
    unseen = follows & (graph.adjacency.toarray() == 0)
    assert scores[unseen].mean() > scores[~follows].max()
    assert (scores[unseen] > scores.T[unseen]).mean() > 0.95


def test_a_seed_fixes_it():
    graph, _ = made_graph()
    setting = Digae(hidden=4, dimension=4, steps=1)
    assert np.array_equal(setting.fit(graph)(np.arange(NODES)), setting.fit(graph)(np.arange(NODES)))


def test_without_attributes_or_edges_it_says_so():
    graph, _ = made_graph()
    for broken in (DirectedGraph(graph.adjacency, graph.baskets), graph.with_edges(graph.edges[:0])):
        with pytest.raises(DataError, match="needs edges and attributes"):
            Digae().fit(broken)
