"""Does doubt pay: is the score wrong where its uncertainty says so, and does mending it there gain recall?

Well-fitted scorers are as right where they are unsure as where they are sure, and then neither a cut a level nor any
other use of uncertainty shows more of what converts (docs/decisions/0022). So uncertainty is first of all a test of the
scorer, with two questions: does conversion at equal score depend on uncertainty, and does recalibrating by it gain
recall at the same number shown, on customers that the recalibration was not fitted to?
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit, ndtr, ndtri

from onward.diagnosis.answer import Answer
from onward.metrics.customer_bootstrap import Floats, deal_customers, error_of_sum
from onward.metrics.matched_volume import MatchedGain, gain_of_order
from onward.random_streams import Stream
from onward.uncertainty.recalibration import cross_fitted

Ints = npt.NDArray[np.int64]

PAYS_BEYOND = 3.0
"""Standard errors by which conversion must depend on uncertainty."""
FOLDS = 5
_BINS, _PARTS = 100, 5
_EDGE = 1e-7


@dataclass(frozen=True)
class Verdict:
    """What was found on customers that the score was not fitted to.

    Attributes:
        z: how far conversion at equal score depends on uncertainty, in standard errors; below 0: unsure pairs convert
            less than their score says.
        gain: of recalibrating by uncertainty, held out.
    """

    z: float
    gain: MatchedGain

    @property
    def pays(self) -> bool:
        """Whether the score is to be recalibrated by its uncertainty."""
        return abs(self.z) > PAYS_BEYOND and self.gain.low > 0.0


def judge_scorer(score: Floats, uncertainty: Floats, expected: Floats, customer: Ints, seed: int) -> Verdict:
    """Ask both questions of rows [n] that the score was not fitted to.

    Args:
        score: [n] in (0, 1).
        uncertainty: [n].
        expected: [n] labels in [0, 1], expected ones where unfinished.
        customer: [n]; errors and folds are by customer.
        seed: of the folds.
    """
    fold = deal_customers(customer, FOLDS, np.random.default_rng([seed, Stream.HELD_OUT_GAIN_FOLDS]))
    mended = cross_fitted(score, uncertainty, expected, fold)
    gain = gain_of_order(mended, score, expected, customer, fold)
    return Verdict(dependence(score, uncertainty, expected, customer), gain)


def dependence(score: Floats, uncertainty: Floats, expected: Floats, customer: Ints) -> float:
    """Z of the test that conversion at equal score depends on uncertainty (a score test after Boos 1992).

    Scores are cut into bins of equal expected conversions, by the scores alone: bins that end at conversions would
    bias z where uncertainty follows the score. Within a bin the mean is taken off labels and the straight line in the
    log odds off uncertainty's rank, so that what uncertainty says of the score alone does not count.

    Args:
        score: [n] in (0, 1).
        uncertainty: [n].
        expected: [n] labels in [0, 1].
        customer: [n]; errors are by customer.

    Returns:
        0 where there is nothing to compare.
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


def excess_by_uncertainty(score: Floats, uncertainty: Floats, expected: Floats) -> Floats:
    """Conversions over those of pairs of equal score, in the surest fifth of rows, the next, up to the least sure.

    Returns:
        [5] ratios, 1 where a fifth converts like others; equal uncertainties share the fifth of their middle.
    """
    usual = _mean_within(_equal_expected(score), expected)
    part = np.minimum((ndtr(_normal_ranks(uncertainty)) * _PARTS).astype(np.int64), _PARTS - 1)
    told, seen = np.bincount(part, usual, minlength=_PARTS), np.bincount(part, expected, minlength=_PARTS)
    return np.divide(seen, told, out=np.ones(_PARTS), where=told > 0.0)


def diagnose_uncertainty(score: Floats, uncertainty: Floats, expected: Floats, customer: Ints, seed: int) -> Answer:
    """Say yes where the score is wrong by its uncertainty and recalibrating gains on customers not fitted to.

    Both must hold, so the larger of the two p-values is the answer's; see `judge_scorer` for the arguments.
    """
    verdict = judge_scorer(score, uncertainty, expected, customer, seed)
    gain, yes = verdict.gain, verdict.pays
    excess = excess_by_uncertainty(score, uncertainty, expected)
    depends = abs(verdict.z) > PAYS_BEYOND
    dependence_p = float(2.0 * ndtr(-abs(verdict.z)))
    points = f"{100 * gain.recall:+.1f} points of recall [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    where = f"the surest fifth of pairs converts {excess[0]:.2f} times as often as others of its score, the least sure"
    where += f" {excess[-1]:.2f} times"
    but = "and" if depends == yes else "but"
    return Answer(
        question="doubt",
        yes=yes,
        p_value=max(dependence_p, gain.p_value),
        effect=gain.recall,
        low=gain.low,
        high=gain.high,
        measure="recall gained by recalibrating by uncertainty, at the same volume, on customers not fitted to",
        sentence=(
            f"Doubt {'pays' if yes else 'does not pay'}: at equal score conversion "
            f"{'depends' if depends else 'does not depend'} on uncertainty ({where}), {but} recalibrating by it gains "
            f"{points} at the same volume."
        ),
        consequence=(
            f"The scorer is miscalibrated: {where}. `thresholds.search: auto` recalibrates it by uncertainty and takes "
            "one cut."
            if yes
            else "`thresholds.search: auto` leaves the score as it is and takes one cut (single); levels are still "
            "monitored."
        ),
        figures={
            "dependence_z": verdict.z,
            "dependence_p_value": dependence_p,
            "gain_p_value": gain.p_value,
            "gain_error": gain.error,
            "surest_fifth": float(excess[0]),
            "least_sure_fifth": float(excess[-1]),
            "examples": float(len(score)),
        },
    )


def _equal_expected(score: Floats) -> Ints:
    """[n] bin of each score; equal scores share one."""
    different, code = np.unique(-score, return_inverse=True)
    held = np.cumsum(np.bincount(code, score, minlength=len(different)))
    before = np.r_[0.0, held[:-1]]
    middle = (before + held) / (2.0 * held[-1])
    return np.asarray(np.minimum((_BINS * middle).astype(np.int64), _BINS - 1)[code], np.int64)


def _normal_ranks(values: Floats) -> Floats:
    """[n] normal scores of the values' ranks; equal values share theirs."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    return np.asarray(ndtri(middle / len(values))[code], np.float64)


def _mean_within(bins: Ints, values: Floats) -> Floats:
    count = np.bincount(bins)
    return np.asarray((np.bincount(bins, values) / np.maximum(count, 1))[bins], np.float64)
