"""What the encoder reads from evidence: every pair of candidates, and the strongest of each product as edges."""

from collections import Counter

import numpy as np
import pytest

from builders.planted_shop import PRODUCTS, gathered, make_purchases
from onward.ranking import relations
from onward.ranking.encoder_pairs import learnt_pairs, message_graph


@pytest.fixture(scope="module")
def evidence():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return gathered(make_purchases(0, 60))


def counts_of(evidence):
    """By relation: [P, P] observed and [P, P] expected counts of candidates, a product with itself left out."""
    found = []
    for relation in (evidence.cooccurrence, evidence.after):
        counts, both = relation.counts[-1], np.ix_(evidence.candidates, evidence.candidates)
        observed, expected = np.zeros((2, PRODUCTS, PRODUCTS))
        observed[both] = counts.observed.toarray()
        expected[both] = np.outer(counts.left, counts.right) / counts.trials
        np.fill_diagonal(observed, 0.0)
        found.append((observed, expected))
    return found


def test_pairs_are_those_of_each_relation_with_their_counts(evidence):
    for pairs, (observed, _) in zip(learnt_pairs(evidence), counts_of(evidence), strict=True):
        table = np.zeros((PRODUCTS, PRODUCTS))
        table[pairs.source, pairs.target] = pairs.support
        np.testing.assert_array_equal(table, observed)
        assert len(pairs.source) == (observed > 0).sum()
        assert set(pairs.source) | set(pairs.target) <= set(evidence.candidates)


def test_pairs_in_baskets_go_both_ways_and_those_that_follow_do_not(evidence):
    together, after = (counts for counts, _ in counts_of(evidence))
    assert (together == together.T).all()
    assert (after != after.T).any()


@pytest.mark.parametrize(("min_support", "neighbours"), [(1, 3), (4, 2), (2, 1000)])
def test_edges_are_the_pairs_of_highest_shrunk_lift_of_each_product_in_both_relations(
    evidence, min_support, neighbours
):
    shrinkage, expected_edges = 5.0, Counter()
    for observed, expected in counts_of(evidence):
        lift = (observed + 1.0) / (expected + shrinkage)
        for u in evidence.candidates:
            others = np.flatnonzero(observed[u] >= min_support)
            for v in others[np.lexsort((others, -lift[u, others]))][:neighbours]:
                expected_edges[int(u), int(v)] += observed[u, v]
    graph = message_graph(evidence, min_support, shrinkage, neighbours)
    assert graph.products == PRODUCTS
    ends = zip(graph.sources.tolist(), graph.out_targets.tolist(), strict=True)
    assert dict(zip(ends, graph.support, strict=True)) == expected_edges


def test_shrinkage_keeps_rare_pairs_from_winning_by_luck(evidence):
    """The stronger it is, the more often the edges that are kept were seen."""
    seen = [message_graph(evidence, 1, shrinkage, 2).support.mean() for shrinkage in (0.01, 100.0)]
    assert seen[0] < seen[1]
