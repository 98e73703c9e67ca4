"""How each level's positivity changed, for every day on which a change may have begun.

Compared are conversions over expected ones, since a day and before it. Expected are the predictions times the share
that has arrived at each cohort's age. For the days before, that share is their own delay curve; for the days since it
is the same curve tilted by what the days since say of their own delays, all levels together. So a slow-down moves the
expectation and not the verdict, at the price of a wider interval.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from onward.monitoring.delays import Shift, arrived_from, fit_shift, lag_counts
from onward.monitoring.sufficient import DailyStatistics, Floats

LEAST_CONVERSIONS = 30
LEAST_DAYS = 14
SCAN_DAYS = 84
# Beliefs on log κ: delays rarely move by more than this; and of a move that is seen, its form is known to a third.
_TILT_PRIOR = 0.5
_FORM = 0.33


@dataclass(frozen=True)
class LevelChanges:
    """Changes of S starts and K levels; NaN where a start cannot be judged.

    Attributes:
        change: log of the ratio of positivity since to positivity before, at equal predictions [S, K].
        error: its standard error [S, K].
        z: the change in standard errors, by the signed root of the deviance, which holds for small counts too [S, K].
        before: conversions per prediction before [S, K].
        predicted: mean prediction since [S, K].
        shift: of delays since, all levels together [S].
        shift_error: with the doubt of the curve before [S].
    """

    change: Floats
    error: Floats
    z: Floats
    before: Floats
    predicted: Floats
    shift: Shift
    shift_error: Floats


def level_changes(statistics: DailyStatistics, dispersion: Floats) -> LevelChanges:
    """Compare the days since each start with those before it.

    Args:
        statistics: S days, K levels.
        dispersion: variance of counts over that of independent rows [K].
    """
    days, levels = statistics.n.shape
    at, by = lag_counts(statistics.arrivals, statistics.known)
    first = max(LEAST_DAYS, days - SCAN_DAYS)
    starts = np.arange(first, days)
    blank = np.full((days, levels), np.nan)
    full = LevelChanges(
        change=blank, error=blank.copy(), z=blank.copy(), before=blank.copy(), predicted=blank.copy(),
        shift=Shift(np.full(days, np.nan), np.full(days, np.nan)), shift_error=np.full(days, np.nan),
    )  # fmt: skip
    if not len(starts):
        return full
    at_before, at_since = _split(at, starts)
    by_before, by_since = _split(by, starts)
    curve = arrived_from(at_before, by_before)
    shift = fit_shift(at_since, by_since, curve)
    anchor = fit_shift(at_before, by_before, curve)
    phi = float(dispersion.mean())
    shift_error = np.sqrt(phi * (shift.error**2 + anchor.error**2))
    belief = _TILT_PRIOR**2 / (_TILT_PRIOR**2 + shift_error**2)
    log_tilt, tilt_variance = shift.log_tilt * belief, _TILT_PRIOR**2 * (1.0 - belief)

    lag = np.minimum(statistics.ages - 1, statistics.window)
    share = np.moveaxis(curve[:, :, lag], 2, 1)  # [starts, S, K]
    is_since = (np.arange(days)[None, :] >= starts[:, None])[:, :, None]
    tilt = np.exp(log_tilt)[:, None, None]
    log_share = np.log(np.maximum(share, 1e-12))
    due = statistics.predicted[None] * np.exp(tilt * log_share) * is_since
    since = np.maximum(due.sum(axis=1), 1e-9)
    untilted = np.maximum((statistics.predicted[None] * share * is_since).sum(axis=1), 1e-9)
    sensitivity = (due * tilt * log_share).sum(axis=1) / since
    before = np.maximum((statistics.predicted[None] * share * ~is_since).sum(axis=1), 1e-9)
    seen_since, seen_before = at_since.sum(axis=2), at_before.sum(axis=2)

    rate = (seen_since + seen_before) / (since + before)
    own = dispersion * (1.0 / np.maximum(rate * since, 1e-9) + 1.0 / np.maximum(rate * before, 1e-9))
    arrived_now = np.clip(untilted / np.maximum((statistics.predicted[None] * is_since).sum(axis=1), 1e-9), 1e-3, 1.0)
    extra = (
        sensitivity**2 * tilt_variance[:, None]
        + (_FORM * np.log(since / untilted)) ** 2
        + dispersion * (1.0 - arrived_now) / (arrived_now * np.maximum(seen_before, 1.0))
    )
    change = np.log((seen_since + 0.5) / (since + 0.5 / rate)) - np.log((seen_before + 0.5) / (before + 0.5 / rate))
    z = np.sign(change) * np.sqrt(
        _deviance(seen_since, seen_before, since, before) * (own / dispersion) / (own + extra)
    )
    judged = seen_before >= LEAST_CONVERSIONS
    for target, values in (
        (full.change, change), (full.error, np.sqrt(own + extra)), (full.z, z),
        (full.before, seen_before / before),
        (full.predicted, (statistics.predicted[None] * is_since).sum(axis=1)
         / np.maximum((statistics.n[None] * is_since).sum(axis=1), 1.0)),
    ):  # fmt: skip
        target[starts] = np.where(judged, values, np.nan)
    seen = np.isfinite(shift_error) & (seen_before.sum(axis=1) >= LEAST_CONVERSIONS)
    full.shift.log_tilt[starts] = np.where(seen, shift.log_tilt, np.nan)
    full.shift.error[starts] = np.where(seen, shift.error, np.nan)
    full.shift_error[starts] = np.where(seen, shift_error, np.nan)
    return full


def dispersion(statistics: DailyStatistics, arrived: Floats) -> Floats:
    """Variance of counts over that of independent rows, [K]: of repeating customers, or of days if that is more.

    Days are compared with the day before, so that neither a slow drift nor one jump counts as noise.

    Args:
        statistics: S days, K levels.
        arrived: G by lag [K, W + 1].
    """
    lag = np.minimum(statistics.ages - 1, statistics.window)
    due = statistics.predicted * arrived[:, lag].T
    count = (statistics.arrivals * statistics.known[:, None, :]).sum(axis=2)
    ratio = count.sum(axis=0) / np.maximum(due.sum(axis=0), 1e-9)
    enough = (due * ratio >= 5.0)[1:] & (due * ratio >= 5.0)[:-1]
    rate = np.divide(count, due, out=np.zeros_like(due), where=due > 0)
    noise = np.divide(ratio, due, out=np.ones_like(due), where=due > 0)
    squares = np.where(enough, np.diff(rate, axis=0) ** 2 / np.maximum(noise[1:] + noise[:-1], 1e-12), 0.0)
    pairs = int(enough.sum())
    of_days = float(squares.sum()) / pairs if pairs >= 30 else 1.0
    result: Floats = np.maximum(statistics.spread, max(of_days, 1.0))
    return result


def _split(values: Floats, starts: np.ndarray) -> tuple[Floats, Floats]:
    before = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    return before[starts], before[-1][None] - before[starts]


def _deviance(seen_since: Floats, seen_before: Floats, since: Floats, before: Floats) -> Floats:
    """Twice the log-likelihood ratio of two Poisson counts with different rates to one with the same rate."""
    total, share = seen_since + seen_before, since / (since + before)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = xlogy(seen_since, seen_since / np.maximum(total * share, 1e-300))
        second = xlogy(seen_before, seen_before / np.maximum(total * (1.0 - share), 1e-300))
    result: Floats = np.maximum(2.0 * (first + second), 0.0)
    return result
