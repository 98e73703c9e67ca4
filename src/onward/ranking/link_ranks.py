"""Where the targets of pairs stand among their rivals: what settings are picked by, and what evaluation reports.

Ranking is filtered unless said: every known target of a source other than the asked one is left out, whichever split it
is in. Ties take their mean rank.
"""

import numpy as np
import scipy.sparse as sp

from onward.metrics.ranking import PairRanks, mean_ranks
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.method import Method

_BLOCK_CELLS = 4_000_000


def rank_links(method: Method, pairs: Ints, excluded: sp.csr_matrix, *, filtered: bool = True) -> PairRanks:
    """Rank the target of each of [r, 2] pairs (query, target); see `target_ranks`."""
    return PairRanks(pairs[:, 0], target_ranks(method, pairs, excluded, filtered=filtered))


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
            # Where pairs compete, each stands level with itself, which is no tie.
            rank[mine] = mean_ranks(wanted, scores[row]) - (0.0 if filtered else 0.5)
    return rank


def rivals_of(known: DirectedGraph) -> sp.csr_matrix:
    """[N, N] what does not compete after a node: itself, and every target it is known to have in any split."""
    return sp.csr_matrix(known.adjacency + sp.eye_array(known.nodes, dtype=np.float32))
