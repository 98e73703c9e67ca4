"""What else moves, and may explain why positivity seems to, or hide it: labels, delay, engagement, volume, scores.

Every signal is assessed like a level, by sequential.py, with a false-alarm rate of 5 % a year of its own.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.special import chdtri, pdtr

from onward.monitoring.change_scan import LEAST_DAYS, SCAN_DAYS, LevelChanges
from onward.monitoring.daily_statistics import DailyStatistics, Floats
from onward.monitoring.delays import Curves
from onward.monitoring.sequential import DAYS_A_YEAR, STARTS_EVERY, Evidence, e_detector
from onward.monitoring.verdict import Verdict

NAMES = ("labels", "delay", "engagement", "scores", "volume")
# A day on which less than this share of the conversions came that were due, beyond all chance, had an outage.
_OUTAGE_SHARE = 0.4
_OUTAGE_CHANCE = 1e-7
_OUTAGE_LEAST = 20.0
_DELAY_PRIOR = 0.3
_RATE_PRIOR = 0.2
# A shift of scores below this index matters to nobody, however surely it is there.
_LEAST_PSI = 0.05
_PSI_DAYS = 7
_PSI_GAP = 28
_PSI_PAST = 112
_PSI_BINS = 10
# Counts of days differ by at least so much more than chance explains.
_DAY_NOISE = 0.02


@dataclass(frozen=True)
class Signal:
    """One of NAMES: its verdict, a statistic above 1 when it changed, the index of the first changed day, a reason."""

    name: str
    verdict: Verdict
    statistic: float
    start: int
    reason: str


def arrivals_by_day(statistics: DailyStatistics, curves: Curves) -> tuple[Floats, Floats]:
    """Conversions of each calendar day [S] that came and that were due."""
    days = statistics.days
    lags = np.arange(statistics.window + 1)
    mass = np.diff(curves.arrived, axis=1, prepend=0.0)
    arrives = np.arange(days)[:, None] + lags[None, :]
    inside = arrives < days
    due = statistics.predicted @ (curves.rate[:, None] * mass)
    came = statistics.arrivals.sum(axis=1)
    day = arrives[inside]
    seen, expected = (np.bincount(day, cells[inside], days).astype(np.float64) for cells in (came, due))
    return seen, expected


def outage_days(came: Floats, due: Floats) -> np.ndarray:
    """Days [S] on which conversions failed to be written down: far fewer than due, in all levels together."""
    # The rate that outages have lowered themselves is put right by the days without.
    fine = due >= _OUTAGE_LEAST
    if fine.sum() >= 7:
        due = due * max(1.0, float(np.median(came[fine] / due[fine])))
    out: np.ndarray = (
        fine & (came < _OUTAGE_SHARE * due) & (pdtr(np.floor(came), np.maximum(due, 1e-9)) < _OUTAGE_CHANCE)
    )
    return out


def fill_outages(statistics: DailyStatistics, curves: Curves, missing: np.ndarray) -> Floats:
    """Arrivals [S, K, W + 1] in which what outages have lost is put back by its expectation."""
    lags = np.arange(statistics.window + 1)
    arrives = np.arange(statistics.days)[:, None] + lags[None, :]
    hole = (arrives < statistics.days) & missing[np.minimum(arrives, statistics.days - 1)]
    mass = np.diff(curves.arrived, axis=1, prepend=0.0)
    due = statistics.predicted[:, :, None] * (curves.rate[:, None] * mass)[None]
    return np.where(hole[:, None, :], np.maximum(due, statistics.arrivals), statistics.arrivals)


def labels_signal(statistics: DailyStatistics, came: Floats, due: Floats, missing: np.ndarray) -> Signal:
    """Do conversions still come in? Failed while they do not, changed when a hole lies in the last W days."""
    if not statistics.arrivals.sum():
        if statistics.matured.any() or statistics.predicted.sum() > 100.0:
            return Signal("labels", Verdict.FAILED, 10.0, 0, "no conversion at all has come to any decision")
        return Signal("labels", Verdict.INCONCLUSIVE, 0.0, -1, "no conversion yet, and none was due")
    recent = np.flatnonzero(missing[-statistics.window :]) + max(0, statistics.days - statistics.window)
    day = {number: statistics.first + timedelta(days=int(number)) for number in recent}
    if len(recent) and recent[-1] >= statistics.days - 2:
        run = recent[-1]
        while run - 1 in day:
            run -= 1
        lost = slice(run, statistics.days)
        return Signal(
            "labels",
            Verdict.FAILED,
            2.0,
            int(run),
            f"label outage since {day[run]}: {came[lost].sum():.0f} conversions where {due[lost].sum():.0f} were due",
        )
    if len(recent):
        return Signal(
            "labels",
            Verdict.CHANGED,
            1.5,
            int(recent[0]),
            f"conversions of {len(recent)} days are missing, the first {day[recent[0]]}; the figures make do without",
        )
    return Signal(
        "labels",
        Verdict.OK,
        0.0,
        -1,
        f"{came[-7:].sum():.0f} conversions in 7 days where {due[-7:].sum():.0f} were due",
    )


def delay_signal(changes: LevelChanges, alpha: float, median: float) -> tuple[Signal, Evidence]:
    """Have delays moved, as the reverse-time hazards of recent conversions tell?"""
    evidence = e_detector(changes.shift.log_tilt, changes.shift_error, _DELAY_PRIOR, alpha, 1)
    if evidence.start < 0:
        return Signal("delay", Verdict.INCONCLUSIVE, 0.0, -1, "too few conversions to compare delays"), evidence
    slower = "slower" if evidence.change > 0 else "faster"
    reason = (
        f"median delay {median:.1f} days; conversions come {slower}: tilt {np.exp(evidence.change):.2f} "
        f"where {np.exp(min(evidence.margin, 9.0)):.2f} would be a change"
    )
    return Signal("delay", _verdict(evidence), evidence.statistic, _start(evidence), reason), evidence


def engagement_signal(statistics: DailyStatistics, alpha: float) -> Signal:
    """Has the share of decisions that are engaged with within a day moved?"""
    days = max(statistics.days - 1, 0)  # the last day's engagements are still to come
    n, engaged = statistics.n.sum(axis=1)[:days], statistics.engaged.sum(axis=1)[:days]
    if engaged.sum() < 30:
        return Signal("engagement", Verdict.INCONCLUSIVE, 0.0, -1, f"{engaged.sum():.0f} engagements: too few to judge")
    noise = 1.0 / np.maximum(engaged, 0.5)
    log_rate = np.log((engaged + 0.5) / (n + 1.0))
    evidence = _scan(log_rate, noise, n > 0, alpha)
    rates = _before_and_since(engaged, n, evidence, days)
    reason = f"{rates[1]:.2%} of decisions are engaged with within a day, {rates[0]:.2%} before"
    return Signal("engagement", _verdict(evidence), evidence.statistic, _start(evidence), reason)


def volume_signal(statistics: DailyStatistics, alpha: float) -> Signal:
    """Has the number of decisions a day moved, beyond what its weekdays and usual noise explain?"""
    n = statistics.n.sum(axis=1) + statistics.unscored
    if not n[-1]:
        return Signal("volume", Verdict.INCONCLUSIVE, 0.0, -1, "the version no longer decides")
    log_n = np.log(n + 0.5)
    weekday = (statistics.first.weekday() + np.arange(len(n))) % 7
    for day in range(7):
        log_n[weekday == day] -= np.median(log_n[weekday == day]) if (weekday == day).any() else 0.0
    evidence = _scan(log_n, 1.0 / np.maximum(n, 0.5), np.ones(len(n), bool), alpha)
    usual = _before_and_since(n, np.ones(len(n)), evidence, len(n))
    reason = f"{usual[1]:.0f} decisions a day, {usual[0]:.0f} before"
    return Signal("volume", _verdict(evidence), evidence.statistic, _start(evidence), reason)


def score_signal(statistics: DailyStatistics, alpha: float) -> Signal:
    """Has the distribution of scores, or the share of products the version does not know, moved?"""
    unscored = statistics.unscored
    total = statistics.unscored + statistics.n.sum(axis=1)
    counts = statistics.scores.sum(axis=1)
    days = len(counts)
    if days < LEAST_DAYS + _PSI_DAYS or not counts[-_PSI_DAYS:].sum() or not counts[:-_PSI_DAYS].sum():
        return Signal("scores", Verdict.INCONCLUSIVE, 0.0, -1, "too few days with decisions to compare scores")
    now = counts[-_PSI_DAYS:].sum(axis=0)
    # Four weeks back, so that a shift stays visible for as long; the whole past while that is short.
    old = counts[max(0, days - _PSI_PAST) : days - (_PSI_GAP if days >= _PSI_GAP + LEAST_DAYS else _PSI_DAYS)]
    recent = old.sum(axis=0)
    # What weeks differ by among themselves is their chance.
    weeks = old[len(old) % _PSI_DAYS :].reshape(-1, _PSI_DAYS, old.shape[1]).sum(axis=1)
    usual = float(np.nanmedian(psi(recent, weeks)))
    divergence = float(psi(recent, now[None])[0])
    chance = chdtri(_PSI_BINS - 1, alpha / DAYS_A_YEAR) * (1.0 / max(now.sum(), 1) + 1.0 / max(recent.sum(), 1))
    limit = max(_LEAST_PSI, float(chance), 3.0 * min(usual, 0.25))
    strange = unscored[-_PSI_DAYS:].sum() / max(total[-_PSI_DAYS:].sum(), 1)
    usual_strange = unscored[:-_PSI_DAYS].sum() / max(total[:-_PSI_DAYS].sum(), 1)
    statistic = max(divergence / limit, (strange - usual_strange) / 0.05)
    since = -1
    if statistic > 1:
        strange_by_day = (unscored / np.maximum(total, 1.0) - usual_strange) / 0.05
        beyond = np.maximum(psi(recent, counts) / limit, strange_by_day) > 0.5
        # The first day of the stretch that lasts until now.
        since = days - int(np.argmin(beyond[::-1])) if not beyond.all() else 0
        since = min(since, days - 1)
    reason = (
        f"PSI {divergence:.3f} of the last {_PSI_DAYS} days' scores where {limit:.3f} would be a change; "
        f"{strange:.1%} of decisions were on unknown products"
    )
    return Signal("scores", Verdict.CHANGED if statistic > 1 else Verdict.OK, float(statistic), since, reason)


def psi(reference: Floats, current: Floats) -> Floats:
    """Population stability index of rows of counts [n, bins] against a reference [bins], over its deciles.

    >>> psi(np.array([50.0, 50.0]), np.array([[50.0, 50.0], [0.0, 0.0]])).round(6).tolist()
    [0.0, nan]
    """
    share = np.cumsum(reference) / max(reference.sum(), 1.0)
    middle = share - 0.5 * reference / max(reference.sum(), 1.0)
    group = np.minimum(middle * _PSI_BINS, _PSI_BINS - 1).astype(np.int64)
    into = np.eye(_PSI_BINS)[group]
    p = (reference @ into + 0.5) / (reference.sum() + 0.5 * _PSI_BINS)
    total = current.sum(axis=1, keepdims=True)
    q = (current @ into + 0.5) / (total + 0.5 * _PSI_BINS)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return np.where((total[:, 0] > 0) & (reference.sum() > 0), index, np.nan)


def _scan(values: Floats, noise: Floats, usable: np.ndarray, alpha: float) -> Evidence:
    """Compare means since and before every start; noise of a day is chance's, or what days really differ by if more."""
    days = len(values)
    change = np.full(days, np.nan)
    error = np.full(days, np.nan)
    if usable.sum() < LEAST_DAYS + 1:
        return e_detector(change, error, _RATE_PRIOR, alpha, 1)
    steps = np.diff(values[usable])
    # Half the median square of steps is robust to the one step that is the change itself.
    real = float(np.median(steps**2) / 0.455 / 2.0)
    spread = max(real / max(float(np.median(noise[usable])), 1e-12), 1.0)
    variance = noise * spread + _DAY_NOISE**2
    weight = np.where(usable, 1.0 / variance, 0.0)
    mass = np.cumsum(weight)
    total = np.cumsum(weight * np.where(usable, values, 0.0))
    of_weeks = _between_weeks(values[usable], float(np.median(variance[usable])))
    starts = np.arange(max(LEAST_DAYS, days - SCAN_DAYS), days, STARTS_EVERY)
    before, since = mass[starts - 1], mass[-1] - mass[starts - 1]
    starts, before, since = (column[(before > 0) & (since > 0)] for column in (starts, before, since))
    change[starts] = (total[-1] - total[starts - 1]) / since - total[starts - 1] / before
    weeks_before = np.maximum(starts / 7.0, 1.0)
    weeks_since = np.maximum((days - starts) / 7.0, 1.0)
    error[starts] = np.sqrt(1.0 / before + 1.0 / since + of_weeks * (1.0 / weeks_before + 1.0 / weeks_since))
    return e_detector(change, error, _RATE_PRIOR, alpha, 1)


def _between_weeks(values: Floats, of_day: float) -> float:
    """Variance of weeks beyond that of their days: shops promote, and skip, by the week."""
    weeks = len(values) // 7
    if weeks < 4:
        return 0.0
    means = values[len(values) - 7 * weeks :].reshape(weeks, 7).mean(axis=1)
    return max(0.0, float(np.median(np.diff(means) ** 2)) / 0.455 / 2.0 - of_day / 7.0)


def _before_and_since(part: Floats, whole: Floats, evidence: Evidence, days: int) -> tuple[float, float]:
    cut = evidence.start if evidence.start > 0 else max(days - 7, 0)
    before, since = slice(0, cut), slice(cut, days)
    return (
        float(part[before].sum() / max(whole[before].sum(), 1e-9)),
        float(part[since].sum() / max(whole[since].sum(), 1e-9)),
    )


def _verdict(evidence: Evidence) -> Verdict:
    return Verdict.INCONCLUSIVE if evidence.start < 0 else Verdict.CHANGED if evidence.changed else Verdict.OK


def _start(evidence: Evidence) -> int:
    return evidence.start if evidence.changed else -1
