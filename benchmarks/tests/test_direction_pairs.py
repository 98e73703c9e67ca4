import numpy as np
import pytest

from benchmarks.direction.direction_pairs import DirectionPairs, by_degree, direction_share, matched_weights, one_way
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_ranks import rank_links, rivals_of

KNOWN = DirectedGraph.from_edges(np.array([[0, 1], [0, 2], [0, 3], [4, 0], [1, 0]]), 6)
RIVALS = rivals_of(KNOWN)


def fixed(table):
    return lambda sources: np.array(table, dtype=np.float64)[sources]


def test_one_way_edges_have_no_reverse_in_the_data():
    assert one_way(KNOWN.edges, KNOWN).tolist() == [False, True, True, False, True]


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_matched_by_degrees_the_degrees_say_nothing_about_direction(width):
    generator = np.random.default_rng(0)
    into, out = generator.normal(0.8, 1.0, 4000), generator.normal(-0.5, 1.0, 4000)
    weights = matched_weights([into, out], width)
    for cells in (np.rint(into / width), np.rint(out / width), np.rint(into / width) - 2 * np.rint(out / width)):
        right = (cells > 0) + 0.5 * (cells == 0)
        assert np.average(right, weights=weights) == pytest.approx(0.5)


def test_matching_one_degree_leaves_the_other_telling():
    generator = np.random.default_rng(0)
    into, out = generator.normal(0.8, 1.0, 4000), generator.normal(-0.5, 1.0, 4000)
    assert np.average(out < 0, weights=matched_weights([into], 0.25)) > 0.6


def test_direction_auc_of_degree_and_of_the_truth():
    generator = np.random.default_rng(2)
    # A hierarchy: earlier nodes are pointed at more often.
    pull = np.linspace(4, 1, 80) / 30
    edges = np.argwhere(generator.random((80, 80)) < pull[None, :])
    graph = DirectedGraph.from_edges(edges, 80)
    pairs = DirectionPairs.of(graph.edges, graph, graph)
    forward, reverse = (graph.in_degrees[pairs.pairs[:, side]].astype(float) for side in (1, 0))
    degree = pairs.auc(forward, reverse, 50, 0)
    assert degree["raw"].value > 0.6
    assert degree["in matched"].value == pytest.approx(0.5, abs=0.06)
    truth = pairs.auc(np.ones(len(forward)), np.zeros(len(forward)), 50, 0)
    assert {name: found.value for name, found in truth.items()} == {"raw": 1, "in matched": 1, "both matched": 1}


def test_degree_buckets_hold_about_as_many_pairs_each():
    ranks = rank_links(fixed(KNOWN.adjacency.toarray()), KNOWN.edges, RIVALS)
    found = by_degree(ranks, np.array([1, 2, 3, 4, 5]), "hr@10", 2)
    assert found == [(1, 2, 1.0), (3, 5, 1.0)]


def test_direction_is_right_half_or_wrong():
    assert direction_share(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist() == [1.0, 0.5, 0.0]
