"""The cuts a search may choose from, and exactly what each of them would show."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.errors import DataError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Expected positives are counted in steps of 2^-24, rounded down. Sums of such numbers are exact up to 2^29 examples,
# so no answer depends on the order of summation, and a precision that is reported is never overstated.
_STEP = 2.0**-24


@dataclass(frozen=True)
class Prefixes:
    """What showing the best examples of one level means, for each cut allowed there.

    Attributes:
        cuts: [b + 1], decreasing from infinity (show nothing) to the level's lowest score.
        shown: [b + 1], examples with score ≥ cut, increasing from 0.
        positives: [b + 1], expected positives among them.
    """

    cuts: Floats
    shown: Ints
    positives: Floats


@dataclass(frozen=True)
class Grid:
    """One set of prefixes a level."""

    levels: tuple[Prefixes, ...]

    @property
    def examples(self) -> int:
        """Number of examples in all levels."""
        return sum(int(level.shown[-1]) for level in self.levels)

    @property
    def positives(self) -> float:
        """Expected positives in all levels."""
        return sum(float(level.positives[-1]) for level in self.levels)


def build_grid(
    score: npt.ArrayLike, level: npt.ArrayLike, expected: npt.ArrayLike, levels: int, bins_per_level: int | None
) -> Grid:
    """Cut every level into bins of equal size, by decreasing score.

    A bin holds w = ⌈n / (levels · bins_per_level)⌉ examples in *every* level: the levels' edges were frozen on other
    customers, so a level that holds more examples here gets more bins, not heavier ones, and its last bin holds
    what remains. A cut inside a group of equal scores cannot be acted on: it gives way to the cuts right before
    and right after the group. The counts are the true ones, so neither remainder nor tie is ever rounded away.

    Args:
        score: [n], finite.
        level: [n], 0 .. levels - 1; a level may be empty.
        expected: [n], expected positives of each example, in [0, 1].
        levels: number of uncertainty levels K.
        bins_per_level: L; None allows a cut after every different score.

    Raises:
        DataError: no examples, unequal lengths, or a value out of range.
    """
    scores, labels, members = np.asarray(score, np.float64), np.asarray(expected, np.float64), np.asarray(level)
    _check(scores, members, labels, levels)
    counted = np.floor(labels / _STEP) * _STEP
    width = 1 if bins_per_level is None else -(-len(scores) // (levels * bins_per_level))
    picks = (members == i for i in range(levels))
    return Grid(tuple(_prefixes(scores[pick], counted[pick], width) for pick in picks))


def _prefixes(score: Floats, counted: Floats, width: int) -> Prefixes:
    order = np.argsort(-score, kind="stable")
    descending = score[order]
    n = len(descending)
    group_ends = np.flatnonzero(np.r_[descending[1:] != descending[:-1], np.ones(min(n, 1), bool)]) + 1
    wanted = np.r_[np.arange(width, n, width), np.full(min(n, 1), n)]
    after = group_ends[np.searchsorted(group_ends, wanted, side="left")]
    before = np.r_[0, group_ends][np.searchsorted(group_ends, wanted, side="right")]
    ends = np.unique(np.r_[0, before, after]).astype(np.int64)
    total = np.r_[0.0, np.cumsum(counted[order])]
    return Prefixes(cuts=np.r_[np.inf, descending][ends], shown=ends, positives=total[ends])


def _check(score: Floats, level: npt.NDArray[np.generic], expected: Floats, levels: int) -> None:
    if not len(score) or score.shape != level.shape or score.shape != expected.shape:
        raise DataError(
            f"threshold search: {len(score)} scores, {len(level)} levels, {len(expected)} labels; "
            "need as many of each and at least one: check the threshold split"
        )
    wrong = {
        "scores that are not finite": ~np.isfinite(score),
        f"levels outside 0 .. {levels - 1}": ~np.isin(level, np.arange(levels)),
        "expected labels outside [0, 1]": ~((expected >= 0.0) & (expected <= 1.0)),
    }
    for what, rows in wrong.items():
        if rows.any():
            raise DataError(
                f"threshold search: {int(rows.sum())} of {len(score)} {what}; run calibrate_uncertainty again"
            )
