"""How well scores rank held-out targets of an edge among all connected products."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.graph.product_graph import IntArray, ProductGraph

FloatArray = npt.NDArray[np.floating]

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class RankingQuality:
    """Mean reciprocal rank, and the share of targets ranked 1 to 10."""

    mrr: float
    hit_rate_10: float


def ranking_quality(
    score: Callable[[IntArray, IntArray], FloatArray], known: ProductGraph, source: IntArray, target: IntArray
) -> RankingQuality:
    """Rank each held-out target among the connected products, known targets of its source left out.

    Ties count half, so a constant score earns what chance earns.

    Args:
        score: gives [n, c] scores for n sources and c candidates.
        known: the graph without the held-out edges.
        source: [n] sources of held-out edges.
        target: [n] their targets.
    """
    candidates = np.union1d(np.flatnonzero(known.connected), target)
    column = np.full(known.products, -1)
    column[candidates] = np.arange(len(candidates))
    reciprocal, hits = 0.0, 0
    for start in range(0, len(source), _ROWS_AT_ONCE):
        sources, targets = source[start : start + _ROWS_AT_ONCE], target[start : start + _ROWS_AT_ONCE]
        rows = np.arange(len(sources))
        scores = np.array(score(sources, candidates))
        wanted = scores[rows, column[targets]]
        for row, product in enumerate(sources):
            scores[
                row, column[known.out_targets[known.out_offsets[product] : known.out_offsets[product + 1]]]
            ] = -np.inf
        own = column[sources]
        scores[rows[own >= 0], own[own >= 0]] = -np.inf
        scores[rows, column[targets]] = -np.inf
        better = np.count_nonzero(scores > wanted[:, None], axis=1)
        equal = np.count_nonzero(scores == wanted[:, None], axis=1)
        ranks = 1.0 + better + equal / 2.0
        reciprocal += float((1.0 / ranks).sum())
        hits += int((ranks <= 10).sum())
    return RankingQuality(reciprocal / max(len(source), 1), hits / max(len(source), 1))
