from itertools import permutations

import numpy as np
import pytest

from onward.evaluation.queries import Queries
from onward.evaluation.ranking import direction_share, query_metrics, rank_pairs
from onward.ranking.method import score_pairs


def queries_of(sources, relevant):
    pairs = [(query, product) for query, products in enumerate(relevant) for product in products]
    query, product = np.array(pairs).T
    return Queries(np.arange(len(sources)), np.array(sources), np.ones(len(sources), bool), query, product)


def measure(scores, sources, relevant, top_k=(1, 3, 5)):
    queries = queries_of(sources, relevant)
    ranks = rank_pairs(
        lambda rows: scores[rows].copy(), queries.source[queries.pair_query], queries.pair_product, scores.shape[1],
        max(*top_k, 10),
    )  # fmt: skip
    return query_metrics(queries, ranks, top_k)


def brute_force(score, source, relevant, top_k):
    """Mean of every metric over all orders that break ties, without the source."""
    others = [product for product in range(len(score)) if product != source]
    orders = {order for order in permutations(others) if all(np.diff(score[list(order)]) <= 0)}
    totals = dict.fromkeys([*(f"hr@{k}" for k in top_k), "mrr@10", "ndcg@10"], 0.0)
    for order in orders:
        places = sorted(order.index(product) + 1 for product in relevant)
        for k in top_k:
            totals[f"hr@{k}"] += places[0] <= k
        totals["mrr@10"] += (places[0] <= 10) / places[0]
        ideal = sum(1 / np.log2(1 + place) for place in range(1, min(len(relevant), 10) + 1))
        totals["ndcg@10"] += sum(1 / np.log2(1 + place) for place in places if place <= 10) / ideal
    return {name: total / len(orders) for name, total in totals.items()}


@pytest.mark.parametrize("seed", range(6))
def test_every_metric_is_its_mean_over_all_ways_to_break_ties(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (7, 7)).astype(float)
    sources = [int(rng.integers(7)) for _ in range(3)]
    relevant = [rng.permutation([p for p in range(7) if p != source])[: 1 + seed % 3].tolist() for source in sources]
    found = measure(scores, sources, relevant)
    for query, (source, products) in enumerate(zip(sources, relevant, strict=True)):
        expected = brute_force(scores[source], source, products, (1, 3, 5))
        assert {name: values[query] for name, values in found.items()} == pytest.approx(expected)


def test_a_method_that_knows_nothing_hits_as_often_as_chance():
    found = measure(np.zeros((51, 51)), [0], [[7]], top_k=(5, 50))
    assert found["hr@5"][0] == pytest.approx(5 / 50)
    assert found["hr@50"][0] == pytest.approx(1.0)


def test_a_perfect_order_scores_one():
    scores = np.zeros((20, 20))
    scores[3, [5, 6]] = [2.0, 1.0]
    scores[3, 3] = 9.0  # the source itself does not take a place
    found = measure(scores, [3], [[5, 6]])
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        {"hr@1": 1.0, "hr@3": 1.0, "hr@5": 1.0, "mrr@10": 1.0, "ndcg@10": 1.0}
    )


def test_what_ranks_below_the_depth_counts_nothing():
    scores = np.tile(-np.arange(200.0), (200, 1))
    found = measure(scores, [0], [[150]])
    assert all(values[0] == 0.0 for values in found.values())


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, (40, 40)).astype(float)
    source, product = rng.integers(0, 20, 90), rng.integers(20, 40, 90)
    whole = rank_pairs(lambda rows: scores[rows].copy(), source, product, 40, 10)
    alone = score_pairs(lambda rows: scores[rows].copy(), source, product, 40)
    monkeypatch.setattr("onward.evaluation.ranking._BLOCK_CELLS", 80)
    parts = rank_pairs(lambda rows: scores[rows].copy(), source, product, 40, 10)
    assert (whole.above == parts.above).all()
    assert (whole.ties == parts.ties).all()
    assert (alone == scores[source, product]).all()
    assert (score_pairs(lambda rows: scores[rows].copy(), source, product, 40) == alone).all()


def test_direction_is_right_half_or_wrong():
    assert direction_share(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist() == [1.0, 0.5, 0.0]
