"""The figures of a look as lines over time: one point a day, each over the days before it.

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

DAYS = 7
COLUMNS = (
    "day", "level", "n", "shown", "predicted", "matured_n", "matured_positives", "matured_rate", "nowcast",
    "nowcast_low", "nowcast_high", "share_matured", "precision", "precision_low", "precision_high", "score_psi",
    "delay_median_days", "engagement_rate",
)  # fmt: skip
"""Of a look's daily.parquet; one row per day and level."""


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
        said = f"lacks {', '.join(missing)}" if missing else "is empty"
        raise MonitoringError(f"look: daily.parquet {said}; look again with `onward monitor --as-of D`")
    # Level -1 holds decisions on products that the model does not know: nothing was predicted for them.
    known = daily[daily["level"] >= 0]
    return known.assign(day=pd.to_datetime(known["day"])).sort_values(["day", "level"], ignore_index=True)


def level_series(daily: pd.DataFrame, version: int, days: int = DAYS) -> tuple[Series, ...]:
    """Return one series a level.

    Args:
        daily: rows of one version, see `require_columns`.
        version: that decided.
        days: over how many days each point is a mean.
    """
    found = []
    for level, rows in daily.groupby("level", sort=True):
        known = rows["n"].where(rows["nowcast"].notna(), 0)
        total = _rolled(rows, known, days)
        nowcast = _shares(_rolled(rows, known * rows["nowcast"], days), total)
        low, high = (
            _shares(np.sqrt(_rolled(rows, (known * (rows["nowcast"] - rows[f"nowcast_{side}"])) ** 2, days)), total)
            for side in ("low", "high")
        )
        found.append(Series(
            int(str(level)), version, tuple(moment.date() for moment in rows["day"]),
            _shares(_rolled(rows, rows["n"] * rows["predicted"], days), _rolled(rows, rows["n"], days)),
            nowcast, np.maximum(nowcast - low, 0.0), nowcast + high,
            np.where(
                # Beyond the last matured day a mean would be over ever fewer days.
                rows["matured_n"] > 0,
                _shares(_rolled(rows, rows["matured_positives"], days), _rolled(rows, rows["matured_n"], days)),
                np.nan,
            ),
        ))  # fmt: skip
    return tuple(found)


def day_figures(daily: pd.DataFrame, verdicts: Mapping[date, Mapping[str, Any]]) -> DayFigures:
    """Return the figures of each day by bucket ("level 0", …, "all") and measure; what is not known is left out.

    Args:
        daily: rows of one version, see `require_columns`.
        verdicts: verdict.json of each look by the last day that it knew, for the statistics of its tests.
    """
    found: DayFigures = {}
    for moment, rows in daily.groupby("day", sort=True):
        day = pd.Timestamp(str(moment)).date()
        expected, hits = rows["n"] * rows["nowcast"], rows["shown"] * rows["precision"]
        weighted = {name: _mean(rows[name], rows["n"]) for name in _WEIGHTED}
        buckets: dict[str, dict[str, float]] = {"all": _known({
            **weighted, "n": float(rows["n"].sum()), "shown": float(rows["shown"].sum()),
            "precision": _ratio(hits.sum(), rows["shown"].sum()), "recall_proxy": _ratio(hits.sum(), expected.sum()),
            "matured_rate": _ratio(rows["matured_positives"].sum(), rows["matured_n"].sum()),
        })}  # fmt: skip
        recall = [_ratio(hit, of) for hit, of in zip(hits, expected, strict=True)]
        for row, proxy in zip(rows.to_dict("records"), recall, strict=True):
            values = {name: float(row[name]) for name in COLUMNS[2:]}
            buckets[f"level {int(row['level'])}"] = _known({**values, "recall_proxy": proxy})
        for name, statistic in _statistics(verdicts.get(day)).items():
            buckets.setdefault(name, {})["drift_statistic"] = statistic
        found[day] = buckets
    return found


def first_days(series: Sequence[Series]) -> dict[int, date]:
    """Return the first day on which each version decided."""
    found: dict[int, date] = {}
    for each in series:
        found[each.version] = min(found.get(each.version, each.days[0]), each.days[0])
    return found


def _statistics(verdict: Mapping[str, Any] | None) -> dict[str, float]:
    if verdict is None:
        return {}
    levels = {f"level {each['level']}": each["drift_statistic"] for each in verdict["levels"]}
    signals = {f"signal {each['name']}": each["statistic"] for each in verdict["signals"]}
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
    known = values.notna()
    return _ratio((values[known] * weights[known]).sum(), weights[known].sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _known(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}
