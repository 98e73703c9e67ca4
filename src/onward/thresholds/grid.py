"""The cuts a search may choose from, and exactly what each of them would show."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.errors import DataError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Volumes = npt.NDArray[np.int64] | npt.NDArray[np.float64]  # counted examples, or their summed weights

# Expected positives are counted in steps of 2^-24, rounded down. Sums of such numbers are exact up to 2^29 examples,
# so no answer depends on the order of summation, and a precision that is reported is never overstated.
_STEP = 2.0**-24


@dataclass(frozen=True)
class Prefixes:
    """What showing the best examples of one level means, for each cut allowed there.

    Attributes:
        cuts: [b + 1], decreasing from infinity (show nothing) to the level's lowest score.
        shown: [b + 1], examples with score ≥ cut, or their summed weights, increasing from 0.
        positives: [b + 1], expected positives among them.
    """

    cuts: Floats
    shown: Volumes
    positives: Floats


@dataclass(frozen=True)
class Grid:
    """One set of prefixes a level."""

    levels: tuple[Prefixes, ...]

    @property
    def examples(self) -> float:
        """Number of examples in all levels, or their summed weights."""
        total: float = sum(level.shown[-1].item() for level in self.levels)
        return total

    @property
    def counted(self) -> bool:
        """Whether examples are counted; False where each has a weight of its own."""
        return all(np.issubdtype(level.shown.dtype, np.integer) for level in self.levels)

    @property
    def positives(self) -> float:
        """Expected positives in all levels."""
        return sum(float(level.positives[-1]) for level in self.levels)


def build_grid(
    score: npt.ArrayLike,
    level: npt.ArrayLike,
    expected: npt.ArrayLike,
    levels: int,
    bins_per_level: int | None,
    weight: npt.ArrayLike | None = None,
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
        weight: [n], above 0: how many examples each stands for, such as a delay estimator's weight or one over the
            share at which negatives were sampled. By default every example counts once.

    Raises:
        DataError: no examples, unequal lengths, or a value out of range.
    """
    examples = _Examples.of(score, level, expected, levels, weight)
    width = 1 if bins_per_level is None else -(-len(examples.score) // (levels * bins_per_level))
    return Grid(tuple(_equal_bins(part, width) for part in examples.by_level(levels)))


def build_common_grid(
    score: npt.ArrayLike,
    level: npt.ArrayLike,
    expected: npt.ArrayLike,
    levels: int,
    bins: int,
    weight: npt.ArrayLike | None = None,
) -> Grid:
    """Cut every level at the same scores, as the columns of a heat map, so that bins weigh what they happen to hold.

    The edges part all examples into `bins` of equal size; a bin that is empty in a level gives no cut there. See
    `build_grid` for the arguments and errors.
    """
    examples = _Examples.of(score, level, expected, levels, weight)
    edges = np.unique(np.quantile(examples.score, np.arange(bins) / bins, method="higher"))
    return Grid(tuple(_common_bins(part, edges) for part in examples.by_level(levels)))


@dataclass(frozen=True)
class _Examples:
    """Checked examples, [n] each; positives are rounded down to steps, weights up."""

    score: Floats
    level: npt.NDArray[np.generic]
    positives: Floats
    weight: Volumes

    @classmethod
    def of(
        cls,
        score: npt.ArrayLike,
        level: npt.ArrayLike,
        expected: npt.ArrayLike,
        levels: int,
        weight: npt.ArrayLike | None,
    ) -> "_Examples":
        scores = np.asarray(score, np.float64)
        labels = np.asarray(expected, np.float64)
        members = np.asarray(level)
        _check(scores, members, labels, levels)
        if weight is None:
            return cls(scores, members, np.floor(labels / _STEP) * _STEP, np.ones(len(scores), np.int64))
        weights = np.asarray(weight, np.float64)
        if weights.shape != scores.shape or not (np.isfinite(weights) & (weights > 0.0)).all():
            raise DataError(
                f"threshold search: {len(scores)} scores need as many weights above 0; run correct_label_delay again"
            )
        return cls(scores, members, np.floor(labels * weights / _STEP) * _STEP, np.ceil(weights / _STEP) * _STEP)

    def by_level(self, levels: int) -> "list[_Examples]":
        """One part a level, each by decreasing score."""
        parts = []
        for i in range(levels):
            rows = np.flatnonzero(self.level == i)
            rows = rows[np.argsort(-self.score[rows], kind="stable")]
            parts.append(_Examples(self.score[rows], self.level[rows], self.positives[rows], self.weight[rows]))
        return parts

    def prefixes(self, ends: Ints) -> Prefixes:
        """What the first `ends` examples hold, given that this part is one level by decreasing score."""
        shown: Volumes = np.concatenate([np.zeros(1, self.weight.dtype), np.cumsum(self.weight)])
        total = np.r_[0.0, np.cumsum(self.positives)]
        return Prefixes(cuts=np.r_[np.inf, self.score][ends], shown=shown[ends], positives=total[ends])


def _equal_bins(part: _Examples, width: int) -> Prefixes:
    descending = part.score
    n = len(descending)
    group_ends = np.flatnonzero(np.r_[descending[1:] != descending[:-1], np.ones(min(n, 1), bool)]) + 1
    bounds = np.r_[np.arange(width, n, width), np.full(min(n, 1), n)]
    after = group_ends[np.searchsorted(group_ends, bounds, side="left")]
    before = np.r_[0, group_ends][np.searchsorted(group_ends, bounds, side="right")]
    return part.prefixes(np.unique(np.r_[0, before, after]).astype(np.int64))


def _common_bins(part: _Examples, edges: Floats) -> Prefixes:
    # How many examples reach each edge; edges that part none from the next give the same end and fall together.
    ends = np.searchsorted(-part.score, -edges, side="right")
    return part.prefixes(np.unique(np.r_[0, ends]).astype(np.int64))


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
