"""Full-catalogue ranking metrics under ties.

Count-based scores tie often. A tie that falls in favour of the relevant product would flatter them and one that falls
against would wrong them, so every metric is its expectation over a random order within each tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from onward.evaluation.intervals import Floats
from onward.evaluation.queries import Queries
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class Ranks:
    """Where a method puts each relevant pair of some queries, as far down as the metrics look.

    Attributes:
        score: [r] the pair's score.
        above: [r] candidates with a higher score, the source itself apart; `depth` stands for depth or more.
        ties: [r] candidates with the same score, the pair's own included; 1 where `above` is `depth`.
    """

    score: Floats
    above: Ints
    ties: Ints


def rank_pairs(method: Method, source: Ints, product: Ints, candidates: int, depth: int) -> Ranks:
    """Rank `product` [r] among all candidates but the source, for each `source` [r], down to place `depth`."""
    order = np.argsort(source, kind="stable")
    distinct, first = np.unique(source[order], return_index=True)
    first = np.r_[first, len(source)]
    score, (above, ties) = np.empty(len(source)), np.empty((2, len(source)), dtype=np.int64)
    step = max(1, _BLOCK_CELLS // candidates)
    for start in range(0, len(distinct), step):
        block = distinct[start : start + step]
        scores = method(block)
        # The source cannot be recommended after itself: it must not push others down either.
        scores[np.arange(len(block)), block] = -np.inf
        _place(scores, first[start:], order, product, depth, score, above, ties)
    return Ranks(score, above, ties)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _place(
    scores: Floats, first: Ints, order: Ints, product: Ints, depth: int, score: Floats, above: Ints, ties: Ints
) -> None:
    """Place each row's pairs among the best `depth` scores of the row, which are found in one pass over it."""
    best = np.empty(min(depth, scores.shape[1]))
    for row in range(len(scores)):
        found = 0
        for other in scores[row]:
            if found == len(best) and other <= best[-1]:
                continue
            place = min(found, len(best) - 1)
            while place > 0 and best[place - 1] < other:
                best[place] = best[place - 1]
                place -= 1
            best[place] = other
            found = min(found + 1, len(best))
        # The last of the best may be level with candidates that are not among them.
        level_with_last = np.sum(scores[row] == best[-1])
        for pair in order[first[row] : first[row + 1]]:
            value = scores[row, product[pair]]
            higher = np.sum(best > value)
            score[pair], above[pair], ties[pair] = value, depth, 1
            if higher < len(best):
                above[pair] = higher
                ties[pair] = level_with_last if value == best[-1] else np.sum(best == value)


def query_metrics(queries: Queries, ranks: Ranks, top_k: Sequence[int]) -> dict[str, Floats]:
    """[q] expected hit rate at every k, reciprocal rank and NDCG at 10, per query.

    The ranks must reach down to place max(top_k, 10).
    """
    count = len(queries.customer)
    metrics = {f"hr@{k}": np.zeros(count) for k in top_k}
    metrics["mrr@10"] = np.zeros(count)

    # Only the best tie of a query decides which relevant product comes first.
    best = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(best, queries.pair_query, ranks.above)
    leading = ranks.above == best[queries.pair_query]
    relevant = np.bincount(queries.pair_query[leading], minlength=count)
    ties = np.zeros(count, dtype=np.int64)
    ties[queries.pair_query[leading]] = ranks.ties[leading]

    # Chance that the first of `relevant` among `ties` items stands at place j of the tie, for j = 1, 2, …
    chance = relevant / np.maximum(ties, 1)
    for place in range(1, max(*top_k, 10) + 1):
        position = best + place
        for k in top_k:
            metrics[f"hr@{k}"] += chance * (position <= k)
        metrics["mrr@10"] += np.where(position <= 10, chance / np.maximum(position, 1), 0.0)
        left = ties - place
        chance = chance * np.maximum(left - relevant + 1, 0) / np.maximum(left, 1)

    discount = np.r_[0.0, np.cumsum(1.0 / np.log2(np.arange(2, 12)))]
    gain = (discount[np.minimum(ranks.above + ranks.ties, 10)] - discount[np.minimum(ranks.above, 10)]) / ranks.ties
    ideal = discount[np.minimum(np.bincount(queries.pair_query, minlength=count), 10)]
    metrics["ndcg@10"] = np.bincount(queries.pair_query, weights=gain, minlength=count) / ideal
    return metrics


def direction_share(forward: Floats, reverse: Floats) -> Floats:
    """[r] 1 where the observed order scores higher than its reverse, ½ where they tie."""
    share: Floats = (forward > reverse) + 0.5 * (forward == reverse)
    return share
