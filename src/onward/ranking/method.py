"""The contract of every score of pairs: all candidates after some sources, or single pairs."""

from collections.abc import Callable

import numpy as np

from onward.ranking.chains import Floats
from onward.ranking.directed_graph import Ints

Method = Callable[[Ints], Floats]
"""Scores of all candidates, a new array [m, candidates], for source products [m]; higher comes first."""

_BLOCK_CELLS = 4_000_000


def score_pairs(method: Method, source: Ints, product: Ints, candidates: int) -> Floats:
    """[r] score of each pair alone, in blocks."""
    distinct, source_row = np.unique(source, return_inverse=True)
    score = np.empty(len(source))
    step = max(1, _BLOCK_CELLS // candidates)
    for start in range(0, len(distinct), step):
        in_block = (source_row >= start) & (source_row < start + step)
        score[in_block] = method(distinct[start : start + step])[source_row[in_block] - start, product[in_block]]
    return score
