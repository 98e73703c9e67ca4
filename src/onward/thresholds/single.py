"""One threshold for every level: the boundary that ignores uncertainty, and the control of the others."""

import numpy as np
import numpy.typing as npt

from onward.thresholds.frontier import Frontier
from onward.thresholds.grid import Grid, build_grid


def single_grid(score: npt.ArrayLike, expected: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Grid:
    """Return the finest grid over scores alone: a cut after every different score; see `build_grid`."""
    return build_grid(score, np.zeros(np.shape(score), np.int64), expected, 1, None, weight)


def single_frontier(grid: Grid) -> Frontier:
    """Return every prefix of a grid that has one level."""
    (only,) = grid.levels
    return Frontier(shown=only.shown, positives=only.positives, choice=lambda point: (point,))
