"""What one cut a level gains over one cut for all, on customers that neither was fitted to.

A search over many cuts always gains where it is fitted. Here customers are dealt into folds; the boundary of each fold
is the best on the others at the volume that is asked, and is held against as many of the fold's best scores.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from onward.random_streams import Stream
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.frontier import conclude
from onward.thresholds.grid import Floats, Ints, build_grid
from onward.thresholds.policy import Policy
from onward.thresholds.single import single_frontier, single_grid
from onward.thresholds.target import Target

FOLDS = 5
_NEAR = 0.1  # examples whose rank is this share of the volume away from the cut tell what one more is worth


@dataclass(frozen=True)
class HeldOutGain:
    """Recall gained at the same volume.

    Attributes:
        recall: share of all expected positives that levels show and the best scores, equally many, do not.
        error: its standard error, by customer.
        volume: share of examples that both show.
    """

    recall: float
    error: float
    volume: float

    @property
    def p_value(self) -> float:
        """One-sided, of the test that levels gain nothing."""
        return float(norm.sf(self.recall / self.error)) if self.error > 0.0 else 1.0


def measure_gain(
    score: Floats,
    level: Ints,
    expected: Floats,
    customer: npt.NDArray[np.int64],
    target: Target,
    *,
    levels: int,
    bins_per_level: int,
    seed: int,
) -> HeldOutGain:
    """Measure the gain at the volume that the target asks for.

    Args:
        score: [n].
        level: [n] uncertainty level, 0 .. levels - 1.
        expected: [n] expected label in [0, 1].
        customer: [n]; a customer is never both fitted to and judged.
        target: what is asked of the boundary; where none reaches it, a tenth of the examples are shown.
        levels: number of levels.
        bins_per_level: how finely a level may be cut.
        seed: of the folds.
    """
    fold = _folds(customer, seed)
    whole = single_grid(score, expected)
    result = conclude("single", whole, single_frontier(whole), target)
    volume = result.shown / result.examples if result.feasible else 0.1
    worth = np.zeros(len(score))
    for number in range(FOLDS):
        held = fold == number
        if not held.any() or held.all():
            continue
        grid = build_grid(score[~held], level[~held], expected[~held], levels, bins_per_level)
        frontier = dpmt_frontier(grid)
        within = frontier.shown <= volume * grid.examples
        choice = frontier.choice(int(np.argmax(np.where(within, frontier.positives, -np.inf))))
        cuts = tuple(float(part.cuts[j]) for part, j in zip(grid.levels, choice, strict=True))
        shown = Policy("ew_dpmt", 0.0, cuts).decide(score[held], level[held])
        worth[held] = _worth(score[held], expected[held], shown)
    total = float(expected.sum())
    if total <= 0.0:
        return HeldOutGain(0.0, 0.0, volume)
    code = np.unique(customer, return_inverse=True)[1]
    gain = float(worth.sum()) / total
    # A ratio's error: what each customer adds beyond the gain on its own positives.
    apart = np.bincount(code, worth - gain * expected)
    error = float(np.sqrt(apart @ apart * len(apart) / max(len(apart) - 1, 1))) / total
    return HeldOutGain(gain, error, volume)


def _worth(score: Floats, expected: Floats, shown: npt.NDArray[np.bool_]) -> Floats:
    """What each example adds to the gain; the rate at the cut is taken off, so that volume itself is worth nothing.

    Examples tied at the cut are shown in part, as many as there is room for; the sum is the gain in positives.
    """
    volume = int(shown.sum())
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    control = np.zeros(len(score))
    if volume:
        cut = ranked[volume - 1]
        above, at = score > cut, score == cut
        control = above + at * ((volume - above.sum()) / at.sum())
    reach = max(1, int(_NEAR * volume))
    near = order[max(0, volume - reach) : volume + reach]
    rate = float(expected[near].mean()) if len(near) else 0.0
    return np.asarray((shown - control) * (expected - rate), np.float64)


def _folds(customer: npt.NDArray[np.int64], seed: int) -> Ints:
    customers, code = np.unique(customer, return_inverse=True)
    return np.asarray(
        np.random.default_rng([seed, Stream.HELD_OUT_GAIN_FOLDS]).permutation(len(customers))[code] % FOLDS, np.int64
    )
