"""Where the targets of pairs stand among their rivals: what settings are picked by, and what evaluation reports.

Ranking is filtered unless said: every known target of a source other than the asked one is left out, whichever split it
is in. Ties take their mean rank.
"""

import numpy as np
import scipy.sparse as sp

from onward.errors import DataError
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.method import Method

_BLOCK_CELLS = 4_000_000
_FEW = 10  # wanted scores of a row up to which counting is faster than sorting


def target_ranks(method: Method, pairs: Ints, excluded: sp.csr_matrix, *, filtered: bool = True) -> Floats:
    """[r] rank, 1 for the best, of the target of each of [r, 2] pairs among all that its query does not exclude.

    Args:
        method: scores of all candidates for query numbers.
        pairs: query and what is to be found; a pair is never its own rival, excluded or not.
        excluded: [Q, N] candidates that do not compete for a query: see `rivals_of`.
        filtered: leave out the other targets among a query's own `pairs` too; without, they compete with each other.
    """
    order = np.argsort(pairs[:, 0], kind="stable")
    distinct, first = np.unique(pairs[order, 0], return_index=True)
    last = np.r_[first[1:], len(pairs)]
    rank = np.empty(len(pairs))
    step = max(1, _BLOCK_CELLS // excluded.shape[1])
    for start in range(0, len(distinct), step):
        block = distinct[start : start + step]
        scores = method(block)
        for row, query in enumerate(block):
            mine = order[first[start + row] : last[start + row]]
            wanted = scores[row, pairs[mine, 1]]
            scores[row, excluded.indices[excluded.indptr[query] : excluded.indptr[query + 1]]] = -np.inf
            scores[row, pairs[mine, 1]] = -np.inf if filtered else wanted
            better, level = _above_and_level(scores[row], wanted)
            # Better ones, and half of the ties, of which the pair itself is none.
            rank[mine] = 1.0 + better + (level - (not filtered)) / 2.0
    return rank


def _above_and_level(rivals: Floats, wanted: Floats) -> tuple[Ints, Ints]:
    """[k] how many rivals are above each wanted score, and how many are level with it."""
    if len(wanted) <= _FEW:
        return (rivals > wanted[:, None]).sum(axis=1), (rivals == wanted[:, None]).sum(axis=1)
    ordered = np.sort(rivals)
    low, high = (np.searchsorted(ordered, wanted, side=side) for side in ("left", "right"))
    return len(ordered) - high, high - low


def rivals_of(known: DirectedGraph) -> sp.csr_matrix:
    """[N, N] what does not compete after a node: itself, and every target it is known to have in any split."""
    return sp.csr_matrix(known.adjacency + sp.eye_array(known.nodes, dtype=np.float32))


def hits_at(positive: Floats, negative: Floats, k: int) -> float:
    """OGB's Hits@K: the share of positives strictly above the K-th best negative (Hu et al. 2020, arXiv 2005.00687).

    >>> hits_at(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0]), 1)
    0.3333333333333333

    Raises:
        DataError: there are fewer than K negatives.
    """
    return float((positive > bar_of(negative, k)).mean())


def bar_of(negative: Floats, k: int) -> float:
    """The K-th best negative, which a hit must exceed; see `hits_at`."""
    if len(negative) < k:
        raise DataError(f"Hits@{k}: only {len(negative)} negative pairs; draw at least {k}")
    return float(np.partition(negative, len(negative) - k)[len(negative) - k])
