"""Each boundary search in one call, from examples to cuts: what tests and benchmarks ask of it."""

from collections.abc import Callable
from typing import Protocol

import numpy.typing as npt

from onward.thresholds.frontier import SearchResult, conclude
from onward.thresholds.grid import Grid, build_common_grid, build_grid
from onward.thresholds.searches import SEARCHES
from onward.thresholds.single import single_grid
from onward.thresholds.target import Target


class SearchByLevel(Protocol):
    """One cut a level; see `build_grid` for the arguments."""

    def __call__(
        self,
        score: npt.ArrayLike,
        level: npt.ArrayLike,
        expected: npt.ArrayLike,
        target: float | Target,
        *,
        levels: int,
        bins_per_level: int,
        weight: npt.ArrayLike | None = None,
    ) -> SearchResult:
        """Find the cuts that keep the target best."""


def _by_level(name: str, build: Callable[..., Grid] = build_grid) -> SearchByLevel:
    def search(
        score: npt.ArrayLike,
        level: npt.ArrayLike,
        expected: npt.ArrayLike,
        target: float | Target,
        *,
        levels: int,
        bins_per_level: int,
        weight: npt.ArrayLike | None = None,
    ) -> SearchResult:
        grid = build(score, level, expected, levels, bins_per_level, weight)
        return conclude(name, grid, SEARCHES[name].frontier(grid), target)

    return search


search_mist = _by_level("mist")
search_gmt = _by_level("gmt")
search_ew_dpmt = _by_level("ew_dpmt")
search_vw_dpmt = _by_level("vw_dpmt", build_common_grid)


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
    return conclude("single", grid, SEARCHES["single"].frontier(grid), target, copies=levels)
