import numpy as np
import pytest
import scipy.sparse as sp

from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph, attribute_vectors, propagation
from onward.ranking.link_scores import (
    GRIDS,
    DualSvd,
    Ease,
    Edges,
    ItemKnn,
    NeighbourhoodAttributes,
    Paths,
    Popularity,
    PropagatedAttributes,
    PropagatedEdges,
    ReversedEdges,
    SmoothedEdges,
    Undirected,
    Walk,
)

NODES = 30
ALL = np.arange(NODES)
SETTINGS = [setting for grid in GRIDS.values() for setting in grid]


def random_graph(seed=0, nodes=NODES, share=0.12):
    generator = np.random.default_rng(seed)
    edges = np.argwhere(generator.random((nodes, nodes)) < share)
    attributes = attribute_vectors(sp.csr_matrix(generator.random((nodes, 12)) < 0.3), 8)
    return DirectedGraph.from_edges(edges, nodes, attributes)


GRAPH = random_graph()
A = GRAPH.adjacency.toarray()


def test_a_graph_drops_loops_and_knows_its_edges():
    graph = DirectedGraph.from_edges(np.array([[0, 1], [1, 1], [2, 0]]), 3)
    assert graph.edges.tolist() == [[0, 1], [2, 0]]
    assert graph.in_degrees.tolist() == [1, 1, 0]
    assert graph.out_degrees.tolist() == [1, 0, 1]
    assert graph.has(np.array([[0, 1], [1, 0]])).tolist() == [True, False]


def test_attribute_vectors_are_of_unit_length_and_near_where_attributes_agree():
    present = sp.csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]]))
    vectors = attribute_vectors(present, 3)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert vectors[0] @ vectors[1] == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] @ vectors[2] < 0.1


def test_propagation_normalises_both_ends():
    both = A + np.eye(NODES)
    expected = both / np.sqrt(both.sum(1)[:, None] * both.sum(0)[None, :])
    assert propagation(GRAPH.adjacency).toarray() == pytest.approx(expected, abs=1e-6)


P = propagation(GRAPH.adjacency).toarray()
Q = A / np.maximum(A.sum(1, keepdims=True), 1e-12)
DEGREE = np.maximum(A.sum(0) + A.sum(1), 1)
EXPECTED = [
    (Popularity(), np.tile(A.sum(0), (NODES, 1))),
    (Popularity(attached=True), np.outer(A.sum(1), A.sum(0))),
    (Edges(), A),
    (ReversedEdges(), A.T),
    (Paths("out", "out"), A @ A),
    (Paths("in", "out"), A.T @ A),
    (Paths("out", "out", 1.0, 0.3), A @ np.diag(1 / DEGREE) @ A + 0.3 * A.T),
    (PropagatedEdges(2), P @ P.T @ P @ P.T @ P),
    (Walk("out", 3, 0.5), Q @ (np.eye(NODES) + 0.5 * Q) @ (np.eye(NODES) + 0.5 * Q)),
    (Undirected(1, 0.0, 0.0), A + A.T),
    (DualSvd(NODES - 1), P),
]


@pytest.mark.parametrize(("score", "expected"), EXPECTED, ids=lambda value: repr(value)[:60])
def test_scores_are_their_formulas(score, expected):
    # The SVD of all but one dimension is not exact.
    tolerance = 0.02 if isinstance(score, DualSvd) else 1e-4
    assert score.fit(GRAPH)(ALL) == pytest.approx(expected, abs=tolerance)


def test_propagated_attributes_take_the_step_next_to_the_attributes_first():
    x = GRAPH.attributes

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    found = PropagatedAttributes(2, 1).fit(GRAPH)(ALL)
    assert found == pytest.approx(unit(P @ (P.T @ x)) @ unit(P.T @ x).T, abs=1e-5)


@pytest.mark.parametrize("score", [PropagatedAttributes(), NeighbourhoodAttributes(), SmoothedEdges()])
def test_scores_of_attributes_need_attributes(score):
    with pytest.raises(DataError, match="no attributes"):
        score.fit(DirectedGraph.from_edges(GRAPH.edges, NODES))


def test_smoothed_edges_borrow_from_the_most_alike():
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [0, 1]], dtype=np.float32)
    graph = DirectedGraph.from_edges(np.array([[1, 3]]), 4, vectors)
    # 0 is most like 1, which leads to 3; nothing like 2 and 3 leads anywhere.
    asked = SmoothedEdges("source", neighbours=1).fit(graph)(np.arange(4))
    assert np.flatnonzero(asked[0]).tolist() == [3]
    assert not asked[2].any()
    # 2 is most like 3, so 1 leads to it as well.
    answered = SmoothedEdges("target", neighbours=1).fit(graph)(np.array([1]))
    assert answered[0, 2] > 0


def test_ease_solves_the_ridge_regression_of_baskets_on_themselves():
    gram = A.T @ A
    weights = Ease(5.0, "node").fit(GRAPH)(ALL)
    assert np.diag(weights) == pytest.approx(np.zeros(NODES))
    # Each column is the ridge solution without the item itself.
    for item in (0, 7):
        others = np.delete(ALL, item)
        solved = np.linalg.solve(gram[np.ix_(others, others)] + 5.0 * np.eye(NODES - 1), gram[others, item])
        assert weights[others, item] == pytest.approx(solved, abs=1e-3)


def test_ease_refuses_what_cannot_be_inverted():
    with pytest.raises(DataError, match="raise l2"):
        Ease(0.0).fit(DirectedGraph.from_edges(np.array([[0, 1]]), 3))


def test_item_knn_is_a_cosine():
    counts = A.sum(0)
    cosine = A.T @ A / np.maximum(np.sqrt(np.outer(counts, counts)), 1e-9)
    assert ItemKnn("node", prior=1e-9, by_length=False).fit(GRAPH)(ALL) == pytest.approx(cosine, abs=1e-5)


@pytest.mark.parametrize("score", SETTINGS, ids=repr)
def test_every_setting_scores_new_arrays_of_all_nodes(score):
    method = score.fit(GRAPH)
    rows = method(np.array([4, 1]))
    assert rows.shape == (2, NODES)
    assert rows.dtype == np.float64
    rows[:] = -1.0
    assert (method(np.array([4, 1])) != -1.0).any()


@pytest.mark.parametrize("score", SETTINGS, ids=repr)
def test_mixed_queries_are_sums_of_rows(score):
    method = score.fit(GRAPH)
    queries = sp.csr_matrix((np.array([0.5, 2.0], np.float32), ([0, 0], [3, 8])), shape=(1, NODES))
    rows = method(np.array([3, 8]))
    assert method.score_mixtures(queries)[0] == pytest.approx(0.5 * rows[0] + 2.0 * rows[1], rel=1e-3, abs=1e-4)


RANDOMISED = (DualSvd,)


@pytest.mark.parametrize("score", [each for each in SETTINGS if not isinstance(each, RANDOMISED)], ids=repr)
def test_relabelling_nodes_changes_no_score(score):
    order = np.random.default_rng(3).permutation(NODES)
    place = np.argsort(order)
    moved = DirectedGraph.from_edges(place[GRAPH.edges], NODES, GRAPH.attributes[order])
    assert score.fit(moved)(ALL) == pytest.approx(score.fit(GRAPH)(order)[:, order], rel=1e-3, abs=1e-4)


def test_a_graph_without_edges_scores_nothing_rather_than_failing():
    empty = DirectedGraph.from_edges(np.zeros((0, 2), dtype=np.int64), 5, GRAPH.attributes[:5])
    for score in SETTINGS:
        assert np.isfinite(score.fit(empty)(np.arange(5))).all()
