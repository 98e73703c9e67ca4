"""One threshold for every level: the boundary that ignores uncertainty, and the control of the others."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.grid import Grid, build_grid


def single_frontier(grid: Grid) -> Frontier:
    """Return every prefix of a grid that has one level."""
    (only,) = grid.levels
    return Frontier(shown=only.shown, positives=only.positives, choice=lambda point: (point,))


def search_single(
    score: npt.ArrayLike, level: npt.ArrayLike, expected: npt.ArrayLike, precision_target: float, *, levels: int
) -> SearchResult:
    """Find the one score threshold with most positives at precision ≥ target; see `build_grid` for the arguments.

    Every different score is a possible cut, which is finer than any grid of bins.
    """
    grid = build_grid(score, np.zeros(np.shape(level), np.int64), expected, 1, None)
    result = conclude("single", grid, single_frontier(grid), precision_target)
    return replace(result, cuts=result.cuts * levels)
