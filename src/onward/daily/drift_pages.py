"""Evidently's own pages beside the page for on-call: the panels as charts, and the decisions' first and last weeks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd

from onward.artifacts import read_table
from onward.daily.assessment_history import StoredAssessment
from onward.daily.monitor import logged_files
from onward.errors import MonitoringError
from onward.monitoring.daily_series import DayFigures

CHARTS = "charts.html"
DRIFT = "drift.html"
_MOST_DAYS = 28
_MOST_ROWS = 40_000
"""Of each period; more would make the page slower, and no clearer."""


@dataclass(frozen=True)
class Compared:
    """Decisions of the first weeks and of the last ones, and a sentence that says which."""

    reference: pd.DataFrame
    current: pd.DataFrame
    says: str


@dataclass(frozen=True)
class Pages:
    """Names of the pages that were written, in one folder.

    Attributes:
        charts: the panels, readable.
        drift: of the decisions; None where there is nothing to compare.
    """

    charts: str
    drift: str | None


def compared_weeks(look: StoredAssessment, decisions: Path, columns: list[str]) -> Compared | None:
    """Read the first weeks of the decisions that a look read, and the last; None where there are not two days of them.

    Args:
        look: the last one of the version in use.
        decisions: folder of the decision log.
        columns: that are read.
    """
    if look.before_use:
        return None
    try:
        files = {day: Path(path) for day, path in logged_files(decisions, look.version, look.as_of, replaced=True)}
    except MonitoringError:
        # The log lies on another machine, or has a gap that the look itself names.
        return None
    days = sorted(files)
    count = min(_MOST_DAYS, len(days) // 2)
    if not count:
        return None
    reference, current = (_rows([files[day] for day in part], columns) for part in (days[:count], days[-count:]))
    if reference.empty or current.empty:
        return None
    first = f"{days[0]} to {days[0] + timedelta(days=count - 1)}"
    says = f"Version {look.version}: decisions of {days[-count]} to {days[-1]} against those of {first}"
    return Compared(reference, current, says)


def last_figures(days: DayFigures) -> Mapping[str, Mapping[str, float]]:
    """The figures of each level on the last day that has tests, of the last day where none has."""
    tested = [day for day, of_day in days.items() if any("drift_statistic" in values for values in of_day.values())]
    last = max(tested or days, default=None)
    return {} if last is None else {name: values for name, values in days[last].items() if name.startswith("level ")}


def _rows(paths: list[Path], columns: list[str]) -> pd.DataFrame:
    """Decisions on products that the version knows, evenly thinned."""
    rows = pd.concat([read_table(path, columns) for path in paths], ignore_index=True)
    rows = rows[rows["level"] >= 0]
    return rows.iloc[:: -(-len(rows) // _MOST_ROWS) or 1].reset_index(drop=True)
