"""What another order of the same rows gains when as many are shown, with its error by customer.

A candidate that shows more always finds more. Here both show equally many, and of a row that one shows and the other
does not only what it converts beyond the rate at the cut counts, so that being shown is by itself worth nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from onward.metrics.customer_bootstrap import Floats, error_of_sum
from onward.metrics.intervals import Z95

Ints = npt.NDArray[np.int64]

VOLUMES = (0.01, 0.03, 0.15)
"""Shares shown that a gain is the mean of."""

_NEAR = 0.1  # rows whose rank is this share of the volume away from the cut tell what one more is worth


@dataclass(frozen=True)
class MatchedGain:
    """Recall gained at the same number shown.

    Attributes:
        recall: share of all expected positives that the candidate shows and the score, as often, does not.
        error: its standard error, by customer.
    """

    recall: float
    error: float

    @property
    def low(self) -> float:
        """Of the 95 % interval."""
        return self.recall - Z95 * self.error

    @property
    def high(self) -> float:
        """Of the 95 % interval."""
        return self.recall + Z95 * self.error

    @property
    def p_value(self) -> float:
        """One-sided, of the test that there is no gain."""
        return float(ndtr(-self.recall / self.error)) if self.error > 0.0 else 1.0


def top_by_score(score: Floats, count: int) -> Floats:
    """[n] share with which each row is among the `count` highest scores; rows tied at the cut share what is left.

    >>> top_by_score(np.array([0.9, 0.5, 0.5, 0.1]), 2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    if count <= 0:
        return np.zeros(len(score))
    cut = np.partition(score, len(score) - count)[len(score) - count]
    above, tied = score > cut, score == cut
    share: Floats = above + tied * ((count - above.sum()) / tied.sum())
    return share


def gain_of_order(
    candidate: Floats, score: Floats, expected: Floats, customer: Ints, fold: Ints | None = None
) -> MatchedGain:
    """Recall that the best by `candidate` [n] have beyond the best by `score` [n], as a mean over `VOLUMES`.

    Args:
        candidate: [n] another order of the same rows.
        score: [n].
        expected: [n] labels in [0, 1].
        customer: [n].
        fold: [n] rows that are compared among themselves only, where the candidate's scale differs between folds.
    """
    worth = np.mean([worth_at(candidate, score, expected, volume, fold) for volume in VOLUMES], axis=0)
    return gain_by_customer(worth, expected, customer)


def worth_at(candidate: Floats, score: Floats, expected: Floats, volume: float, fold: Ints | None = None) -> Floats:
    """[n] what each row adds to the positives gained when a share `volume` of each fold is shown."""
    worth = np.zeros(len(score))
    folds = np.zeros(len(score), np.int64) if fold is None else fold
    for number in np.unique(folds):
        held = folds == number
        count = max(1, round(volume * int(held.sum())))
        worth[held] = worth_of_shown(
            top_by_score(candidate[held], count), top_by_score(score[held], count), score[held], expected[held]
        )
    return worth


def worth_of_shown(shown: Floats, control: Floats, score: Floats, expected: Floats) -> Floats:
    """[n] what each row adds that is `shown` [n] and not among the `control` [n], beyond the rate at the cut."""
    count = round(float(control.sum()))
    order = np.argsort(-score, kind="stable")
    reach = max(1, int(_NEAR * count))
    near = order[max(0, count - reach) : count + reach]
    return np.asarray((shown - control) * (expected - float(expected[near].mean())), np.float64)


def gain_by_customer(worth: Floats, expected: Floats, customer: Ints) -> MatchedGain:
    """Sum of worth [n] over that of expected positives [n], with the error of a ratio by customer [n]."""
    total = float(expected.sum())
    if total <= 0.0:
        return MatchedGain(0.0, 0.0)
    gain = float(worth.sum()) / total
    return MatchedGain(gain, error_of_sum(customer, worth - gain * expected) / total)
