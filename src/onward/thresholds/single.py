"""One threshold for every level: the boundary that ignores uncertainty, and the control of the others."""

import numpy as np
import numpy.typing as npt

from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.grid import Grid, build_grid
from onward.thresholds.target import Target


def single_grid(score: npt.ArrayLike, expected: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Grid:
    """Return the finest grid over scores alone: a cut after every different score; see `build_grid`."""
    return build_grid(score, np.zeros(np.shape(score), np.int64), expected, 1, None, weight)


def single_frontier(grid: Grid) -> Frontier:
    """Return every prefix of a grid that has one level."""
    (only,) = grid.levels
    return Frontier(shown=only.shown, positives=only.positives, choice=lambda point: (point,))


def search_single(
    score: npt.ArrayLike,
    expected: npt.ArrayLike,
    target: float | Target,
    *,
    levels: int,
    weight: npt.ArrayLike | None = None,
) -> SearchResult:
    """Find the one score threshold that keeps the target best, and give it to every level.

    See `build_grid` for the arguments; which level an example belongs to plays no part.
    """
    grid = single_grid(score, expected, weight)
    return conclude("single", grid, single_frontier(grid), target, copies=levels)
