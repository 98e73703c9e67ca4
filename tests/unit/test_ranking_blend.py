from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from onward.errors import DataError
from onward.metrics.ranking import share_below
from onward.ranking.blend import Blend, BlendSettings, PairRows, fit_scores, pair_features
from onward.ranking.directed_graph import DirectedGraph, attribute_vectors
from onward.ranking.link_folds import cross_fit, draw_absent, hold_out
from onward.ranking.link_scores import GRIDS

SCORES = {repr(setting): setting for grid in GRIDS.values() for setting in grid}
QUICK = BlendSettings(iterations=40, bags=1, min_rows_in_leaf=5)


def planted_graph(seed=0, nodes=60):
    """Two groups, the first leading to the second; attributes tell the group."""
    generator = np.random.default_rng(seed)
    group = np.arange(nodes) < nodes // 2
    chance = np.where(group[:, None] & ~group[None, :], 0.5, 0.02)
    edges = np.argwhere(generator.random((nodes, nodes)) < chance)
    words = generator.random((nodes, 12)) < np.where(group[:, None], 0.2, 0.5)
    return DirectedGraph.from_edges(edges, nodes, attribute_vectors(sp.csr_matrix(words), 6))


GRAPH = planted_graph()


def test_holding_out_keeps_components_whole_and_takes_what_was_asked():
    edges = GRAPH.edges
    out = hold_out(edges, GRAPH.nodes, 100, np.random.default_rng(1))
    assert out.sum() == 100
    before, after = (
        connected_components(GRAPH.with_edges(kept).adjacency, directed=True, connection="weak")[0]
        for kept in (edges, edges[~out])
    )
    assert after == before


def test_a_tree_has_nothing_to_hold_out():
    path = np.array([[0, 1], [1, 2], [2, 3]])
    assert not hold_out(path, 4, 2, np.random.default_rng(0)).any()


def test_absent_pairs_are_no_edges_and_no_loops():
    absent = draw_absent(GRAPH, 500, np.random.default_rng(0))
    assert len(absent) == 500
    assert not GRAPH.has(absent).any()
    assert (absent[:, 0] != absent[:, 1]).all()


def test_a_full_graph_has_no_absent_pairs():
    full = DirectedGraph.from_edges(np.argwhere(np.ones((4, 4))), 4)
    with pytest.raises(DataError, match="too dense"):
        draw_absent(full, 3, np.random.default_rng(0))


def test_a_fold_graph_knows_none_of_its_held_out_edges():
    for fold in cross_fit(GRAPH, 3, 0.2, 2, seed=5):
        assert GRAPH.has(fold.held_out).all()
        assert not fold.graph.has(fold.held_out).any()
        assert len(fold.absent) == 2 * len(fold.held_out)
        assert not GRAPH.has(fold.absent).any()
        assert len(fold.graph.edges) + len(fold.held_out) == len(GRAPH.edges)


def test_no_edge_helps_to_score_itself():
    fold = next(iter(cross_fit(GRAPH, 1, 0.2, 1, seed=5)))
    features = pair_features(fit_scores(SCORES, fold.graph), fold.graph, fold.held_out)
    for number in range(0, len(fold.held_out), 9):
        # A world in which this edge never was: the fold's graph, built from it, gives the same features.
        edge = fold.held_out[number]
        never = GRAPH.with_edges(GRAPH.edges[(GRAPH.edges != edge).any(axis=1)])
        held_out_there = never.with_edges(never.edges[~np.isin(
            never.edges @ [GRAPH.nodes, 1], np.delete(fold.held_out, number, axis=0) @ [GRAPH.nodes, 1]
        )])  # fmt: skip
        found = pair_features(fit_scores(SCORES, held_out_there), held_out_there, edge[None])
        assert found[0] == pytest.approx(features[number], rel=1e-4, abs=1e-5)


def test_the_check_above_can_fail():
    edge = GRAPH.edges[:1]
    inside = pair_features(fit_scores(SCORES, GRAPH), GRAPH, edge)
    without = GRAPH.with_edges(GRAPH.edges[1:])
    outside = pair_features(fit_scores(SCORES, without), without, edge)
    assert np.abs(inside - outside).max() > 0.01


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("both_ways", [True, False])
def test_the_blend_finds_held_out_edges_better_than_chance_and_is_repeatable(linear, both_ways):
    settings = replace(QUICK, linear=linear, both_ways=both_ways)
    split = next(iter(cross_fit(GRAPH, 1, 0.15, 3, seed=1)))
    folds = cross_fit(split.graph, 2, 0.15, 3, seed=2)
    rows = PairRows.joined(
        [PairRows.of(fit_scores(SCORES, fold.graph), fold.graph, fold.held_out, fold.absent) for fold in folds]
    )
    test = PairRows.of(fit_scores(SCORES, split.graph), split.graph, split.held_out, split.absent)
    first, second = (Blend.fit(rows, settings).predict(test.features) for _ in range(2))
    assert (first == second).all()
    assert share_below(first[test.label], first[~test.label]).mean() > 0.75


def test_the_other_way_is_the_same_scores_of_the_reversed_pairs():
    methods = fit_scores(SCORES, GRAPH)
    pairs = GRAPH.edges[:20]
    forward, backward = (pair_features(methods, GRAPH, each) for each in (pairs, pairs[:, ::-1]))
    count = len(SCORES)
    assert (forward[:, :count] == backward[:, count : 2 * count]).all()
    assert (forward[:, count : 2 * count] == backward[:, :count]).all()


def test_a_one_way_blend_does_not_look_at_the_other_way():
    split = next(iter(cross_fit(GRAPH, 1, 0.15, 3, seed=1)))
    rows = PairRows.of(fit_scores(SCORES, split.graph), split.graph, split.held_out, split.absent)
    blend = Blend.fit(rows, replace(QUICK, both_ways=False))
    changed = rows.features.copy()
    changed[:, len(SCORES) : 2 * len(SCORES)] = 7.0
    assert (blend.predict(changed) == blend.predict(rows.features)).all()
