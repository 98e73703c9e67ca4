"""Every search by name: how it sorts examples into bins, and which boundaries it can reach on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy.typing as npt

from onward.choices import AUTO
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.gmt import gmt_frontier
from onward.thresholds.grid import Grid, build_common_grid, build_grid
from onward.thresholds.mist import mist_frontier
from onward.thresholds.single import single_frontier, single_grid
from onward.thresholds.target import Target
from onward.thresholds.vw_dpmt import vw_dpmt_frontier


@dataclass(frozen=True)
class Examples:
    """What cuts are fitted to; see `build_grid`.

    Attributes:
        score: [n].
        level: [n] uncertainty level, 0 .. levels - 1.
        expected: [n] expected label in [0, 1].
        levels: number of levels.
        bins_per_level: how finely a level may be cut.
    """

    score: npt.ArrayLike
    level: npt.ArrayLike
    expected: npt.ArrayLike
    levels: int
    bins_per_level: int


@dataclass(frozen=True)
class Search:
    """One way to find a boundary.

    Attributes:
        grid: sorts examples into bins.
        frontier: the operating points that the search can reach on a grid.
    """

    grid: Callable[[Examples], Grid]
    frontier: Callable[[Grid], Frontier]


def grid_of_scores(examples: Examples) -> Grid:
    """Bins of scores alone, one for every different score; levels play no part."""
    return single_grid(examples.score, examples.expected)


def grid_of_levels(examples: Examples) -> Grid:
    """Bins of equal weight within each level."""
    return build_grid(examples.score, examples.level, examples.expected, examples.levels, examples.bins_per_level)


def grid_of_common_edges(examples: Examples) -> Grid:
    """Bins between score edges that all levels share."""
    return build_common_grid(
        examples.score, examples.level, examples.expected, examples.levels, examples.bins_per_level
    )


SEARCHES: Mapping[str, Search] = MappingProxyType(
    {
        "single": Search(grid_of_scores, single_frontier),
        "mist": Search(grid_of_levels, mist_frontier),
        "ew_dpmt": Search(grid_of_levels, dpmt_frontier),
        "vw_dpmt": Search(grid_of_common_edges, vw_dpmt_frontier),
        "gmt": Search(grid_of_levels, gmt_frontier),
    }
)
"""By the names of `onward.choices.SEARCHES`."""


def chosen_search(configured: str) -> str:
    """The search to run: the configured one; `auto` takes one cut, since what doubt is worth is in the score by then.

    Examples:
        >>> chosen_search("auto"), chosen_search("mist")
        ('single', 'mist')
    """
    return "single" if configured == AUTO else configured


def search_boundary(name: str, examples: Examples, target: Target) -> SearchResult:
    """Find the boundary that keeps the target best, by the search of that name."""
    search = SEARCHES[name]
    grid = search.grid(examples)
    return conclude(name, grid, search.frontier(grid), target, examples.levels // len(grid.levels))
