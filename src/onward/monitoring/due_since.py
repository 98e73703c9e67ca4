"""Conversions that were due since each day on which something may have begun, and the doubt that delays leave.

Due are the predictions times the share that has arrived at each cohort's age. For the days before a start, that share
is their own delay curve; for the days since it is the same curve tilted by what the days since say of their own delays,
all levels together. So a slow-down moves what is due and not the verdict, at the price of a wider interval.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.monitoring.daily_statistics import DailyStatistics, Floats
from onward.monitoring.delays import Shift, arrived_from, fit_shift, lag_counts, shift_information

# Beliefs on log κ: delays rarely move by more than this; and of a move that is seen, its form is known to a third.
_TILT_PRIOR = 0.5
_FORM = 0.33
# What has not arrived yet may come otherwise than early lags tell: so much of it, and so many times the departure of
# the lags from the curve before, which is measured in three segments, each from the lag named.
_UNSEEN = 0.1
_SHAPE = 3.0
_SEGMENTS = (0, 2, 7)


@dataclass(frozen=True)
class DueSince:
    """Of S starts and K levels.

    Attributes:
        seen_before: conversions known of the days before a start [S, K].
        seen_since: and since [S, K].
        due_before: predictions that should have come true by now, had they been right, before [S, K].
        due_since: and since, by the tilted curve [S, K].
        promised_since: predictions since, whenever they come true [S, K].
        arrived_since: share of the promised that is due by the untilted curve [S, K].
        doubt: variance, from delays alone, of the log of what is due since; the levels share it [S].
        shift: of delays since, all levels together [S].
        shift_error: with the doubt of the curve before [S].
    """

    seen_before: Floats
    seen_since: Floats
    due_before: Floats
    due_since: Floats
    promised_since: Floats
    arrived_since: Floats
    doubt: Floats
    shift: Shift
    shift_error: Floats


def due_since(statistics: DailyStatistics, starts: npt.NDArray[np.int64], dispersion: Floats) -> DueSince:
    """Split the days at each start.

    Args:
        statistics: K levels.
        starts: indices of days [S], each above 0.
        dispersion: variance of counts over that of independent rows [K].
    """
    at, by = lag_counts(statistics.arrivals, statistics.known)
    at_before, at_since = split(at, starts)
    by_before, by_since = split(by, starts)
    curve = arrived_from(at_before, by_before)
    shift = fit_shift(at_since, by_since, curve)
    phi = float(dispersion.mean())
    shift_error = np.sqrt(phi * (shift.error**2 + shift_information(by_before, curve) ** -1.0))
    belief = _TILT_PRIOR**2 / (_TILT_PRIOR**2 + shift_error**2)
    log_tilt = shift.log_tilt * belief
    tilt_variance = _TILT_PRIOR**2 * (1.0 - belief)

    # Predictions by the lag up to which a cohort is known: cohorts of one age, and all matured ones, count together.
    by_lag = np.zeros_like(at)
    ages = np.minimum(statistics.ages - 1, statistics.window)
    by_lag[np.arange(statistics.days), :, ages] = statistics.predicted
    promised_before, promised_since = split(by_lag, starts)
    tilt = np.exp(log_tilt)[:, None, None]
    log_curve = np.log(np.maximum(curve, 1e-12))
    due = promised_since * np.exp(tilt * log_curve)
    since = np.maximum(due.sum(axis=2), 1e-9)
    untilted = np.maximum((promised_since * curve).sum(axis=2), 1e-9)
    sensitivity = (due * tilt * log_curve).sum(axis=2) / since
    promised = promised_since.sum(axis=2)
    arrived_now = np.clip(untilted / np.maximum(promised, 1e-9), 1e-3, 1.0)
    # Doubt of the delays moves all levels together: of the tilt, of its form, and of shapes that no tilt has.
    misfit = _misfit(at_since, by_since, curve, by_before, phi) * np.minimum(shift.error, 1.0) ** 2
    doubt = (
        (sensitivity**2).mean(axis=1) * tilt_variance
        + (_FORM * np.log(since / untilted)).mean(axis=1) ** 2
        + (1.0 - arrived_now.mean(axis=1)) ** 2 * (_UNSEEN**2 + _SHAPE**2 * misfit)
    )
    return DueSince(
        seen_before=at_before.sum(axis=2),
        seen_since=at_since.sum(axis=2),
        due_before=np.maximum((promised_before * curve).sum(axis=2), 1e-9),
        due_since=since,
        promised_since=promised,
        arrived_since=arrived_now,
        doubt=doubt,
        shift=shift,
        shift_error=shift_error,
    )


def split(values: Floats, starts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sums over the days before each start, and since it."""
    before = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    return before[starts], before[-1][None] - before[starts]


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
