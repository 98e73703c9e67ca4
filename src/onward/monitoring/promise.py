"""Do the versions in use promise what comes, judged over all of them together?

A version that is replaced after a week has too few labels for a verdict of its own. What it promised is a number of
conversions, and so is what the versions before it promised: their days follow each other and share one delay curve. For
each day on which the promise may have ceased to hold, what came since is compared with what was due since, at each
level and over all levels, by the sequential rule of sequential.py. It is kept when the sum over all levels says so.

Unlike a version's own levels, which are compared with their own past, a promise is held against its word: training anew
each week hides from a version's past what stays wrong. That needs the end of the delay curve, so there is no answer
before the first day has matured. Versions differ from each other by more than chance; that *wander* of the weekly ratio
enters the error, and what lies within _CLOSE of the promise counts as kept.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from onward.monitoring.change_scan import LEAST_CONVERSIONS, LEAST_DAYS, dispersion
from onward.monitoring.daily_statistics import TOGETHER_DAYS, DailyStatistics, Floats
from onward.monitoring.delays import arrived_from, lag_counts, reference_curves
from onward.monitoring.due_since import due_since
from onward.monitoring.nowcast import normal_quantile, weekly_wander
from onward.monitoring.sequential import STARTS_EVERY, Evidence, e_detector
from onward.monitoring.signals import arrivals_by_day, fill_outages, outage_days
from onward.monitoring.verdict import Verdict

# A promise that is kept to a twentieth is kept.
_CLOSE = 0.05
_PRIOR = 0.2
# Ville's bound is far from reached, since most of the evidence lies within _CLOSE: in 40 simulated years of versions
# that differ by 9 % from week to week, looked at daily, the largest evidence was a fortieth of 2 / 0.05.
_LOOSE = 20.0


@dataclass(frozen=True)
class Promise:
    """What was found.

    Attributes:
        verdict: ok, changed or inconclusive.
        statistic: above 1 exactly when it is broken.
        since: first day of the broken promise, or None.
        ratio: promised over came in those days, or in the current ones; NaN where nothing can be said.
        reason: one sentence.
    """

    verdict: Verdict
    statistic: float
    since: date | None
    ratio: float
    reason: str


def assess_promise(
    statistics: DailyStatistics, alpha: float, confidence: float, current_days: int, tolerance: float
) -> Promise:
    """Judge the promise of several versions.

    Args:
        statistics: of the days that all of them decided, one version after another.
        alpha: chance in a year that a kept promise is called broken.
        confidence: of the interval by which a broken promise is ruled out.
        current_days: the days that "now" means where nothing has changed.
        tolerance: a promise is kept once a relative change by more than this can be ruled out.
    """
    days, levels = statistics.n.shape
    first = max(LEAST_DAYS, days - TOGETHER_DAYS)
    starts = np.arange(first + (first + statistics.first.toordinal()) % STARTS_EVERY, days, STARTS_EVERY)
    if not len(starts) or not statistics.matured.any():
        reason = f"{days} days, the first of which has not matured: too early to hold a promise against what came"
        return Promise(Verdict.INCONCLUSIVE, 0.0, None, float("nan"), reason)
    change, error = _broken(_without_outages(statistics), starts)
    beyond = np.sign(change) * np.maximum(np.abs(change) - np.log1p(_CLOSE), 0.0)
    now = int(np.argmin(np.abs(starts - (days - current_days))))
    # Half of alpha is for all levels together, the levels share the other half.
    found = [
        e_detector(beyond[:, k], error[:, k], _PRIOR, _LOOSE * alpha / 2.0, streams, None, now)
        for k, streams in enumerate([levels] * levels + [1])
    ]
    worst = max(range(levels + 1), key=lambda k: found[k].statistic)
    if found[worst].changed:
        at = found[worst].start
        return _said(Verdict.CHANGED, statistics, found[worst], worst, int(starts[at]), float(change[at, worst]))
    # One promise over all levels, one interval; of a level alone there may be too few labels for long.
    reach = float(np.abs(change[now, levels]) + normal_quantile(confidence) * error[now, levels])
    verdict = Verdict.OK if reach <= np.log1p(tolerance) else Verdict.INCONCLUSIVE
    return _said(verdict, statistics, found[levels], levels, int(starts[now]), float(change[now, levels]))


def _without_outages(statistics: DailyStatistics) -> DailyStatistics:
    curves = reference_curves(statistics)
    missing = outage_days(*arrivals_by_day(statistics, curves))
    if not missing.any():
        return statistics
    return replace(statistics, arrivals=fill_outages(statistics, curves, missing))


def _broken(statistics: DailyStatistics, starts: np.ndarray) -> tuple[Floats, Floats]:
    """Log of came over due since each start, and its error, of each level and last of all together: [S, K + 1]."""
    at, by = lag_counts(statistics.arrivals, statistics.known)
    arrived = arrived_from(at.sum(axis=0), by.sum(axis=0))
    phi = dispersion(statistics, arrived)
    lag = np.minimum(statistics.ages - 1, statistics.window)
    wander = weekly_wander(at.sum(axis=2), statistics.predicted * arrived[:, lag].T, phi)
    seen = due_since(statistics, starts, phi)
    came, due = _with_all(seen.seen_since), _with_all(seen.due_since)
    before, promised = _with_all(seen.seen_before), _with_all(seen.promised_since)
    share = np.clip(_with_all(seen.promised_since * seen.arrived_since) / np.maximum(promised, 1e-9), 1e-3, 1.0)
    spread = np.append(phi, max(float(phi.max()), statistics.spread_together))
    change = np.log((came + 0.5) / (due + 0.5))
    # The wander is of the difference of two weeks, hence twice a week's.
    variance = (
        spread * (1.0 / np.minimum(came + 0.5, due + 0.5) + (1.0 - share) / (share * np.maximum(before, 1.0)))
        + seen.doubt[:, None]
        + wander / 2.0 / np.maximum((statistics.days - starts) / 7.0, 1.0)[:, None]
    )
    judged = (before >= LEAST_CONVERSIONS) & (due >= 1.0)
    return np.where(judged, change, np.nan), np.where(judged, np.sqrt(variance), np.nan)


def _with_all(values: Floats) -> Floats:
    return np.column_stack([values, values.sum(axis=1)])


def _said(
    verdict: Verdict, statistics: DailyStatistics, evidence: Evidence, stream: int, start: int, change: float
) -> Promise:
    since = statistics.first + timedelta(days=start)
    ratio = float(np.exp(-change))
    what = "all levels" if stream == statistics.levels else f"level {stream}"
    words = f"{what}: {ratio:.2f} times as much was promised as came since {since}"
    changed = verdict is Verdict.CHANGED
    if verdict is Verdict.INCONCLUSIVE:
        words += "; too few labels to rule out more"
    return Promise(verdict, evidence.statistic, since if changed else None, ratio, words)
