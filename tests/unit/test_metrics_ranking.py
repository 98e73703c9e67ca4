import numpy as np
import pytest
import scipy.sparse as sp

from onward.errors import DataError
from onward.metrics.ranking import hits_at, share_below
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_ranks import rank_links, rivals_of

KNOWN = DirectedGraph.from_edges(np.array([[0, 1], [0, 2], [0, 3], [4, 0], [1, 0]]), 6)
RIVALS = rivals_of(KNOWN)


def fixed(table):
    return lambda sources: np.array(table, dtype=np.float64)[sources]


def test_other_known_targets_and_the_source_itself_are_left_out_of_the_ranking():
    table = np.zeros((6, 6))
    table[0] = [9, 8, 7, 6, 6.5, 1]
    ranks = rank_links(fixed(table), np.array([[0, 1], [0, 2], [0, 3]]), RIVALS)
    # Only 4 and 5 compete with each target of 0.
    assert ranks.rank.tolist() == [1, 1, 2]


def test_ties_take_their_mean_rank():
    ranks = rank_links(fixed(np.zeros((6, 6))), np.array([[0, 1], [4, 0]]), RIVALS)
    # 0 -> 1 ties with 4 and 5, 4 -> 0 with 1, 2, 3 and 5.
    assert ranks.rank.tolist() == [2.0, 3.0]


def test_unfiltered_targets_of_one_query_compete_with_each_other():
    table = np.zeros((6, 6))
    table[0] = [9, 8, 7, 7, 6.5, 1]
    pairs = np.array([[0, 1], [0, 2], [0, 3]])
    itself = sp.eye_array(6, format="csr")
    # 0 itself never competes; 2 and 3 tie behind 1.
    assert rank_links(fixed(table), pairs, itself, filtered=False).rank.tolist() == [1, 2.5, 2.5]
    assert rank_links(fixed(table), pairs, itself).rank.tolist() == [1, 1, 1]


def test_metrics_follow_the_rank():
    ranks = rank_links(fixed(np.zeros((6, 6))), np.array([[0, 1]]), RIVALS)
    found = {name: float(values[0]) for name, values in ranks.metrics().items()}
    assert found == pytest.approx({
        "hr@5": 1, "hr@10": 1, "hr@20": 1, "hr@50": 1, "mrr@10": 0.5, "ndcg@10": 1 / np.log2(3)
    })  # fmt: skip


def test_ranking_agrees_with_sorting_one_by_one():
    generator = np.random.default_rng(1)
    nodes = 40
    edges = np.argwhere(generator.random((nodes, nodes)) < 0.1)
    known = DirectedGraph.from_edges(edges, nodes)
    scores = np.round(generator.random((nodes, nodes)), 1)
    pairs = known.edges[generator.permutation(len(known.edges))[:60]]
    ranks = rank_links(fixed(scores), pairs, rivals_of(known)).rank
    for (source, target), rank in zip(pairs, ranks, strict=True):
        row = scores[source].copy()
        gone = known.adjacency[source].indices
        rivals = [v for v in range(nodes) if v != source and v not in gone]
        better = sum(row[v] > row[target] for v in rivals)
        equal = sum(row[v] == row[target] for v in rivals)
        assert rank == 1 + better + equal / 2


def test_a_gain_is_paired_and_refuses_other_pairs():
    good = rank_links(fixed(KNOWN.adjacency.toarray()), KNOWN.edges, RIVALS)
    poor = rank_links(fixed(-KNOWN.adjacency.toarray()), KNOWN.edges, RIVALS)
    gain = good.gain(poor, "mrr@10", 50, 0)
    assert gain.low > 0
    with pytest.raises(DataError, match="different pairs"):
        good.gain(rank_links(fixed(np.zeros((6, 6))), KNOWN.edges[:2], RIVALS), "mrr@10", 50, 0)


def test_hits_count_positives_strictly_above_the_kth_best_negative():
    positive, negative = np.array([5.0, 3.0, 3.0, 1.0]), np.array([4.0, 3.0, 2.0])
    assert hits_at(positive, negative, 1) == 0.25
    assert hits_at(positive, negative, 2) == 0.25
    assert hits_at(positive, negative, 3) == 0.75
    with pytest.raises(DataError, match="only 3"):
        hits_at(positive, negative, 4)


def test_an_edge_beats_a_non_edge_of_its_own_score_half():
    assert share_below(np.array([1.0, 0.0]), np.array([0.0])).tolist() == [1.0, 0.5]
