"""MIST: order the bins of all levels by their isotonic rate and show the longest prefix that keeps precision."""

import numpy as np
from scipy.optimize import isotonic_regression

from onward.thresholds.frontier import Frontier
from onward.thresholds.grid import Floats, Grid, Ints, Prefixes


def mist_frontier(grid: Grid) -> Frontier:
    """Walk down the isotonic rates of all levels at once, O(KL log KL).

    Within a level, bins that break the order are pooled into blocks; a block's rate is its true rate, so the counts
    stay exact. A block that no other level ties with is entered bin by bin, since a block that luck has made long
    would otherwise be taken or left as a whole; blocks of equal rate in several levels are shown together or not at
    all. Every point is one that EW-DPMT can reach on the same grid: never more positives than EW-DPMT.
    (arXiv 2311.11723.)
    """
    blocks = [_blocks(level) for level in grid.levels]
    rates = np.unique(np.concatenate([rate for rate, _ in blocks]))[::-1]
    # [points, levels]: prefixes of each level whose rate is at least the point's.
    choices = np.stack([np.r_[0, ends][np.searchsorted(-rate, -rates, side="right")] for rate, ends in blocks], axis=1)
    choices = _enter_blocks(choices)
    reached = [
        (level.shown[column], level.positives[column]) for level, column in zip(grid.levels, choices.T, strict=True)
    ]
    return Frontier(
        shown=np.sum([shown for shown, _ in reached], axis=0),
        positives=np.sum([positives for _, positives in reached], axis=0),
        choice=lambda point: tuple(int(j) for j in choices[point]),
    )


def _enter_blocks(choices: Ints) -> Ints:
    """Put the bins of a block between its start and its end, where only one level moves; [more points, levels]."""
    before = np.vstack([np.zeros((1, choices.shape[1]), np.int64), choices])
    step = np.diff(before, axis=0)
    moved = (step > 0).sum(axis=1)
    # How many points each step becomes; the last of them is the step itself.
    size = np.where(moved == 1, step.max(axis=1, initial=0), np.ones(len(step), np.int64))
    row = np.repeat(np.arange(len(choices)), size)
    left = np.repeat(np.cumsum(size), size) - 1 - np.arange(len(row))
    entered: Ints = choices[row] - np.where(step[row] > 0, left[:, None], 0)
    return entered


def _blocks(level: Prefixes) -> tuple[Floats, Ints]:
    """Return the rate of each isotonic block, decreasing, and the prefix at which it ends."""
    shown, positives = np.diff(level.shown), np.diff(level.positives)
    if not len(shown):
        return np.zeros(0), np.zeros(0, np.int64)
    pooled = isotonic_regression(positives / shown, weights=shown.astype(np.float64), increasing=False).x
    ends = np.flatnonzero(np.r_[pooled[1:] != pooled[:-1], True]) + 1
    rate = np.diff(level.positives[np.r_[0, ends]]) / np.diff(level.shown[np.r_[0, ends]])
    # Pooled means and true rates may differ in the last digit; the order must survive that.
    return np.minimum.accumulate(rate), ends.astype(np.int64)
