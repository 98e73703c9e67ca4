import numpy as np
import pytest
import torch

from onward.errors import DataError
from onward.metrics.ranking import share_below
from onward.ranking.blend import PairRows, fit_scores
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_folds import cross_fit
from onward.ranking.method import score_pairs
from onward.ranking.node_facts import NODE_FACTS
from onward.ranking.whole_graph import WholeGraphEncoder

SMALL = WholeGraphEncoder(dimension=6, coordinates=16, hops=2, steps=60, rows=40, candidates=40)
NODES = 80


def chain_of_groups(seed=0):
    """Four groups, each leading to the next; attributes are the group with noise."""
    generator = np.random.default_rng(seed)
    group = np.arange(NODES) % 4
    chance = np.where(group[None, :] == (group[:, None] + 1) % 4, 0.4, 0.01)
    edges = np.argwhere(generator.random((NODES, NODES)) < chance)
    vectors = np.eye(6, dtype=np.float32)[group] + generator.normal(0, 0.3, (NODES, 6)).astype(np.float32)
    return DirectedGraph.from_edges(edges, NODES, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


GRAPH = chain_of_groups()
FOLD = next(iter(cross_fit(GRAPH, 1, 0.15, 1, seed=0)))


def test_hidden_edges_are_found_and_their_direction_known():
    method = SMALL.fit(FOLD.graph)
    edges, absent, backwards = (
        score_pairs(method, pairs[:, 0], pairs[:, 1], NODES)
        for pairs in (FOLD.held_out, FOLD.absent, FOLD.held_out[:, ::-1])
    )
    assert share_below(edges, absent).mean() > 0.7
    assert share_below(edges, backwards).mean() > 0.85


def test_training_is_repeatable_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second = (SMALL.fit(FOLD.graph)(np.arange(NODES)) for _ in range(2))
    assert (first == second).all()
    assert (torch.random.get_rng_state() == before).all()


def test_a_graph_without_attributes_or_edges_is_refused():
    for graph in (DirectedGraph.from_edges(GRAPH.edges, NODES), GRAPH.with_edges(GRAPH.edges[:0])):
        with pytest.raises(DataError, match="needs edges and attributes"):
            SMALL.fit(graph)


def test_the_encoder_is_a_score_like_any_other_to_the_blend():
    fold = next(iter(cross_fit(GRAPH, 2, 0.1, 2, seed=3)))
    rows = PairRows.of(fit_scores({"encoder": SMALL}, fold.graph), fold.graph, fold.held_out, fold.absent)
    assert rows.features.shape == (len(rows.label), 2 + 2 * len(NODE_FACTS))
    assert share_below(*(rows.features[part, 0].astype(float) for part in (rows.label, ~rows.label))).mean() > 0.8
