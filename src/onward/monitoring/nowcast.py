"""What the positivity of young cohorts will be once their labels have matured, with an interval.

A pending label counts with its chance: predictions times the recent ratio of conversions to predictions times the share
that has not arrived. The ratio is that of all recent cohorts weighed by age, and the arrived part of each cohort is
kept as it came: the Cape Cod method of actuaries (Bühlmann and Straub 1983), which neither divides a young cohort's two
conversions by a small share nor waits. The interval is for what will have matured, so it closes as labels come.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtri

from onward.monitoring.daily_statistics import DailyStatistics, Flags, Floats
from onward.monitoring.delays import arrived_from, lag_counts

# Days over which a cohort's neighbours lose weight, and an arrival's lag does.
_RATE_MEMORY = 14.0
_DELAY_MEMORY = 28.0


@dataclass(frozen=True)
class Nowcast:
    """Rates of B blocks of cohorts for each of K groups, [B, K].

    Attributes:
        rate: conversions that came and that are expected, over decisions.
        low: of the interval for the rate once matured.
        high: likewise.
    """

    rate: Floats
    low: Floats
    high: Floats


def recent_curve(statistics: DailyStatistics) -> Floats:
    """G by lag [K, W + 1] from reverse-time hazards of what came lately, whatever its cohort."""
    at, by = lag_counts(statistics.arrivals, statistics.known)
    lags = np.arange(statistics.window + 1)
    since = np.maximum(statistics.ages[:, None] - 1 - lags[None, :], 0)
    weight = np.exp(-since / _DELAY_MEMORY)[:, None, :]
    return arrived_from((at * weight).sum(axis=0), (by * weight).sum(axis=0))


def nowcast(
    n: Floats,
    predicted: Floats,
    count: Floats,
    arrived: Floats,
    dispersion: Floats,
    blocks: Flags,
    confidence: float,
    tilt_error: float = 0.0,
    start: int = 0,
) -> Nowcast:
    """Nowcast blocks of cohorts.

    Args:
        n: decisions [S, K].
        predicted: sum of predictions [S, K].
        count: conversions known [S, K].
        arrived: share of conversions that has arrived, of each cohort [S, K].
        dispersion: variance of counts over that of independent rows [K].
        blocks: cohorts of each block [B, S].
        confidence: of the intervals, one at a time.
        tilt_error: standard error of the log of the delay curve's tilt.
        start: a cohort at or after it learns its ratio from such cohorts only: the day of a change, or 0.
    """
    days = len(n)
    number = np.arange(days)
    near = np.exp(-np.abs(number[:, None] - number[None, :]) / _RATE_MEMORY)
    near = near * ((number[:, None] >= start) == (number[None, :] >= start))
    due = predicted * arrived
    seen, expected = near @ count, near @ due
    overall = (count.sum(axis=0) + 0.5) / np.maximum(due.sum(axis=0), 0.5)
    # One pseudo-conversion at the overall ratio: a ratio of nothing is not nought.
    ratio = (seen + 1.0) / (expected + 1.0 / overall)
    ratio_variance = dispersion * (near**2 @ count + 1.0) / (seen + 1.0) ** 2 + weekly_wander(count, due, dispersion)
    pending = predicted * ratio * (1.0 - arrived)
    gone = np.clip(arrived, 1e-6, 1.0 - 1e-9)
    informed = np.maximum(count.sum(axis=0), 1.0)
    tail_variance = (gone * np.log(gone) / (1.0 - gone)) ** 2 * tilt_error**2 + dispersion * gone / (
        (1.0 - gone) * informed
    )
    tail_variance = np.where(arrived < 1.0, tail_variance, 0.0)
    chosen = blocks.astype(np.float64)
    rows = chosen @ n
    came = chosen @ count
    mean = chosen @ pending
    # Cohorts of a block share ratio and curve: their errors add up before they are squared.
    shared = (chosen @ (pending * np.sqrt(ratio_variance + tail_variance))) ** 2
    low, high = _gamma_interval(mean, dispersion * mean + shared, confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Nowcast((came + mean) / rows, (came + low) / rows, np.minimum((came + high) / rows, 1.0))


def weekly_wander(count: Floats, due: Floats, dispersion: Floats) -> float:
    """Variance by which the log ratio differs from one week to the next beyond chance, all groups together.

    Args:
        count: conversions known [S, K].
        due: predictions times the share that has arrived [S, K].
        dispersion: variance of counts over that of independent rows [K].
    """
    weeks = len(count) // 7
    if weeks < 4:
        return 0.0
    kept = slice(len(count) - 7 * weeks, None)
    seen = count[kept].reshape(weeks, 7, -1).sum(axis=1)
    expected = due[kept].reshape(weeks, 7, -1).sum(axis=1)
    usable = (seen[1:] >= 10) & (seen[:-1] >= 10)
    if usable.sum() < 6:
        return 0.0
    log_ratio = np.log((seen + 0.5) / np.maximum(expected, 1e-9))
    chance = dispersion * (1.0 / (seen[1:] + 0.5) + 1.0 / (seen[:-1] + 0.5))
    return max(0.0, float((np.diff(log_ratio, axis=0) ** 2 - chance)[usable].mean()))


def _gamma_interval(mean: Floats, variance: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Interval of a count with that mean and variance, as a gamma variable rounded outwards by half."""
    tail = (1.0 - confidence) / 2.0
    some = mean > 1e-6
    shape = np.where(some, mean**2 / np.maximum(variance, 1e-12), 1.0)
    scale = np.where(some, variance / np.maximum(mean, 1e-12), 0.0)
    low = np.where(some, np.maximum(gammaincinv(shape, tail) * scale - 0.5, 0.0), 0.0)
    high = np.where(some, gammaincinv(shape, 1.0 - tail) * scale + 0.5, 0.0)
    return low, high


def normal_quantile(confidence: float) -> float:
    """Two-sided standard normal quantile.

    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    return float(ndtri(0.5 + confidence / 2.0))
