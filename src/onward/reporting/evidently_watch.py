"""Two of Evidently's own pages: the dashboard's panels as charts that can be read, and presets for what drifts.

Evidently's UI puts a marker on every day, draws no band and shows no tabs; its report pages do better, so one of them
draws panels.yaml. The other holds the preset for data drift over the decisions, with our own figures beside it.
Importing this module takes seconds, as evidently_pages.py does, on whose set-up it builds.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd

from onward.monitoring.daily_series import DayFigures
from onward.reporting.evidently_pages import MEASURES, TESTED, quietly
from onward.reporting.panel_lines import panel_lines
from onward.reporting.panels import Panels

with quietly():
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Snapshot
    from evidently.legacy.renderers.html_widgets import (
        TabData,
        WidgetSize,
        group_widget,
        plotly_data,
        table_data,
        widget_tabs,
    )
    from evidently.presets import DataDriftPreset

NUMERIC = ("score", "probability", "uncertainty")
CATEGORICAL = ("level", "decision", "category")
"""Columns of the decision log that the preset compares."""
_OWN = {measure: MEASURES[measure] for measure in ("score_psi", TESTED)}
_COLOURS = ("#2a6fb0", "#c8553d", "#3d8b5f", "#8a5fb0", "#b08a2a", "#4f6d7a")
_LAYOUT = {
    "hovermode": "x unified",
    "margin": {"t": 10, "l": 55, "r": 15, "b": 40},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    "xaxis": {"type": "date"},
    "yaxis": {"rangemode": "tozero"},
}


class PanelCharts(SingleValueMetric):  # type: ignore[misc]  # Evidently ships no types
    """The panels of panels.yaml; its value is the number of days that they show."""

    title: str


class PanelChartsCalculation(SingleValueCalculation[PanelCharts]):  # type: ignore[misc]  # likewise
    """Draws the rows of `panel_lines`, one tab of charts a tab of the file."""

    def calculate(self, context: Any, current_data: Dataset, reference_data: Dataset | None) -> Any:  # noqa: ARG002
        """Return the number of days, with the charts as its picture."""
        lines = current_data.as_dataframe()
        result = self.result(int(lines["day"].nunique()))
        tabs = [TabData(str(name), _charts(rows)) for name, rows in lines.groupby("tab", sort=False)]
        result.widget = [widget_tabs(title=self.metric.title, tabs=tabs)]
        return result

    def display_name(self) -> str:
        """Name the charts as people read them."""
        return str(self.metric.title)


class OwnFigures(SingleValueMetric):  # type: ignore[misc]  # likewise
    """The monitor's own figures of scores and levels, for comparison; its value is the largest test statistic."""

    title: str
    rows: list[list[str]]
    largest: float


class OwnFiguresCalculation(SingleValueCalculation[OwnFigures]):  # type: ignore[misc]  # likewise
    """Puts the figures into a table."""

    def calculate(self, context: Any, current_data: Dataset, reference_data: Dataset | None) -> Any:  # noqa: ARG002
        """Return the largest statistic, with the table as its picture."""
        result = self.result(self.metric.largest)
        table = table_data(column_names=["", *_OWN.values()], data=self.metric.rows, title=self.metric.title)
        result.widget = [table]
        return result

    def display_name(self) -> str:
        """Name the table as people read it."""
        return str(self.metric.title)


def write_watch_page(figures: Mapping[str, DayFigures], panels: Panels, page: Path) -> None:
    """Write the panels as charts: lines without markers, intervals as bands, a tab each.

    Args:
        figures: by label, the version in use last; see `day_figures`.
        panels: what is drawn.
        page: where the HTML goes; its folder is there.
    """
    lines = panel_lines(figures, panels)
    last = lines["day"].max() if len(lines) else date(1970, 1, 1)
    with quietly():
        snapshot = Report([PanelCharts(title=panels.project)]).run(
            Dataset.from_pandas(lines, data_definition=DataDefinition()),
            None,
            timestamp=datetime.combine(last, time.min),
            name=panels.project,
        )
        snapshot.save_html(str(page))


def write_drift_page(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    levels: Mapping[str, Mapping[str, float]],
    says: str,
    page: Path,
) -> None:
    """Write Evidently's preset for data drift over decisions, with the monitor's own figures of each level above it.

    Args:
        reference: decisions of the first weeks, columns NUMERIC and CATEGORICAL.
        current: decisions of the last weeks, likewise.
        levels: figures of the last day by bucket, of which PSI and the tests' statistics are shown.
        says: which days are compared, in a sentence.
        page: where the HTML goes; its folder is there.
    """
    with quietly():
        drift_snapshot(reference, current, levels, says).save_html(str(page))


def drift_snapshot(
    reference: pd.DataFrame, current: pd.DataFrame, levels: Mapping[str, Mapping[str, float]], says: str
) -> Snapshot:
    """Run the report of `write_drift_page`."""
    rows = {bucket: values for bucket, values in levels.items() if values.keys() & _OWN.keys()}
    own = OwnFigures(
        title=says,
        rows=[[bucket, *(_plain(values.get(measure)) for measure in _OWN)] for bucket, values in sorted(rows.items())],
        largest=max((values[TESTED] for values in rows.values() if TESTED in values), default=0.0),
    )
    definition = DataDefinition(numerical_columns=list(NUMERIC), categorical_columns=list(CATEGORICAL))
    compared = (Dataset.from_pandas(_typed(part), data_definition=definition) for part in (current, reference))
    return Report([own, DataDriftPreset(columns=[*NUMERIC, *CATEGORICAL])]).run(*compared, name=says)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The compared columns; categories as text, as Evidently wants them."""
    return rows[[*NUMERIC, *CATEGORICAL]].astype(dict.fromkeys(CATEGORICAL, str)).reset_index(drop=True)


def _charts(rows: pd.DataFrame) -> Any:
    """The charts of a tab, two in a row where they are of half a page's width."""
    charts = []
    for title, panel in rows.groupby("panel", sort=False):
        lines = zip(cycle(_COLOURS), panel.groupby("legend", sort=False), strict=False)
        traces = [trace for colour, (legend, line) in lines for trace in _line(str(legend), line, colour)]
        size = WidgetSize.HALF if (panel["size"] == "half").all() else WidgetSize.FULL
        charts.append(plotly_data(title=str(title), data=traces, layout=_LAYOUT, size=size))
    return group_widget(title="", widgets=charts)


def _line(legend: str, line: pd.DataFrame, colour: str) -> Sequence[dict[str, Any]]:
    """A line without markers, its interval as a band below it."""
    by_role = {str(role): rows for role, rows in line.groupby("role", sort=False)}
    traces: list[dict[str, Any]] = []
    if {"low", "high"} <= by_role.keys():
        bounds = by_role["low"].merge(by_role["high"], on="day", suffixes=("_low", "_high"))
        edge = {
            "type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False,
            "x": _days(bounds),
        }  # fmt: skip
        traces.append({**edge, "y": bounds["value_high"].tolist()})
        traces.append({**edge, "y": bounds["value_low"].tolist(), "fill": "tonexty", "fillcolor": f"{colour}2e"})
    if "value" in by_role:
        value = by_role["value"]
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": legend, "line": {"color": colour, "width": 2},
                "showlegend": True, "x": _days(value), "y": value["value"].tolist(),
            }
        )  # fmt: skip
    return traces


def _days(rows: pd.DataFrame) -> list[str]:
    return [day.isoformat() for day in rows["day"]]
