"""EW-DPMT: the best boundary with one cut per level, by dynamic programming over equal-weight bins."""

import numpy as np
import numpy.typing as npt

from onward.errors import DataError
from onward.thresholds.frontier import Frontier
from onward.thresholds.grid import Floats, Grid, Prefixes

# Additions that a search may cost, about half a second. Beyond it examples are counted in units of several.
_WORK = 1_000_000_000


def dpmt_frontier(grid: Grid, work: int = _WORK) -> Frontier:
    """Most positives R[m] for every number m of examples shown (arXiv 2311.11723).

    R'[m + n_j] = max(R[m] + c_j) over the prefixes j of the next level, which show n_j examples with c_j positives.
    The paper counts m in bins, which is exact only while all bins weigh the same; levels frozen on other customers,
    remainders and ties make them differ. Here m counts what divides every bin: whole bins where all weigh the same,
    O(K²L²), single examples at worst, so the answer is exact for bins of any size. Where
    that would cost more than `work` additions, m counts units of several examples and n_j is rounded *up*:
    the answer may then fall short of the best by less than one unit a level, but never misses its target unseen.

    Raises:
        DataError: examples carry weights of their own, which VW-DPMT takes.
    """
    if not grid.counted:
        raise DataError("ew_dpmt counts examples and cannot weigh them; set thresholds.search: vw_dpmt")
    unit = _unit(grid, work)
    reached = [np.zeros(1)]
    for level in grid.levels:
        reached.append(_add_level(reached[-1], level, unit))

    def choice(point: int) -> tuple[int, ...]:
        chosen: list[int] = []
        for i in range(len(grid.levels) - 1, -1, -1):
            level = grid.levels[i]
            before = reached[i]
            after = reached[i + 1]
            rest = point - _units(level, unit)
            there = (rest >= 0) & (rest < len(before))
            # The very sums of the forward pass come out again, so one of them is equal to the last digit.
            same = before[np.where(there, rest, 0)] + level.positives == after[point]
            chosen.append(int(np.flatnonzero(there & same)[0]))
            point = int(rest[chosen[-1]])
        return tuple(reversed(chosen))

    return Frontier(shown=np.arange(len(reached[-1]), dtype=np.int64) * unit, positives=reached[-1], choice=choice)


def _unit(grid: Grid, work: int) -> int:
    divisor = max(1, int(np.gcd.reduce(np.concatenate([level.shown for level in grid.levels]))))
    prefixes = sum(len(level.shown) for level in grid.levels)
    return divisor * max(1, -(-int(grid.examples) * prefixes // (divisor * work)))


def _add_level(before: Floats, level: Prefixes, unit: int) -> Floats:
    units = _units(level, unit)
    after = np.full(len(before) + int(units[-1]), -np.inf)
    sums = np.empty_like(before)
    for weight, positives in zip(units.tolist(), level.positives.tolist(), strict=True):
        np.add(before, positives, out=sums)
        window = after[weight : weight + len(before)]
        np.maximum(window, sums, out=window)
    return after


def _units(level: Prefixes, unit: int) -> npt.NDArray[np.int64]:
    return np.asarray(-(-level.shown // unit), np.int64)
