"""How each level's positivity changed, for every day on which a change may have begun.

Compared are conversions over expected ones, since a day and before it. Expected are the predictions times the share
that has arrived at each cohort's age. For the days before, that share is their own delay curve; for the days since it
is the same curve tilted by what the days since say of their own delays, all levels together. So a slow-down moves the
expectation and not the verdict, at the price of a wider interval.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from onward.monitoring.daily_statistics import DailyStatistics, Floats
from onward.monitoring.delays import Shift, arrived_from, fit_shift, lag_counts, shift_information
from onward.monitoring.sequential import STARTS_EVERY

LEAST_CONVERSIONS = 30
LEAST_DAYS = 14
SCAN_DAYS = 84
# Beliefs on log κ: delays rarely move by more than this; and of a move that is seen, its form is known to a third.
_TILT_PRIOR = 0.5
_FORM = 0.33
# What has not arrived yet may come otherwise than early lags tell: so much of it, and so many times the departure of
# the lags from the curve before, which is measured in three segments, each from the lag named.
_UNSEEN = 0.1
_SHAPE = 3.0
_SEGMENTS = (0, 2, 7)


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
    # Every other day of the calendar is a start: halves the work, and an assessment a day later has the same ones.
    starts = np.arange(first + (first + statistics.first.toordinal()) % STARTS_EVERY, days, STARTS_EVERY)
    blank = np.full((days, levels), np.nan)
    full = LevelChanges(
        change=blank,
        error=blank.copy(),
        z=blank.copy(),
        before=blank.copy(),
        predicted=blank.copy(),
        shift=Shift(np.full(days, np.nan), np.full(days, np.nan)),
        shift_error=np.full(days, np.nan),
    )
    if not len(starts):
        return full
    at_before, at_since = _split(at, starts)
    by_before, by_since = _split(by, starts)
    curve = arrived_from(at_before, by_before)
    shift = fit_shift(at_since, by_since, curve)
    phi = float(dispersion.mean())
    shift_error = np.sqrt(phi * (shift.error**2 + shift_information(by_before, curve) ** -1.0))
    belief = _TILT_PRIOR**2 / (_TILT_PRIOR**2 + shift_error**2)
    log_tilt = shift.log_tilt * belief
    tilt_variance = _TILT_PRIOR**2 * (1.0 - belief)

    # Predictions by the lag up to which a cohort is known: cohorts of one age, and all matured ones, count together.
    by_lag = np.zeros_like(at)
    by_lag[np.arange(days), :, np.minimum(statistics.ages - 1, statistics.window)] = statistics.predicted
    promised_before, promised_since = _split(by_lag, starts)
    tilt = np.exp(log_tilt)[:, None, None]
    log_curve = np.log(np.maximum(curve, 1e-12))
    due = promised_since * np.exp(tilt * log_curve)
    since = np.maximum(due.sum(axis=2), 1e-9)
    untilted = np.maximum((promised_since * curve).sum(axis=2), 1e-9)
    sensitivity = (due * tilt * log_curve).sum(axis=2) / since
    before = np.maximum((promised_before * curve).sum(axis=2), 1e-9)
    seen_since, seen_before = at_since.sum(axis=2), at_before.sum(axis=2)

    rate = (seen_since + seen_before + 1e-6) / (since + before)
    own = dispersion * (1.0 / np.maximum(rate * since, 1e-9) + 1.0 / np.maximum(rate * before, 1e-9))
    promised = promised_since.sum(axis=2)
    arrived_now = np.clip(untilted / np.maximum(promised, 1e-9), 1e-3, 1.0)
    specific = own + dispersion * (1.0 - arrived_now) / (arrived_now * np.maximum(seen_before, 1.0))
    change = np.log((seen_since + 0.5) / (since + 0.5 / rate)) - np.log((seen_before + 0.5) / (before + 0.5 / rate))
    # Doubt of the delays moves all levels together: of the tilt, of its form, and of shapes that no tilt has.
    misfit = _misfit(at_since, by_since, curve, by_before, phi) * np.minimum(shift.error, 1.0) ** 2
    common = (
        (sensitivity**2).mean(axis=1) * tilt_variance
        + (_FORM * np.log(since / untilted)).mean(axis=1) ** 2
        + (1.0 - arrived_now.mean(axis=1)) ** 2 * (_UNSEEN**2 + _SHAPE**2 * misfit)
    )
    change, z, error = _apart(change, specific, common, seen_since, seen_before, since, before, own / dispersion)
    # Less than one conversion due says nothing; a version that no longer decides has none due at all.
    judged = (seen_before >= LEAST_CONVERSIONS) & (rate * since >= 1.0)
    for target, values in (
        (full.change, change),
        (full.error, error),
        (full.z, z),
        (full.before, seen_before / before),
        (full.predicted, promised / np.maximum(_split(statistics.n, starts)[1], 1.0)),
    ):
        target[starts] = np.where(judged, values, np.nan)
    seen = np.isfinite(shift_error) & (seen_before.sum(axis=1) >= LEAST_CONVERSIONS)
    full.shift.log_tilt[starts] = np.where(seen, shift.log_tilt, np.nan)
    full.shift.error[starts] = np.where(seen, shift.error, np.nan)
    full.shift_error[starts] = np.where(seen, shift_error, np.nan)
    return full


def _apart(
    change: Floats,
    specific: Floats,
    common: Floats,
    seen_since: Floats,
    seen_before: Floats,
    since: Floats,
    before: Floats,
    unit: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Changes of each level apart from what all levels may share for reasons of delay, [starts, K].

    Levels share m ~ N(0, common). For a level it is estimated from the others, shrunk, and taken off: the more doubt
    there is about delays, the more a level is compared with the other levels rather than with its own past.

    Returns:
        change, z and error.
    """
    precision = 1.0 / specific
    others = precision.sum(axis=1, keepdims=True) - precision
    pull = (precision * change).sum(axis=1, keepdims=True) - precision * change
    prior = 1.0 / np.maximum(common, 1e-12)[:, None]
    # Beyond e² nobody believes that delays alone did it, and numbers overflow.
    shared = np.clip(pull / (prior + others), -2.0, 2.0)
    error = np.sqrt(specific + 1.0 / (prior + others))
    apart = change - shared
    z = np.sign(apart) * np.sqrt(_deviance(seen_since, seen_before, since * np.exp(shared), before) * unit) / error
    # A level that has not moved itself has not drifted because another one has.
    own = np.sign(change) * np.sqrt(_deviance(seen_since, seen_before, since, before) * unit / specific)
    agreed = np.where(np.sign(own) == np.sign(z), np.sign(z) * np.minimum(np.abs(own), np.abs(z)), 0.0)
    return np.where(np.abs(own) < np.abs(z), change, apart), agreed, error


def _misfit(at: Floats, by: Floats, curve: Floats, by_before: Floats, phi: float) -> Floats:
    """By how much the lags of the days since differ from the curve before, beyond chance: excess of chi-square."""
    hazard = 1.0 - np.divide(
        curve[..., :-1], curve[..., 1:], out=np.ones_like(curve[..., 1:]), where=curve[..., 1:] > 0
    )
    trials, hits = by[..., 1:].sum(axis=-2), at[..., 1:].sum(axis=-2)
    due = (by[..., 1:] * hazard).sum(axis=-2)
    trials_before = np.maximum(by_before[..., 1:].sum(axis=-2), 1.0)
    variance = (by[..., 1:] * hazard * (1.0 - hazard)).sum(axis=-2) * phi * (1.0 + trials / trials_before)
    edges = np.array([edge for edge in _SEGMENTS if edge < hits.shape[-1]])
    excess = np.add.reduceat(hits - due, edges, axis=-1)
    chance = np.add.reduceat(variance, edges, axis=-1)
    usable = chance > 1.0
    square = np.where(usable, excess**2 / np.maximum(chance, 1e-9), 0.0).sum(axis=-1)
    freedom = usable.sum(axis=-1)
    result: Floats = np.maximum(square - freedom - np.sqrt(2.0 * freedom), 0.0)
    return result


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
    total = seen_since + seen_before
    share = since / (since + before)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = xlogy(seen_since, seen_since / np.maximum(total * share, 1e-300))
        second = xlogy(seen_before, seen_before / np.maximum(total * (1.0 - share), 1e-300))
    result: Floats = np.maximum(2.0 * (first + second), 0.0)
    return result
