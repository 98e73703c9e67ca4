"""Scores for nodes without edges: on a world where attributes decide, they find what no edge tells."""

import numpy as np
import pytest

from benchmarks.direction.cold_scores import AlikePopular, AttributeTowers, DropoutNet, ReachedAlike
from onward.ranking.directed_graph import DirectedGraph

GROUPS, OF_EACH = 6, 20
NODES = GROUPS * OF_EACH
GROUP = np.arange(NODES) % GROUPS
COLD = np.arange(NODES - GROUPS, NODES)


@pytest.fixture(scope="module")
def graph():
    """Each group leads to the next, and no edge touches the last node of a group."""
    generator = np.random.default_rng(4)
    attributes = np.eye(GROUPS, dtype=np.float32)[GROUP] + 0.1 * generator.random((NODES, GROUPS)).astype(np.float32)
    attributes /= np.linalg.norm(attributes, axis=1, keepdims=True)
    u, v = generator.integers(0, NODES - GROUPS, (2, 6000))
    leads = (GROUP[u] + 1) % GROUPS == GROUP[v]
    edges = np.unique(np.stack([u[leads], v[leads]], axis=1), axis=0)
    return DirectedGraph.from_edges(edges, NODES, attributes)


@pytest.mark.parametrize(
    "score",
    [ReachedAlike(10, 0), ReachedAlike(10, 1), AttributeTowers(), DropoutNet(rank=8)],
    ids=lambda each: str(each),
)
def test_a_node_without_edges_is_found_by_its_attributes(graph, score):
    sources = np.arange(NODES - GROUPS)
    of_cold = score.fit(graph)(sources)[:, COLD]
    assert (GROUP[COLD][of_cold.argmax(axis=1)] == (GROUP[sources] + 1) % GROUPS).mean() > 0.9


def test_popularity_of_the_alike_is_that_of_the_group():
    """Group 0 has all the edges: only its own cold node is expected to be popular."""
    edges = np.stack([np.arange(GROUPS, NODES - GROUPS, GROUPS), np.arange(0, NODES - 2 * GROUPS, GROUPS)], axis=1)
    graph = DirectedGraph.from_edges(edges, NODES, np.eye(GROUPS, dtype=np.float32)[GROUP])
    likely = AlikePopular(10).fit(graph)(np.array([3]))[0, COLD]
    assert likely.argmax() == int(np.flatnonzero(GROUP[COLD] == 0)[0])
    assert (np.delete(likely, likely.argmax()) == 0.0).all()
