"""Sampled walks: unbiased where they say so, within their budget, and blind to the answer."""

import numpy as np
import pytest

from benchmarks.direction.best_first_walks import best_first_walks
from benchmarks.direction.layer_walks import LayerWeights, layer_walks
from benchmarks.direction.walks import ALTERNATING, KINDS, NOBODY, REVERSED, SIBLING, Queries, Rows, sample_walks
from onward.ranking.directed_graph import DirectedGraph

NODES = 40


@pytest.fixture(scope="module")
def graph():
    generator = np.random.default_rng(0)
    edges = np.stack([generator.integers(0, NODES, 400), (NODES * generator.random(400) ** 2).astype(int)], axis=1)
    return DirectedGraph.from_edges(np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0), NODES)


def queries(graph, left_out=False):
    source = np.flatnonzero(graph.out_degrees > 1)
    hidden = graph.adjacency.indices[graph.adjacency.indptr[source]].astype(np.int64)
    degree = graph.out_degrees[source] - left_out
    return Queries(source, hidden if left_out else np.full(len(source), NOBODY), degree, np.full((len(source), 2), 0.5))


def summed(walks, many):
    """[q, KINDS, N] weights by target."""
    found = np.zeros((many, KINDS, NODES))
    np.add.at(found, (walks.query, walks.kind, walks.target), walks.weight)
    return found


def exact(graph, asked):
    """[q, KINDS, N] how many walks there are, none to the source or its known targets."""
    known = graph.adjacency.toarray()
    found = np.zeros((len(asked.source), KINDS, NODES))
    for row, (u, hidden) in enumerate(zip(asked.source, asked.left_out, strict=True)):
        own = known[u].copy()
        own[hidden] = 0.0 if hidden != NOBODY else own[hidden]
        last = own @ known.T
        last[u] = 0.0
        found[row] = known[:, u], known[:, u] @ known, last @ known
        found[row][:, own > 0] = 0.0
        found[row, :, u] = 0.0
    return found


@pytest.mark.parametrize("left_out", [False, True])
def test_with_enough_allowed_every_walk_is_met_once(graph, left_out):
    asked = queries(graph, left_out)
    fans = np.full(len(asked.source), np.inf)
    walks = sample_walks(Rows.of(graph), asked, fans, fans, 1)
    assert (walks.weight == 1.0).all()
    assert np.array_equal(summed(walks, len(asked.source)), exact(graph, asked))


def test_sums_over_sampled_walks_are_unbiased(graph):
    asked, rows = queries(graph, left_out=True), Rows.of(graph)
    weights = LayerWeights.of(rows)
    fans = np.full(len(asked.source), 2.0), np.full(len(asked.source), 1.7)
    samplers = (
        lambda seed: sample_walks(rows, asked, *fans, seed),
        lambda seed: layer_walks(rows, weights, asked, 2.0, 1.7, seed),
    )
    truth = exact(graph, asked)
    for sampler in samplers:
        draws = np.array([summed(sampler(seed), len(asked.source)).sum(axis=0) for seed in range(1500)])
        error = np.abs(draws.mean(axis=0) - truth.sum(axis=0))
        assert (error <= 4.5 * draws.std(axis=0) / np.sqrt(len(draws)) + 1e-9).all()


def test_best_first_spends_its_budget_and_no_more(graph):
    asked, rows = queries(graph), Rows.of(graph)
    for budget in (1.0, 7.0, 30.0):
        touched = best_first_walks(rows, asked, np.full(len(asked.source), budget), 1).touched
        assert touched.max() <= budget
        assert touched.mean() >= 0.95 * budget
    halves = best_first_walks(rows, asked, np.full(len(asked.source), 7.5), 1).touched
    assert set(halves) <= {6, 7, 8}


def test_best_first_with_enough_to_spend_is_the_walk_by_mass(graph):
    asked, rows = queries(graph), Rows.of(graph)
    found = summed(best_first_walks(rows, asked, np.full(len(asked.source), 1e5), 1), len(asked.source))
    known = graph.adjacency.toarray()
    for row, u in enumerate(asked.source):
        siblings = known[:, u] / max(known[:, u].sum(), 1.0)
        last = known[u] / np.maximum(known.sum(axis=0), 1.0) @ known.T
        last[u] = 0.0
        open_to = known[u] == 0
        open_to[u] = False
        assert found[row, REVERSED] == pytest.approx(known[:, u] * open_to)
        assert found[row, SIBLING] == pytest.approx(siblings @ known * open_to)
        assert found[row, ALTERNATING] == pytest.approx(last @ known * open_to)


def test_no_walk_knows_the_answer_by_the_edge_that_is_asked_for():
    # 0 -> 1 is asked for, and 2 -> 1 is what is known beside it: only a walk over 0 -> 1 itself could begin at 1.
    graph = DirectedGraph.from_edges(np.array([[0, 1], [2, 1], [2, 3]]), 4)
    asked = Queries(np.array([0]), np.array([1]), np.array([0]), np.full((1, 2), 0.5))
    rows, fans = Rows.of(graph), np.array([9.0])
    assert len(sample_walks(rows, asked, fans, fans, 1).target) == 0
    assert len(best_first_walks(rows, asked, fans, 1).target) == 0
    assert len(layer_walks(rows, LayerWeights.of(rows), asked, 3.0, 3.0, 1).target) == 0
