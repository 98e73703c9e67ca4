"""Does uncertainty pay: do its levels tell what scores do not, and enough to earn a cut each?"""

from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import f as fisher

from onward.diagnosis.answer import ALPHA, Z95, Answer
from onward.metrics.customer_bootstrap import Floats, sum_by_customer

_BINS = 100


class Gain(Protocol):
    """Recall that one cut a level gains over one cut for all at the same volume, on customers not fitted to."""

    @property
    def recall(self) -> float:
        """The gain."""

    @property
    def error(self) -> float:
        """Its standard error."""

    @property
    def p_value(self) -> float:
        """Of the test that there is none."""


def level_dependence(
    score: Floats, level: npt.NDArray[np.int64], expected: Floats, customer: npt.NDArray[np.int64]
) -> tuple[float, Floats]:
    """Test whether conversion at equal score depends on the level: the p-value, and each level's excess rate.

    Scores are cut into bins that hold as many positives each. Within a bin both the label and the level are held
    against the bin's mean, so that what the level says of the score alone is not counted twice; the sums over levels
    are compared with their spread over customers (a generalised score test after Boos, American Statistician 1992).

    Args:
        score: [n].
        level: [n].
        expected: [n] labels, expected ones where unfinished.
        customer: [n].

    Returns:
        The p-value, 1 where there is nothing to compare; and [levels] mean label beyond that of equal scores.
    """
    bins = _equal_positives(score, expected)
    present = np.unique(level)
    member = (level[:, None] == present[None, :]).astype(np.float64)
    label = expected - _mean_within(bins, expected)
    held = member.sum(axis=0)
    excess = np.asarray((label @ member) / held, np.float64)
    if len(present) < 2:
        return 1.0, excess
    beyond = np.stack([column - _mean_within(bins, column) for column in member.T[1:]], axis=1)
    sums = sum_by_customer(customer, beyond * label[:, None])
    customers = len(sums)
    freedom = len(present) - 1
    total = sums.sum(axis=0)
    covariance = sums.T @ sums
    if customers <= freedom + 1 or np.linalg.matrix_rank(covariance) < freedom:
        return 1.0, excess
    statistic = float(total @ np.linalg.solve(covariance, total))
    # Few customers: Hotelling's correction, as the spread is estimated from them too.
    scaled = statistic * (customers - freedom) / (freedom * max(customers - 1, 1))
    return float(fisher.sf(scaled, freedom, customers - freedom)), excess


def diagnose_uncertainty(
    score: Floats,
    level: npt.NDArray[np.int64],
    expected: Floats,
    customer: npt.NDArray[np.int64],
    gain: Gain,
) -> Answer:
    """Say yes where conversion at equal score depends on the level and cuts a level gain on customers not fitted to.

    Both must hold, so the larger of the two p-values is the answer's.

    Args:
        score: [n] of the threshold split.
        level: [n].
        expected: [n] labels, expected ones where unfinished.
        customer: [n].
        gain: of one cut a level, held out; see `onward.thresholds.held_out_gain`.
    """
    dependence, excess = level_dependence(score, level, expected, customer)
    p_value = max(dependence, gain.p_value)
    yes = p_value < ALPHA
    low, high = gain.recall - Z95 * gain.error, gain.recall + Z95 * gain.error
    points = f"{100 * gain.recall:+.1f} points of recall [{100 * low:+.1f}, {100 * high:+.1f}] at the same volume"
    depends = "depends" if dependence < ALPHA else "does not depend"
    but = "and" if (dependence < ALPHA) == yes else "but"
    pays = "pays" if yes else "does not pay"
    return Answer(
        question="doubt",
        yes=yes,
        p_value=p_value,
        effect=gain.recall,
        low=low,
        high=high,
        measure="recall that one cut a level gains over one cut, at the same volume, on customers not fitted to",
        sentence=(
            f"Doubt {pays}: at equal score conversion {depends} on the uncertainty level, {but} one cut a level "
            f"instead of one for all gains {points}."
        ),
        consequence=(
            "`thresholds.search: auto` takes one cut a level (ew_dpmt)."
            if yes
            else "`thresholds.search: auto` takes one cut for all levels (single); levels are still monitored."
        ),
        figures={
            "dependence_p_value": dependence,
            "gain_p_value": gain.p_value,
            "gain_error": gain.error,
            "largest_excess_rate": float(excess.max()),
            "smallest_excess_rate": float(excess.min()),
            "examples": float(len(score)),
        },
    )


def chosen_search(configured: str, *, doubt_pays: bool) -> str:
    """The search to run: the configured one, and for `auto` one cut a level only where doubt pays.

    Examples:
        >>> chosen_search("auto", doubt_pays=False), chosen_search("mist", doubt_pays=False)
        ('single', 'mist')
    """
    if configured != "auto":
        return configured
    return "ew_dpmt" if doubt_pays else "single"


def _equal_positives(score: Floats, expected: Floats) -> npt.NDArray[np.int64]:
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    held = np.cumsum(expected[order])
    place = np.floor(_BINS * held / max(float(held[-1]), 1e-12)).clip(max=_BINS - 1).astype(np.int64)
    # Equal scores share a bin: that of the first of them.
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    place = np.repeat(place[first], np.diff(np.r_[first, len(ranked)]))
    bins = np.empty(len(score), np.int64)
    bins[order] = place
    return bins


def _mean_within(bins: npt.NDArray[np.int64], values: Floats) -> Floats:
    count = np.bincount(bins)
    mean = np.bincount(bins, values) / np.maximum(count, 1)
    return np.asarray(mean[bins], np.float64)
