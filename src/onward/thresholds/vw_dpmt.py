"""VW-DPMT: the best boundary with one cut per level where bins, or the examples in them, weigh differently."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onward.thresholds.frontier import Frontier
from onward.thresholds.grid import Floats, Grid, Ints, Prefixes, Volumes

# Sums that one level may cost, a fraction of a second; beyond it the states are thinned.
_WORK = 1_000_000


@dataclass(frozen=True)
class _Step:
    """How each state after a level came about, [m] each."""

    state: Ints
    prefix: Ints


def vw_dpmt_frontier(grid: Grid, work: int = _WORK) -> Frontier:
    """Keep every undominated pair (weight shown, positives), level after level (arXiv 2311.11723).

    A state that shows more and holds no more positives than another can never become part of a best boundary, for a
    precision, a recall or a cost target alike; what is left is exact for any weights, whole or not. With equal weights
    there are at most K·L + 1 states; with unequal ones the problem is NP-hard and the states may multiply. Where
    states × prefixes would exceed `work`, the best state of each of equally wide volumes is kept. Kept states are true
    sums, so a thinned answer may fall short of the best but never misses its target unseen.
    """
    shown: Volumes = grid.levels[0].shown[:1]
    positives = np.zeros(1)
    steps: list[_Step] = []
    for level in grid.levels:
        kept = _thin(shown, max(1, work // len(level.shown)))
        shown, positives, step = _add_level(shown[kept], positives[kept], level)
        steps.append(_Step(kept[step.state], step.prefix))
    return Frontier(shown=shown, positives=positives, choice=lambda point: _trace(steps, point))


def _add_level(shown: Volumes, positives: Floats, level: Prefixes) -> tuple[Volumes, Floats, _Step]:
    all_shown = (shown[:, None] + level.shown[None, :]).ravel()
    all_positives = (positives[:, None] + level.positives[None, :]).ravel()
    # By volume, and among equal volumes the most positives first: the undominated are the running records.
    order = np.lexsort((-all_positives, all_shown))
    ordered = all_positives[order]
    record = np.r_[True, ordered[1:] > np.maximum.accumulate(ordered)[:-1]]
    kept = order[record]
    state, prefix = np.divmod(kept, len(level.shown))
    return all_shown[kept], all_positives[kept], _Step(state, prefix)


def _thin(shown: Volumes, most: int) -> Ints:
    """Return the states to go on with: all, or the last (and so the best) of each of `most` equally wide volumes."""
    if len(shown) <= most:
        return np.arange(len(shown))
    slot = np.ceil(np.asarray(shown, np.float64) / (float(shown[-1]) / (most - 1 or 1))).astype(np.int64)
    return np.flatnonzero(np.r_[slot[1:] != slot[:-1], True])


def _trace(steps: Sequence[_Step], point: int) -> tuple[int, ...]:
    chosen: list[int] = []
    for step in reversed(steps):
        chosen.append(int(step.prefix[point]))
        point = int(step.state[point])
    return tuple(reversed(chosen))
