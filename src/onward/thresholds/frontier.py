"""What a search can reach, and the choice it makes for one precision target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from onward.errors import InfeasibleTargetError
from onward.thresholds.grid import Floats, Grid, Ints


@dataclass(frozen=True)
class Frontier:
    """The operating points of one search; they do not depend on the target.

    Attributes:
        shown: [m], examples shown at each point (never understated).
        positives: [m], expected positives among them; -inf where no boundary leads to the point.
        choice: for a point, how many prefixes of each level of the grid lie above the cut.
    """

    shown: Ints
    positives: Floats
    choice: Callable[[int], tuple[int, ...]]

    @property
    def precision(self) -> Floats:
        """[m]; -inf for the empty point and for points that cannot be reached."""
        precision = np.full(len(self.shown), -np.inf)
        np.divide(self.positives, self.shown, out=precision, where=self.shown > 0)
        return precision

    def best(self, precision_target: float) -> int | None:
        """Return the point with most positives that keeps the target, the smallest such; None where there is none."""
        kept = np.flatnonzero(self.precision >= precision_target)
        return int(kept[np.argmax(self.positives[kept])]) if len(kept) else None


@dataclass(frozen=True)
class SearchResult:
    """A decision boundary and what it does on the examples it was fitted to.

    Attributes:
        search: name of the search.
        precision_target: what was asked.
        feasible: whether a non-empty boundary reaches the target.
        cuts: show an example if its score is at least the cut of its level; inf never shows.
        examples: examples searched.
        shown: examples shown.
        positives: expected positives among them.
        precision: positives / shown; None where nothing is shown.
        recall: share of all expected positives that are shown.
        reachable_precision: highest precision of any non-empty boundary that the search can express.
    """

    search: str
    precision_target: float
    feasible: bool
    cuts: tuple[float, ...]
    examples: int
    shown: int
    positives: float
    precision: float | None
    recall: float
    reachable_precision: float

    def require_feasible(self) -> None:
        """Let a boundary pass that keeps its target.

        Raises:
            InfeasibleTargetError: it does not exist; the message says how far the search could go.
        """
        if not self.feasible:
            raise InfeasibleTargetError(
                f"thresholds.precision_target = {self.precision_target:g}: {self.search} reaches at most "
                f"{self.reachable_precision:.4f} on {self.examples} impressions of the threshold split; "
                "lower the target, raise thresholds.bins_per_level or train on more data"
            )

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON; an infinite cut becomes None."""
        return {**vars(self), "cuts": [cut if np.isfinite(cut) else None for cut in self.cuts]}


def conclude(search: str, grid: Grid, frontier: Frontier, precision_target: float, copies: int = 1) -> SearchResult:
    """Choose a point of the frontier and count again, on the grid's true counts, what its cuts show.

    Args:
        search: name of the search.
        grid: what the frontier was made of.
        frontier: the operating points.
        precision_target: what is asked.
        copies: how often the cuts are repeated; a grid that ignores levels gives one cut for all of them.
    """
    point = frontier.best(precision_target)
    choice = (0,) * len(grid.levels) if point is None else frontier.choice(point)
    chosen = list(zip(grid.levels, choice, strict=True))
    shown = sum(int(level.shown[j]) for level, j in chosen)
    positives = sum(float(level.positives[j]) for level, j in chosen)
    return SearchResult(
        search=search,
        precision_target=precision_target,
        feasible=shown > 0 and positives / shown >= precision_target,
        cuts=tuple(float(level.cuts[j]) for level, j in chosen) * copies,
        examples=grid.examples,
        shown=shown,
        positives=positives,
        precision=positives / shown if shown else None,
        recall=positives / grid.positives if grid.positives > 0.0 else 0.0,
        reachable_precision=float(frontier.precision.max()),
    )
