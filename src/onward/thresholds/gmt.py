"""GMT: lower the cut of whichever level promises most next, one bin at a time."""

import numpy as np

from onward.thresholds.frontier import Frontier
from onward.thresholds.grid import Grid


def gmt_frontier(grid: Grid) -> Frontier:
    """Take the next bin of the level where that bin's rate is highest; bins of equal rate are taken together.

    O(K·L·K) and blind beyond the next bin: a level whose next bin is poor waits, however rich the one behind it is.
    MIST pools such bins; this search is the yardstick for what that is worth. (Greedy multi-thresholds of
    arXiv 2311.11723.)
    """
    rates = [np.r_[np.diff(level.positives) / np.diff(level.shown), -np.inf] for level in grid.levels]
    place = np.zeros(len(rates), np.int64)
    choices = [place.copy()]
    while True:
        heads = np.array([rate[at] for rate, at in zip(rates, place, strict=True)])
        best = heads.max(initial=-np.inf)
        if best == -np.inf:
            break
        place = place + (heads == best)
        choices.append(place)
    taken = np.stack(choices)
    columns = list(zip(grid.levels, taken.T, strict=True))
    return Frontier(
        shown=np.sum([level.shown[column] for level, column in columns], axis=0),
        positives=np.sum([level.positives[column] for level, column in columns], axis=0),
        choice=lambda point: tuple(int(j) for j in taken[point]),
    )
