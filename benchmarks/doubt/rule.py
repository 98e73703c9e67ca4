"""Is a scorer wrong where its uncertainty says so, and does mending it pay? The candidate rule for `search: auto`.

Two questions, both by customer. At equal score, does conversion depend on uncertainty (|z| > 3)? And does recalibrating
by uncertainty gain recall at the same number shown, on customers that it was not fitted to (low end above 0)? Only
where both say yes is the score recalibrated; either way it is cut once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from scipy.stats import norm

from benchmarks.doubt.recalibration import FOLDS, cross_fitted, deal_customers
from onward.evaluation.decisions import top_by_score
from onward.metrics.customer_bootstrap import error_of_sum

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VOLUMES = (0.01, 0.03, 0.15)
"""Shares shown that a gain is the mean of."""
FIRES_AT = 3.0
BINS = 100
_NEAR = 0.1
_EDGE = 1e-7


@dataclass(frozen=True)
class Gain:
    """Recall gained at the same number shown, and its standard error by customer."""

    recall: float
    error: float

    @property
    def low(self) -> float:
        """Of the 95 % interval."""
        return self.recall - float(norm.ppf(0.975)) * self.error

    @property
    def high(self) -> float:
        """Of the 95 % interval."""
        return self.recall + float(norm.ppf(0.975)) * self.error


@dataclass(frozen=True)
class Verdict:
    """What the rule found on the customers it was asked on."""

    z: float
    gain: Gain

    @property
    def fires(self) -> bool:
        """Whether the score is to be recalibrated."""
        return abs(self.z) > FIRES_AT and self.gain.low > 0.0


def dependence(score: Floats, uncertainty: Floats, expected: Floats, customer: npt.NDArray[np.int64]) -> float:
    """Z of the test that conversion at equal score depends on uncertainty; below 0: unsure pairs convert less.

    Scores are cut into bins of equal expected conversions, by the scores alone: bins that end at conversions would
    bias z where uncertainty follows the score. Within a bin the mean is taken off labels and the straight line in the
    log odds off uncertainty's rank, so that what uncertainty says of the score alone does not count.

    Args:
        score: [n] in (0, 1).
        uncertainty: [n].
        expected: [n] labels in [0, 1].
        customer: [n]; errors are by customer.
    """
    bins = _equal_expected(score)
    odds = logit(np.clip(score, _EDGE, 1.0 - _EDGE))
    rank = _normal_ranks(uncertainty)
    apart, doubt = odds - _mean_within(bins, odds), rank - _mean_within(bins, rank)
    steep = np.bincount(bins, apart * apart)
    slope = np.divide(np.bincount(bins, apart * doubt), steep, out=np.zeros(len(steep)), where=steep > 1e-12)
    beyond = doubt - slope[bins] * apart
    contribution = beyond * (expected - _mean_within(bins, expected))
    error = error_of_sum(customer, contribution)
    return float(contribution.sum()) / error if error > 0.0 else 0.0


def gain_of(
    candidate: Floats, score: Floats, expected: Floats, customer: npt.NDArray[np.int64], fold: Ints | None = None
) -> Gain:
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
    """[n] what each row adds; the rate at the cut is taken off, so that being shown is by itself worth nothing."""
    count = round(float(control.sum()))
    order = np.argsort(-score, kind="stable")
    reach = max(1, int(_NEAR * count))
    near = order[max(0, count - reach) : count + reach]
    return np.asarray((shown - control) * (expected - float(expected[near].mean())), np.float64)


def gain_by_customer(worth: Floats, expected: Floats, customer: npt.NDArray[np.int64]) -> Gain:
    """Sum of worth over that of expected positives, with the error of a ratio by customer."""
    total = float(expected.sum())
    if total <= 0.0:
        return Gain(0.0, 0.0)
    gain = float(worth.sum()) / total
    return Gain(gain, error_of_sum(customer, worth - gain * expected) / total)


def judge(
    score: Floats, uncertainty: Floats, expected: Floats, customer: npt.NDArray[np.int64], seed: int | list[int]
) -> Verdict:
    """Ask both questions of rows [n] that the scorer was not fitted to.

    Args:
        score: [n] in (0, 1).
        uncertainty: [n].
        expected: [n] labels in [0, 1].
        customer: [n].
        seed: of the folds of customers.
    """
    fold = deal_customers(customer, FOLDS, seed)
    mended = cross_fitted(score, uncertainty, expected, fold)
    return Verdict(dependence(score, uncertainty, expected, customer), gain_of(mended, score, expected, customer, fold))


def _equal_expected(score: Floats) -> Ints:
    """[n] bin of each score; equal scores share one."""
    different, code = np.unique(-score, return_inverse=True)
    held = np.cumsum(np.bincount(code, score, minlength=len(different)))
    before = np.r_[0.0, held[:-1]]
    middle = (before + held) / (2.0 * held[-1])
    return np.asarray(np.minimum((BINS * middle).astype(np.int64), BINS - 1)[code], np.int64)


def _normal_ranks(values: Floats) -> Floats:
    """[n] normal scores of the values' ranks; equal values share theirs."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    return np.asarray(norm.ppf(middle / len(values))[code], np.float64)


def _mean_within(bins: Ints, values: Floats) -> Floats:
    count = np.bincount(bins)
    return np.asarray((np.bincount(bins, values) / np.maximum(count, 1))[bins], np.float64)
