"""All searches side by side on the fitting split, with the control that tells skill from overfitting."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.choices import LEVELS_AT_RANDOM
from onward.random_streams import Stream
from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.grid import Grid
from onward.thresholds.searches import SEARCHES, Examples
from onward.thresholds.target import Target

# What is compared in every run, whichever search is chosen.
_ALWAYS = ("single", "mist", "ew_dpmt")
# What is said of every search in metrics/thresholds.json.
_FIGURES = ("feasible", "shown", "precision", "recall", "matched_volume_gain")


@dataclass(frozen=True)
class Comparison:
    """What every search reaches on the examples it was fitted to.

    Attributes:
        results: per search, its boundary for the asked target.
        matched_gain: per search, its recall minus the recall of the best scores, equally many.
        operating_points: columns search, shown, precision, recall; what else each search could reach.
    """

    results: dict[str, SearchResult]
    matched_gain: dict[str, float]
    operating_points: pd.DataFrame

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Return every search's boundary and gain as plain values, ready for JSON."""
        return {
            name: {**result.to_dict(), "matched_volume_gain": self.matched_gain[name]}
            for name, result in self.results.items()
        }

    def figures(self) -> dict[str, dict[str, object]]:
        """Return what metrics say of every search."""
        return {name: {key: values[key] for key in _FIGURES} for name, values in self.to_dict().items()}


def compare_searches(
    score: npt.ArrayLike,
    level: npt.ArrayLike,
    expected: npt.ArrayLike,
    target: float | Target,
    *,
    levels: int,
    bins_per_level: int,
    seed: int,
    extra: tuple[str, ...] = (),
) -> Comparison:
    """Run single, mist, ew_dpmt and the control; see `build_grid` for the arguments.

    `extra` names further searches of `SEARCHES` to run; what is run anyway may be named too.
    """
    examples = Examples(score, level, expected, levels, bins_per_level)
    shuffled = np.random.default_rng([seed, Stream.LEVEL_CONTROL_FIT]).permutation(np.asarray(level))
    chance = replace(examples, level=shuffled)
    fitted = {name: (examples, SEARCHES[name]) for name in _ALWAYS}
    fitted[LEVELS_AT_RANDOM] = (chance, SEARCHES["ew_dpmt"])
    fitted |= {name: (examples, search) for name, search in SEARCHES.items() if name in extra}
    searches: dict[str, tuple[Grid, Frontier]] = {}
    for name, (data, search) in fitted.items():
        grid = search.grid(data)
        searches[name] = (grid, search.frontier(grid))
    best_scores = searches["single"][1]
    results = {
        name: conclude(name, grid, frontier, target, levels // len(grid.levels))
        for name, (grid, frontier) in searches.items()
    }
    points = [operating_points(frontier, grid).assign(search=name) for name, (grid, frontier) in searches.items()]
    return Comparison(
        results=results,
        matched_gain={name: _matched_gain(result, best_scores) for name, result in results.items()},
        operating_points=pd.concat(points, ignore_index=True)[["search", "shown", "precision", "recall"]],
    )


def operating_points(frontier: Frontier, grid: Grid, points: int = 50) -> pd.DataFrame:
    """Thin a frontier to volumes spread evenly on a log scale: the most positives within each volume.

    Returns:
        Columns shown, precision, recall; at most `points` rows.
    """
    budgets = np.geomspace(1.0, grid.examples, points).round().astype(np.int64)
    best = np.maximum.accumulate(frontier.positives)
    # The first point that holds as many positives as the budget can buy.
    within = np.searchsorted(frontier.shown, budgets, side="right") - 1
    chosen = np.unique(np.searchsorted(best, best[within[within >= 0]], side="left"))
    chosen = chosen[(frontier.shown[chosen] > 0) & (frontier.positives[chosen] > 0.0)]
    positives = frontier.positives[chosen]
    return pd.DataFrame(
        {
            "shown": frontier.shown[chosen],
            "precision": positives / frontier.shown[chosen],
            "recall": positives / grid.positives if len(chosen) else positives,
        }
    )


def boundary_table(results: dict[str, SearchResult]) -> pd.DataFrame:
    """Return one row a search and level: columns search, level, cut (missing where nothing is shown)."""
    rows = [
        (name, level, cut if np.isfinite(cut) else np.nan)
        for name, result in results.items()
        for level, cut in enumerate(result.cuts)
    ]
    return pd.DataFrame(rows, columns=["search", "level", "cut"])


def _matched_gain(result: SearchResult, best_scores: Frontier) -> float:
    """Recall beyond that of the best scores at the same volume; tied scores share their positives evenly."""
    total = float(best_scores.positives[-1])
    matched = float(np.interp(result.shown, best_scores.shown, best_scores.positives))
    return result.recall - matched / total if total > 0.0 else 0.0
