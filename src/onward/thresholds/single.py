"""One threshold for every level: the boundary that ignores uncertainty, and the control of the others."""

import numpy as np
import numpy.typing as npt

from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.grid import Grid, build_grid


def single_grid(score: npt.ArrayLike, expected: npt.ArrayLike) -> Grid:
    """Return the finest grid over scores alone: a cut after every different score; see `build_grid`."""
    return build_grid(score, np.zeros(np.shape(score), np.int64), expected, 1, None)


def single_frontier(grid: Grid) -> Frontier:
    """Return every prefix of a grid that has one level."""
    (only,) = grid.levels
    return Frontier(shown=only.shown, positives=only.positives, choice=lambda point: (point,))


def search_single(
    score: npt.ArrayLike, expected: npt.ArrayLike, precision_target: float, *, levels: int
) -> SearchResult:
    """Find the one score threshold with most positives at precision ≥ target, and give it to every level.

    See `build_grid` for the arguments; which level an example belongs to plays no part.
    """
    grid = single_grid(score, expected)
    return conclude("single", grid, single_frontier(grid), precision_target, copies=levels)
