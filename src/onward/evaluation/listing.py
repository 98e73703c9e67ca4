"""From scores of all candidates to the few that a list names, best first and the lower number first among equals."""

from collections.abc import Callable

import numpy as np
from numba import njit

from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints
from onward.threads import map_in_order

Lister = Callable[[Ints], Ints]
"""Lists [m, k] of candidate numbers, best first and -1 where a list is shorter, for source products [m]."""

NOTHING = -1

_BLOCK_CELLS = 4_000_000


def best_first(method: Method, candidates: int, count: int, threads: int = 1) -> Lister:
    """List the `count` best candidates of a score; never the source, and nothing whose score is -inf.

    Args:
        method: scores of all candidates for some sources.
        candidates: C.
        count: most entries of a list.
        threads: that list at once.
    """
    # Every candidate is a kind of its own, so that no kind is ever full; the source's own holds the source alone.
    return _lister(method, np.arange(candidates), count, 1, threads)


def complements(method: Method, types: Ints, count: int, most_of_a_type: int = 2, threads: int = 1) -> Lister:
    """List the best candidates of other types than the source's, at most so many of each type.

    Args:
        method: scores of all candidates for some sources.
        types: [C] type of each candidate.
        count: most entries of a list.
        most_of_a_type: entries that one type may have.
        threads: that list at once.
    """
    return _lister(method, types, count, most_of_a_type, threads)


def _lister(method: Method, kinds: Ints, count: int, most_of_a_kind: int, threads: int) -> Lister:
    kinds = np.unique(kinds, return_inverse=True)[1].astype(np.int64)
    step = max(1, _BLOCK_CELLS // max(1, len(kinds)))

    def listed(sources: Ints) -> Ints:
        out = np.full((len(sources), count), NOTHING, dtype=np.int64)
        _best(np.asarray(method(sources), np.float64), kinds, sources, most_of_a_kind, out)
        return out

    def lists(sources: Ints) -> Ints:
        blocks = (sources[start : start + step] for start in range(0, max(1, len(sources)), step))
        return np.concatenate([*map_in_order(listed, blocks, threads)])

    return lists


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _best(scores: Floats, kinds: Ints, sources: Ints, most_of_a_kind: int, out: Ints) -> None:
    """Walk over each row once and keep the best: an entry that beats its full kind takes the place of the kind's worst.

    Candidates come in ascending order and must beat an entry to move ahead of it, so equals stay in that order.
    """
    count = out.shape[1]
    for row in range(len(scores)):
        filled = 0
        for candidate in range(scores.shape[1]):
            score = scores[row, candidate]
            if filled == count and score <= scores[row, out[row, count - 1]]:
                continue
            if score == -np.inf or kinds[candidate] == kinds[sources[row]]:
                continue
            same, worst = 0, -1
            for place in range(filled):
                if kinds[out[row, place]] == kinds[candidate]:
                    same, worst = same + 1, place
            if same == most_of_a_kind:
                if score <= scores[row, out[row, worst]]:
                    continue
                place = worst
            else:
                place = min(filled, count - 1)
                filled = min(filled + 1, count)
            while place > 0 and scores[row, out[row, place - 1]] < score:
                out[row, place] = out[row, place - 1]
                place -= 1
            out[row, place] = candidate
