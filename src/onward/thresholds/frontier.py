"""What a search can reach, and the choice it makes for one precision target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from onward.errors import InfeasibleTargetError
from onward.thresholds.grid import Floats, Grid, Volumes
from onward.thresholds.target import Target


@dataclass(frozen=True)
class Frontier:
    """The operating points of one search; they do not depend on the target.

    Attributes:
        shown: [m], examples shown at each point, or their weight (never understated), increasing.
        positives: [m], expected positives among them; -inf where no boundary leads to the point.
        choice: for a point, how many prefixes of each level of the grid lie above the cut.
    """

    shown: Volumes
    positives: Floats
    choice: Callable[[int], tuple[int, ...]]

    @property
    def precision(self) -> Floats:
        """[m]; -inf for the empty point and for points that cannot be reached."""
        precision = np.full(len(self.shown), -np.inf)
        np.divide(self.positives, self.shown, out=precision, where=self.shown > 0)
        return precision


@dataclass(frozen=True)
class SearchResult:
    """A decision boundary and what it does on the examples it was fitted to.

    Attributes:
        search: name of the search.
        asked: the target.
        precision_target: the precision that the target demands; for a recall target the precision that was reached.
        feasible: whether a non-empty boundary reaches the target.
        cuts: show an example if its score is at least the cut of its level; inf never shows.
        examples: examples searched.
        shown: examples shown, or their weight.
        positives: expected positives among them.
        precision: positives / shown; None where nothing is shown.
        recall: share of all expected positives that are shown.
        reachable_precision: highest precision of any non-empty boundary that the search can express.
    """

    search: str
    asked: Target
    precision_target: float
    feasible: bool
    cuts: tuple[float, ...]
    examples: float
    shown: float
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
                f"{self.asked}: {self.search} reaches at most "
                f"{self.reachable_precision:.4f} on {self.examples:g} impressions of the threshold split; "
                "lower the target, raise thresholds.bins_per_level or train on more data"
            )

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON; an infinite cut becomes None."""
        values = {name: value for name, value in vars(self).items() if name != "asked"}
        if self.asked.kind != "precision":
            values["asked"] = vars(self.asked)
        return {**values, "cuts": [cut if np.isfinite(cut) else None for cut in self.cuts]}


def conclude(search: str, grid: Grid, frontier: Frontier, target: float | Target, copies: int = 1) -> SearchResult:
    """Choose a point of the frontier and count again, on the grid's true counts, what its cuts show.

    Args:
        search: name of the search.
        grid: what the frontier was made of.
        frontier: the operating points.
        target: what is asked; a bare number is a precision.
        copies: how often the cuts are repeated; a grid that ignores levels gives one cut for all of them.
    """
    goal = target if isinstance(target, Target) else Target("precision", target)
    point = goal.choose(frontier.shown, frontier.positives, grid.positives)
    choice = (0,) * len(grid.levels) if point is None else frontier.choice(point)
    chosen = list(zip(grid.levels, choice, strict=True))
    shown = sum(level.shown[j].item() for level, j in chosen)
    positives = sum(float(level.positives[j]) for level, j in chosen)
    precision = positives / shown if shown else None
    demanded = goal.break_even
    return SearchResult(
        search=search,
        asked=goal,
        precision_target=(precision or 0.0) if demanded is None else demanded,
        feasible=bool(goal.keeps(np.array([shown]), np.array([positives]), grid.positives)[0]),
        cuts=tuple(float(level.cuts[j]) for level, j in chosen) * copies,
        examples=grid.examples,
        shown=shown,
        positives=positives,
        precision=precision,
        recall=positives / grid.positives if grid.positives > 0.0 else 0.0,
        reachable_precision=float(frontier.precision.max()),
    )
