"""One assessment of a version: the verdict per level, the signals, and the figures per day, all pure.

It depends on what was known at its as_of and on nothing else, earlier assessments included: made again it is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from onward.monitoring import promise, signals
from onward.monitoring.change_scan import LevelChanges, dispersion, level_changes
from onward.monitoring.daily_statistics import DailyStatistics, Flags, Floats
from onward.monitoring.delays import arrived_from, fit_shift, lag_counts, reference_curves
from onward.monitoring.nowcast import Nowcast, normal_quantile, nowcast, recent_curve
from onward.monitoring.promise import Promise
from onward.monitoring.sequential import Evidence, e_detector
from onward.monitoring.signals import Signal
from onward.monitoring.slices import changed_slices
from onward.monitoring.verdict import PROMISE, Verdict, of_levels

SCHEMA = 3
FALSE_ALARMS_PER_YEAR = 0.05
# Ville's bound is not reached: starts overlap, and evidence seldom jumps far past a threshold. In 40 simulated years
# without drift, on seeds that benchmarks/drift/monitoring.py does not use, the largest evidence was half of 1 / 0.05.
_LOOSE = 2.0
# The relative change of positivity that is looked for; smaller ones take longer to be seen, none is excluded.
_PRIOR = 0.2


@dataclass(frozen=True)
class AssessmentSettings:
    """What is asked of an assessment.

    Attributes:
        confidence: of intervals, one at a time.
        current_days: the days that "now" means where nothing has changed.
        tolerance: a level is ok once a relative change by more than this can be ruled out.
    """

    confidence: float = 0.95
    current_days: int = 28
    tolerance: float = 0.5


@dataclass(frozen=True)
class LevelAssessment:
    """The verdict on one level; change and margin are points of positivity as fractions."""

    level: int
    verdict: Verdict
    start: int
    change: float
    margin: float
    statistic: float
    reason: str


@dataclass(frozen=True)
class Assessment:
    """All that was found, before it is put into words and tables."""

    statistics: DailyStatistics
    levels: tuple[LevelAssessment, ...]
    signals: tuple[Signal, ...]
    slices: tuple[dict[str, Any], ...]
    dispersion: Floats
    delay: Evidence
    promise: Promise | None = None

    @property
    def verdict(self) -> Verdict:
        """Failed while no labels come, else what the levels are together, else what the promise of all versions is."""
        if any(signal.verdict is Verdict.FAILED for signal in self.signals):
            return Verdict.FAILED
        own = of_levels({level.verdict for level in self.levels})
        if own is not Verdict.INCONCLUSIVE or self.promise is None:
            return own
        return Verdict.DRIFTED if self.promise.verdict is Verdict.CHANGED else self.promise.verdict

    @property
    def by_promise(self) -> bool:
        """Whether the verdict is the promise's, the version's own levels having too few labels."""
        own = of_levels({level.verdict for level in self.levels})
        return own is Verdict.INCONCLUSIVE and self.verdict in {Verdict.OK, Verdict.DRIFTED}

    @property
    def worst(self) -> LevelAssessment | None:
        """The drifted level that moved farthest beyond its margin, or None."""
        return _worst(self.levels)

    @property
    def cause(self) -> str | None:
        """Positivity if a level drifted, the promise if that of all versions is broken, else the first signal."""
        if self.verdict is Verdict.DRIFTED:
            return PROMISE if self.by_promise else "positivity"
        moved = (signal.name for signal in self.signals if signal.verdict in {Verdict.FAILED, Verdict.CHANGED})
        return next(moved, None)


def assess(
    statistics: DailyStatistics, settings: AssessmentSettings, all_versions: DailyStatistics | None = None
) -> Assessment:
    """Assess levels and signals as of the day after the last.

    Args:
        statistics: of the version.
        settings: see there.
        all_versions: of the same days and those before, by whichever version was in use; None if there was no other.
    """
    curves = reference_curves(statistics)
    came, due = signals.arrivals_by_day(statistics, curves)
    missing = signals.outage_days(came, due)
    labels = signals.labels_signal(statistics, came, due, missing)
    if missing.any():
        filled = signals.fill_outages(statistics, curves, missing)
        statistics = replace(statistics, arrivals=filled)
        curves = reference_curves(statistics)
    phi = dispersion(statistics, curves.arrived)
    changes = level_changes(statistics, phi)
    levels = tuple(_assess_level(level, statistics, changes, settings) for level in range(statistics.levels))
    delay, evidence = signals.delay_signal(changes, FALSE_ALARMS_PER_YEAR, _median(curves.arrived))
    worst = _worst(levels)
    slices = changed_slices(statistics, worst.start, settings.confidence, float(phi.mean())) if worst else ()
    all_signals = (
        labels,
        delay,
        signals.engagement_signal(statistics, FALSE_ALARMS_PER_YEAR),
        signals.score_signal(statistics, FALSE_ALARMS_PER_YEAR),
        signals.volume_signal(statistics, FALSE_ALARMS_PER_YEAR),
    )
    kept = None
    if all_versions is not None:
        limits = (settings.confidence, settings.current_days, settings.tolerance)
        kept = promise.assess_promise(all_versions, FALSE_ALARMS_PER_YEAR, *limits)
    return Assessment(statistics, levels, all_signals, slices, phi, evidence, kept)


def verdict_document(assessment: Assessment, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Put an assessment into the form of verdict.json.

    Args:
        assessment: what was found.
        facts: source and version, passed on as they are.
    """
    first = assessment.statistics.first
    worst = assessment.worst
    named = next((signal for signal in assessment.signals if signal.name == assessment.cause), None)
    since = _since(first, named.start if named else worst.start if worst else -1)
    kept = assessment.promise
    return {
        **facts,
        "schema": SCHEMA,
        "as_of": assessment.statistics.as_of.isoformat(),
        "verdict": assessment.verdict,
        "cause": assessment.cause,
        "level": worst.level if worst and named is None else None,
        "since": _day(kept.since) if kept and assessment.by_promise else since,
        "slices": list(assessment.slices),
        "reason": _reason(assessment, worst, named),
        "false_alarms_per_year": FALSE_ALARMS_PER_YEAR,
        "levels": [
            {
                "level": level.level,
                "verdict": level.verdict,
                "since": _since(first, level.start),
                "change": _plain(level.change),
                "margin": _plain(level.margin),
                "drift_statistic": _plain(level.statistic),
                "reason": level.reason,
            }
            for level in assessment.levels
        ],
        "signals": [
            {
                "name": signal.name,
                "verdict": signal.verdict,
                "statistic": _plain(signal.statistic),
                "since": _since(first, signal.start),
                "reason": signal.reason,
            }
            for signal in assessment.signals
        ]
        + ([] if kept is None else [_promise_line(kept)]),
    }


def failed_document(as_of: date, facts: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Put into the form of verdict.json that nothing could be computed."""
    return {
        **facts,
        "schema": SCHEMA,
        "as_of": as_of.isoformat(),
        "verdict": Verdict.FAILED,
        "cause": None,
        "level": None,
        "since": None,
        "slices": [],
        "reason": reason,
        "false_alarms_per_year": FALSE_ALARMS_PER_YEAR,
        "levels": [],
        "signals": [],
    }


def daily_table(assessment: Assessment, settings: AssessmentSettings) -> pa.Table:
    """What daily.parquet holds: one row per day and level; NaN where a figure is not known."""
    statistics = assessment.statistics
    days, levels = statistics.n.shape
    count = (statistics.arrivals * statistics.known[:, None, :]).sum(axis=2)
    each_day = np.eye(days, dtype=bool)
    rate = nowcast_blocks(assessment, each_day, settings.confidence)
    precision = nowcast_blocks(assessment, each_day, settings.confidence, of_shown=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        matured_rate = np.where(statistics.matured[:, None], count / statistics.n, np.nan)
        predicted = statistics.predicted / statistics.n
        engaged = np.where((statistics.ages >= 2)[:, None], statistics.engaged / statistics.n, np.nan)
    # Before anything has matured the curve has no end, and what is pending no known worth.
    open_end = 1.0 if statistics.matured.any() else np.nan
    matured = np.broadcast_to(statistics.matured[:, None], (days, levels))
    columns = {
        "n": statistics.n.astype(np.int64),
        "shown": statistics.shown.astype(np.int64),
        "predicted": predicted,
        "matured_n": np.where(matured, statistics.n, 0).astype(np.int64),
        "matured_positives": np.where(matured, count, 0).round().astype(np.int64),
        "matured_rate": matured_rate,
        "nowcast": rate.rate * open_end,
        "nowcast_low": rate.low * open_end,
        "nowcast_high": rate.high * open_end,
        "share_matured": np.where(statistics.n > 0, matured.astype(float), np.nan),
        "precision": precision.rate * open_end,
        "precision_low": precision.low * open_end,
        "precision_high": precision.high * open_end,
        "score_psi": _daily_psi(statistics),
        "delay_median_days": _delay_medians(statistics),
        "engagement_rate": engaged,
    }
    day = [statistics.first + timedelta(days=number) for number in range(days)]
    return pa.table(
        {
            "day": pa.array([moment for moment in day for _ in range(levels)], pa.date32()),
            "level": np.tile(np.arange(levels, dtype=np.int8), days),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )


def nowcast_blocks(assessment: Assessment, blocks: Flags, confidence: float, *, of_shown: bool = False) -> Nowcast:
    """Nowcast blocks of cohorts [B, S], weeks for one, per level; of what was shown only if asked."""
    statistics = assessment.statistics
    arrived, tilt_error = _current_curve(assessment)
    share = arrived[:, np.minimum(statistics.ages - 1, statistics.window)].T.copy()
    share[statistics.matured] = 1.0
    start = min((level.start for level in assessment.levels if level.verdict is Verdict.DRIFTED), default=0)
    n, predicted, arrivals = (
        (statistics.shown, statistics.predicted_shown, statistics.arrivals_shown)
        if of_shown
        else (statistics.n, statistics.predicted, statistics.arrivals)
    )
    count = (arrivals * statistics.known[:, None, :]).sum(axis=2)
    return nowcast(n, predicted, count, share, assessment.dispersion, blocks, confidence, tilt_error, start)


def current_precision(assessment: Assessment, settings: AssessmentSettings) -> float | None:
    """Nowcast precision of what was shown in the current days, all levels together; None where it is not known."""
    statistics = assessment.statistics
    current = (statistics.ages <= settings.current_days)[None, :]
    shown = (current @ statistics.shown)[0]
    if not shown.sum() or not statistics.matured.any():
        return None
    rates = nowcast_blocks(assessment, current, settings.confidence, of_shown=True).rate[0]
    return float(rates[shown > 0] @ shown[shown > 0] / shown.sum())


def _promise_line(kept: Promise) -> dict[str, Any]:
    return {
        "name": PROMISE,
        "verdict": kept.verdict,
        "statistic": _plain(kept.statistic),
        "since": _day(kept.since),
        "reason": kept.reason,
    }


def _worst(levels: Sequence[LevelAssessment]) -> LevelAssessment | None:
    drifted = [level for level in levels if level.verdict is Verdict.DRIFTED]
    return max(drifted, key=lambda level: level.statistic, default=None)


def _assess_level(
    level: int, statistics: DailyStatistics, changes: LevelChanges, settings: AssessmentSettings
) -> LevelAssessment:
    change = changes.change[:, level]
    error = changes.error[:, level]
    z = changes.z[:, level]
    evidence = e_detector(
        change,
        error,
        _PRIOR,
        _LOOSE * FALSE_ALARMS_PER_YEAR,
        statistics.levels,
        z,
        statistics.days - settings.current_days,
    )
    start = evidence.start
    if start < 0:
        seen = int(statistics.arrivals[:, level].sum())
        reason = f"{seen} conversions known of {int(statistics.n[:, level].sum())} decisions: too few to compare days"
        return LevelAssessment(level, Verdict.INCONCLUSIVE, -1, float("nan"), float("nan"), 0.0, reason)
    scale = float(changes.before[start, level] * changes.predicted[start, level])
    moved = float(scale * np.expm1(evidence.change))
    margin = (
        abs(moved) / evidence.statistic
        if evidence.statistic > 1e-6
        else scale * float(np.expm1(min(evidence.margin, 20.0)))
    )
    figures = (
        f"positivity {(scale + moved):.2%} since {statistics.first + timedelta(days=start)}, {scale:.2%} before at "
        f"equal predictions: {np.expm1(evidence.change):+.0%} where {margin / scale:.0%} would be drift"
    )
    if evidence.changed:
        return LevelAssessment(level, Verdict.DRIFTED, start, moved, margin, evidence.statistic, figures)
    # The interval of one assessment, at the confidence asked for over all levels together.
    quantile = normal_quantile(1.0 - (1.0 - settings.confidence) / statistics.levels)
    reach = abs(evidence.change) + quantile * float(error[start])
    if reach <= np.log1p(settings.tolerance):
        return LevelAssessment(level, Verdict.OK, -1, moved, margin, evidence.statistic, figures)
    unsure = f"{figures}; a change by {settings.tolerance:.0%} cannot be ruled out yet"
    return LevelAssessment(level, Verdict.INCONCLUSIVE, -1, moved, margin, evidence.statistic, unsure)


def _current_curve(assessment: Assessment) -> tuple[Floats, float]:
    """G by lag of what comes now [K, W + 1], and the error of the log of its tilt."""
    statistics = assessment.statistics
    at, by = lag_counts(statistics.arrivals, statistics.known)
    arrived = recent_curve(statistics)
    evidence = assessment.delay
    if evidence.changed:
        start = evidence.start
        from_before = arrived_from(at[:start].sum(axis=0), by[:start].sum(axis=0))
        shift = fit_shift(at[start:].sum(axis=0), by[start:].sum(axis=0), from_before)
        return from_before ** float(np.exp(shift.log_tilt)), float(shift.error)
    shift = fit_shift(at[-statistics.window :].sum(axis=0), by[-statistics.window :].sum(axis=0), arrived)
    error = float(shift.error) * float(np.sqrt(assessment.dispersion.mean()))
    return arrived, min(error, 0.5)


def _daily_psi(statistics: DailyStatistics) -> Floats:
    """PSI of each day's scores against those of the first half of all days, by level; NaN below 50 decisions."""
    days = statistics.days
    result = np.stack(
        [
            signals.psi(statistics.scores[: max(days // 2, 1), level].sum(axis=0), statistics.scores[:, level])
            for level in range(statistics.levels)
        ],
        axis=1,
    )
    return np.where(statistics.n >= 50, result, np.nan)


def _delay_medians(statistics: DailyStatistics) -> Floats:
    """Median lag of the conversions of each matured cohort, by level."""
    total = statistics.arrivals.sum(axis=2)
    half = np.argmax(np.cumsum(statistics.arrivals, axis=2) >= total[:, :, None] / 2.0, axis=2).astype(np.float64)
    return np.where(statistics.matured[:, None] & (total > 0), half, np.nan)


def _median(arrived: Floats) -> float:
    pooled = arrived.mean(axis=0)
    return float(np.argmax(pooled >= 0.5))


def _reason(assessment: Assessment, worst: LevelAssessment | None, named: Signal | None) -> str:
    if assessment.by_promise and assessment.promise is not None:
        return f"the versions so far together, {assessment.promise.reason}"
    if assessment.verdict is Verdict.DRIFTED and worst is not None:
        return f"level {worst.level}: {worst.reason}"
    if named is not None:
        return f"{named.name}: {named.reason}"
    unsure = [level for level in assessment.levels if level.verdict is Verdict.INCONCLUSIVE]
    if unsure:
        return f"level {unsure[0].level}: {unsure[0].reason}"
    nearest = max(assessment.levels, key=lambda level: level.statistic)
    return f"no level moved; nearest to it level {nearest.level}: {nearest.reason}"


def _since(first: date, start: int) -> str | None:
    return None if start < 0 else (first + timedelta(days=start)).isoformat()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
