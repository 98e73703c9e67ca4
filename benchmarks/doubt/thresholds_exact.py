"""Are the boundary searches exact where they say so, how far is the approximate one off, and what does each cost?

Every possible boundary of small random grids is enumerated and compared with EW-DPMT (bins of equal size) and VW-DPMT
(bins of any weight). MIST and the greedy search are compared with EW-DPMT on grids whose rates are smooth. The time
table builds grids of K levels and L bins from many examples and times each search alone.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.progress import track

from benchmarks.harness.form import Cell, Finding, publish
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.frontier import Frontier, SearchResult, conclude
from onward.thresholds.gmt import gmt_frontier
from onward.thresholds.grid import Floats, Grid, Ints, build_common_grid, build_grid
from onward.thresholds.mist import mist_frontier
from onward.thresholds.target import Target
from onward.thresholds.vw_dpmt import vw_dpmt_frontier

GRIDS = 600
SMOOTH_GRIDS = 60
SMOOTH_EXAMPLES = 100_000
RECALLS = (0.2, 0.5, 0.8)
SIZES = ((5, 50), (5, 200), (10, 50), (10, 200), (20, 50), (20, 200), (20, 1000))
EXAMPLES_PER_BIN = 50
SEARCHES: dict[str, Callable[[Grid], Frontier]] = {
    "mist": mist_frontier, "gmt": gmt_frontier, "ew_dpmt": dpmt_frontier, "vw_dpmt": vw_dpmt_frontier,
}  # fmt: skip


def random_grid(seed: int, *, weighted: bool) -> Grid:
    """Return a small grid with uneven or empty levels, tied scores and fractional labels; weighted: unequal bins."""
    rng = np.random.default_rng([seed, int(weighted)])
    n, levels, bins = int(rng.integers(1, 80)), int(rng.integers(1, 5)), int(rng.integers(1, 7))
    level = rng.choice(levels, n, p=rng.dirichlet(np.ones(levels)))
    score = rng.integers(0, int(rng.integers(1, 50)), n) / 16.0
    expected = np.where(rng.random(n) < 0.4, rng.random(n), rng.random(n) < score)
    if weighted:
        return build_common_grid(score, level, expected, levels, bins, rng.gamma(2.0, 1.0, n) + 0.01)
    return build_grid(score, level, expected, levels, bins)


def best_positives(grid: Grid, precision: float) -> float:
    """Enumerate every boundary; most positives at the precision, 0 where none keeps it."""
    best = 0.0
    for chosen in itertools.product(*(range(len(level.cuts)) for level in grid.levels)):
        shown = sum(level.shown[j].item() for level, j in zip(grid.levels, chosen, strict=True))
        positives = sum(float(level.positives[j]) for level, j in zip(grid.levels, chosen, strict=True))
        if shown and positives / shown >= precision:
            best = max(best, positives)
    return best


def count_mismatches(search: str, *, weighted: bool) -> tuple[int, int]:
    """Return how many grids the search and the enumeration differ on, and how many had a boundary at all."""
    different, feasible = 0, 0
    for seed in track(range(GRIDS), description=f"{search} against enumeration"):
        precision = float(np.random.default_rng([seed, 2]).choice([0.1, 0.3, 0.5, 0.6, 0.75, 0.9]))
        grid = random_grid(seed, weighted=weighted)
        found = conclude(search, grid, SEARCHES[search](grid), precision)
        different += abs(found.positives - best_positives(grid, precision)) > 1e-9
        feasible += found.feasible
    return different, feasible


def smooth_shop(seed: int, n: int, levels: int) -> tuple[Floats, Ints, Floats]:
    """Scores, levels and rates that rise smoothly with the score, each level on a curve of its own."""
    rng = np.random.default_rng([seed, 3])
    score, level = rng.random(n), rng.integers(0, levels, n)
    power, height = rng.uniform(1.5, 4.0, levels), rng.uniform(0.05, 0.6, levels)
    return score, level, height[level] * score ** power[level]


def shortfalls(search: str, *, drawn: bool) -> list[float]:
    """Return the relative recall that a search gives away to EW-DPMT on smooth grids, one a grid and target.

    With the rates themselves as labels, bins of equal size fall in every level and any greedy search is exact up to
    remainders. With labels drawn from them, EW-DPMT also fits the luck of single bins.
    """
    lost = []
    for seed in track(range(SMOOTH_GRIDS), description=f"{search} on smooth grids"):
        score, level, rate = smooth_shop(seed, SMOOTH_EXAMPLES, 5)
        label = (np.random.default_rng([seed, 5]).random(len(rate)) < rate).astype(np.float64)
        grid = build_grid(score, level, label if drawn else rate, 5, 50)
        truth = build_grid(score, level, rate, 5, 50)
        for recall in RECALLS:
            # The precision at which the true rates would give this recall.
            reached = conclude("", truth, dpmt_frontier(truth), Target("recall", recall)).precision
            target = Target("precision", reached or 0.5)
            exact, other = (conclude("", grid, SEARCHES[name](grid), target) for name in ("ew_dpmt", search))
            lost.append(1.0 - other.recall / exact.recall)
    return lost


def timed(search: str, grid: Grid) -> tuple[float, SearchResult]:
    """Return the median processor seconds of three searches of a grid on one thread, the choice included."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        result = conclude(search, grid, SEARCHES[search](grid), 0.1)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), result


def time_table() -> tuple[list[dict[str, Cell]], float]:
    """Time every search over K and L; also return EW-DPMT's seconds at the largest."""
    rows: list[dict[str, Cell]] = []
    largest = 0.0
    for levels, bins in track(SIZES, description="time over K and L"):
        score, level, rate = smooth_shop(0, levels * bins * EXAMPLES_PER_BIN, levels)
        # Levels of equal size, as quantile edges make them on their own split.
        level = (np.argsort(np.argsort(level + score * 1e-9)) // (bins * EXAMPLES_PER_BIN)).astype(np.int64)
        label = (np.random.default_rng(4).random(len(rate)) < rate).astype(np.float64)
        grid = build_grid(score, level, label, levels, bins)
        row: dict[str, Cell] = {"what": f"seconds, K {levels} L {bins}, {len(score)} examples"}
        for search in SEARCHES:
            row[search], _ = timed(search, grid)
        largest = float(str(row["ew_dpmt"]))
        rows.append(row)
    return rows, largest


def main() -> None:
    """Enumerate, compare, time and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    equal, equal_feasible = count_mismatches("ew_dpmt", weighted=False)
    unequal, unequal_feasible = count_mismatches("vw_dpmt", weighted=True)
    blank: dict[str, Cell] = dict.fromkeys(SEARCHES)
    rows: list[dict[str, Cell]] = [
        {"what": f"grids of {GRIDS} that differ from enumeration", **blank, "ew_dpmt": equal, "vw_dpmt": unequal},
        {"what": "of them with a boundary", **blank, "ew_dpmt": equal_feasible, "vw_dpmt": unequal_feasible},
    ]
    lost = {(name, drawn): shortfalls(name, drawn=drawn) for name in ("mist", "gmt") for drawn in (False, True)}
    for drawn, labels in ((False, "rates as labels"), (True, "drawn labels")):
        for what, summary in (("mean", statistics.fmean), ("most", max)):
            given_away = {name: summary(lost[name, drawn]) for name in ("mist", "gmt")}
            rows.append({"what": f"recall given away on smooth grids, {labels}, {what}", **blank, **given_away})
    times, largest = time_table()
    claims = {
        "mismatches": float(equal + unequal),
        "grids": float(2 * GRIDS),
        "seconds_k20_l1000": largest,
        "mist_recall_shortfall_max": max(lost["mist", False]),
        "mist_recall_shortfall_drawn_mean": statistics.fmean(lost["mist", True]),
        "mist_recall_shortfall_drawn_max": max(lost["mist", True]),
    }
    publish(Finding("thresholds_exact", list(range(GRIDS)), [*rows, *times], claims))


if __name__ == "__main__":
    main()
