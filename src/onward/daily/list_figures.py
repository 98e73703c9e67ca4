"""The weeks of lists as figures of days, beside those of levels: each on its week's last day, under its version."""

from collections.abc import Mapping
from math import isfinite

from onward.artifacts import read_table
from onward.daily.assessment_history import AssessmentHistory
from onward.monitoring.daily_series import DayFigures

_MEASURES = (
    "lift", "lift_low", "lift_high", "hit_rate", "hit_rate_low", "hit_rate_high", "coverage", "listed",
)  # fmt: skip


def add_list_figures(figures: Mapping[str, DayFigures], history: AssessmentHistory) -> None:
    """Add to the figures of each version ("version 4") those of its lists, as its last look with them saw them."""
    for version in history.watched_versions():
        for look in history.of_version(version):
            path = look.folder / "lists.parquet"
            if not path.is_file():
                continue
            for row in read_table(path).to_dict("records"):
                days = figures.get(f"version {row['version']}")
                if days is None:
                    continue
                known = {f"list_{name}": float(row[name]) for name in _MEASURES if isfinite(row[name])}
                days.setdefault(row["day"], {})[f"list {row['list']}"] = known
