"""How each level's positivity changed, for every day on which a change may have begun.

Compared are conversions over due ones, since a day and before it; what is due, and what doubt delays leave about it, is
due_since.py's.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from onward.monitoring.daily_statistics import DailyStatistics, Floats
from onward.monitoring.delays import Shift
from onward.monitoring.due_since import due_since, split
from onward.monitoring.sequential import STARTS_EVERY

LEAST_CONVERSIONS = 30
LEAST_DAYS = 14
SCAN_DAYS = 84


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
    seen = due_since(statistics, starts, dispersion)
    since, before, seen_since, seen_before = seen.due_since, seen.due_before, seen.seen_since, seen.seen_before

    rate = (seen_since + seen_before + 1e-6) / (since + before)
    own = dispersion * (1.0 / np.maximum(rate * since, 1e-9) + 1.0 / np.maximum(rate * before, 1e-9))
    specific = own + dispersion * (1.0 - seen.arrived_since) / (seen.arrived_since * np.maximum(seen_before, 1.0))
    change = np.log((seen_since + 0.5) / (since + 0.5 / rate)) - np.log((seen_before + 0.5) / (before + 0.5 / rate))
    change, z, error = _apart(change, specific, seen.doubt, seen_since, seen_before, since, before, own / dispersion)
    # Less than one conversion due says nothing; a version that no longer decides has none due at all.
    judged = (seen_before >= LEAST_CONVERSIONS) & (rate * since >= 1.0)
    for target, values in (
        (full.change, change),
        (full.error, error),
        (full.z, z),
        (full.before, seen_before / before),
        (full.predicted, seen.promised_since / np.maximum(split(statistics.n, starts)[1], 1.0)),
    ):
        target[starts] = np.where(judged, values, np.nan)
    shifted = np.isfinite(seen.shift_error) & (seen_before.sum(axis=1) >= LEAST_CONVERSIONS)
    full.shift.log_tilt[starts] = np.where(shifted, seen.shift.log_tilt, np.nan)
    full.shift.error[starts] = np.where(shifted, seen.shift.error, np.nan)
    full.shift_error[starts] = np.where(shifted, seen.shift_error, np.nan)
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


def _deviance(seen_since: Floats, seen_before: Floats, since: Floats, before: Floats) -> Floats:
    """Twice the log-likelihood ratio of two Poisson counts with different rates to one with the same rate."""
    total = seen_since + seen_before
    share = since / (since + before)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = xlogy(seen_since, seen_since / np.maximum(total * share, 1e-300))
        second = xlogy(seen_before, seen_before / np.maximum(total * (1.0 - share), 1e-300))
    result: Floats = np.maximum(2.0 * (first + second), 0.0)
    return result
