"""The figures of an assessment as lines over time: one point a day, each over the days before it.

A single day of a single level holds few conversions; a week of them shows what is going on, without a weekday's rhythm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import MonitoringError

Floats = npt.NDArray[np.float64]
DayFigures = dict[date, dict[str, dict[str, float]]]
"""What is known of each day, by bucket and measure."""

BEFORE_USE = ", before use"
"""Ends the label of figures of test customers, from before their version decided anything."""

DAYS = 7
COLUMNS = (
    "day",
    "level",
    "n",
    "shown",
    "predicted",
    "matured_n",
    "matured_positives",
    "matured_rate",
    "nowcast",
    "nowcast_low",
    "nowcast_high",
    "share_matured",
    "precision",
    "precision_low",
    "precision_high",
    "score_psi",
    "delay_median_days",
    "engagement_rate",
)
"""Of an assessment's daily.parquet; one row per day and level."""


_WEIGHTED = ("predicted", "nowcast", "share_matured", "score_psi", "delay_median_days", "engagement_rate")


@dataclass(frozen=True)
class Series:
    """One level of one version over time, in means over the DAYS days up to each day; NaN where nothing is known.

    Attributes:
        level: 0 is the surest.
        version: that decided.
        days: of the points.
        predicted: mean probability.
        nowcast: mean expected label, with the bounds of its interval in `low` and `high`; days count as independent.
        low: see nowcast.
        high: see nowcast.
        matured: rate of the labels whose window has closed.
    """

    level: int
    version: int
    days: tuple[date, ...]
    predicted: Floats
    nowcast: Floats
    low: Floats
    high: Floats
    matured: Floats


def require_columns(daily: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its rows in order of day and level.

    Raises:
        MonitoringError: it lacks a column, or is empty.
    """
    missing = [name for name in COLUMNS if name not in daily]
    if missing or daily.empty:
        problem = f"lacks {', '.join(missing)}" if missing else "is empty"
        raise MonitoringError(f"daily.parquet {problem}; assess again with `onward monitor --as-of D`")
    # Level -1 holds decisions on products that the model does not know: nothing was predicted for them.
    of_levels = daily[daily["level"] >= 0]
    return of_levels.assign(day=pd.to_datetime(of_levels["day"])).sort_values(["day", "level"], ignore_index=True)


def level_series(daily: pd.DataFrame, version: int, days: int = DAYS) -> tuple[Series, ...]:
    """Return one series a level.

    Args:
        daily: rows of one version, see `require_columns`.
        version: that decided.
        days: over how many days each point is a mean.
    """
    lines = []
    for level, rows in daily.groupby("level", sort=True):
        counted = rows["n"].where(rows["nowcast"].notna(), 0)
        total = _rolled(rows, counted, days)
        nowcast = _shares(_rolled(rows, counted * rows["nowcast"], days), total)
        low, high = (
            _shares(np.sqrt(_rolled(rows, (counted * (rows["nowcast"] - rows[f"nowcast_{side}"])) ** 2, days)), total)
            for side in ("low", "high")
        )
        lines.append(
            Series(
                int(str(level)),
                version,
                tuple(moment.date() for moment in rows["day"]),
                _shares(_rolled(rows, rows["n"] * rows["predicted"], days), _rolled(rows, rows["n"], days)),
                nowcast,
                np.maximum(nowcast - low, 0.0),
                nowcast + high,
                np.where(
                    # Beyond the last matured day a mean would be over ever fewer days.
                    rows["matured_n"] > 0,
                    _shares(_rolled(rows, rows["matured_positives"], days), _rolled(rows, rows["matured_n"], days)),
                    np.nan,
                ),
            )
        )
    return tuple(lines)


def day_figures(daily: pd.DataFrame, verdicts: Mapping[date, Mapping[str, Any]]) -> DayFigures:
    """Return the figures of each day by bucket ("level 0", …, "all") and measure; what is not known is left out.

    Args:
        daily: rows of one version, see `require_columns`.
        verdicts: verdict.json of each assessment by the last day that it knew, for the statistics of its tests.
    """
    figures: DayFigures = {}
    for moment, rows in daily.groupby("day", sort=True):
        day = pd.Timestamp(str(moment)).date()
        expected = rows["n"] * rows["nowcast"]
        hits = rows["shown"] * rows["precision"]
        weighted = {name: _mean(rows[name], rows["n"]) for name in _WEIGHTED}
        buckets: dict[str, dict[str, float]] = {
            "all": _known(
                {
                    **weighted,
                    "n": float(rows["n"].sum()),
                    "shown": float(rows["shown"].sum()),
                    "precision": _ratio(hits.sum(), rows["shown"].sum()),
                    "recall_proxy": _ratio(hits.sum(), expected.sum()),
                    "matured_rate": _ratio(rows["matured_positives"].sum(), rows["matured_n"].sum()),
                }
            )
        }
        recall = [_ratio(hit, of) for hit, of in zip(hits, expected, strict=True)]
        for row, proxy in zip(rows.to_dict("records"), recall, strict=True):
            values = {name: float(row[name]) for name in COLUMNS[2:]}
            buckets[f"level {int(row['level'])}"] = _known({**values, "recall_proxy": proxy})
        for name, statistic in _statistics(verdicts.get(day)).items():
            buckets.setdefault(name, {})["drift_statistic"] = statistic
        figures[day] = buckets
    return figures


def period_figures(daily: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the figures of all days together, by level ("level 0", …) and measure; what is not known is left out.

    Args:
        daily: rows of the period, see `require_columns`.
    """
    figures = {}
    for level, rows in daily.groupby("level", sort=True):
        weighted = {name: _mean(rows[name], rows["n"]) for name in ("predicted", "nowcast", "share_matured")}
        figures[f"level {level}"] = _known(
            {
                **weighted,
                "precision": _mean(rows["precision"], rows["shown"]),
                "matured_rate": _ratio(rows["matured_positives"].sum(), rows["matured_n"].sum()),
            }
        )
    return figures


def first_days(series: Sequence[Series]) -> dict[int, date]:
    """Return the first day on which each version decided."""
    first: dict[int, date] = {}
    for line in series:
        first[line.version] = min(first.get(line.version, line.days[0]), line.days[0])
    return first


def _statistics(verdict: Mapping[str, Any] | None) -> dict[str, float]:
    if verdict is None:
        return {}
    levels = {f"level {level['level']}": level["drift_statistic"] for level in verdict["levels"]}
    signals = {f"signal {signal['name']}": signal["statistic"] for signal in verdict["signals"]}
    return {name: float(value) for name, value in (levels | signals).items() if value is not None}


def _rolled(rows: pd.DataFrame, values: pd.Series, days: int) -> Floats:
    # Over days of the calendar: a day without rows is no point, and does not stretch the week.
    by_day = pd.Series(values.to_numpy(np.float64), index=pd.DatetimeIndex(rows["day"]))
    whole = min(days, len(rows))
    return by_day.fillna(0.0).rolling(f"{days}D", min_periods=whole).sum().fillna(0.0).to_numpy(np.float64)


def _shares(parts: Floats, wholes: Floats) -> Floats:
    shares: Floats = np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
    return shares


def _mean(values: pd.Series, weights: pd.Series) -> float:
    present = values.notna()
    return _ratio((values[present] * weights[present]).sum(), weights[present].sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _known(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}
