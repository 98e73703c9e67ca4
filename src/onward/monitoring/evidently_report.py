"""Positivity per uncertainty level as an Evidently page and dashboards; the only place that imports Evidently.

The figures are those of the stage monitor (`publish`: one snapshot a run) and of the daily looks (`publish_days`: one a
day and version, replaced as labels mature), computed and judged elsewhere; here they are only drawn. Each
metric carries its level as `bucket`, so that a line of the dashboard is found by metric and level and outlives any
change of thresholds. Importing Evidently takes seconds: import this module only where a page is made.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "true"
with warnings.catch_warnings():
    # Evidently's own use of Litestar and NumPy; nothing a user of Onward can act on.
    warnings.simplefilter("ignore", DeprecationWarning)
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Snapshot
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import line_plot_panel, text_panel
    from evidently.tests import lte
    from evidently.ui.workspace import Project, Workspace

import pandas as pd

from onward.monitoring.daily_series import DayFigures
from onward.monitoring.panels import Panels, Tab

PROJECT = "Onward: positivity per uncertainty level"
_TAB = "Positivity"
_DRIFT = "drift"
_MEASURES = {
    "nowcast": "Positivity (nowcast)",
    "predicted": "Predicted rate",
    "precision": "Precision of what is shown (nowcast)",
    "share_matured": "Share of labels that have matured",
    _DRIFT: "Change of the gap over what chance explains (above 1 is drift)",
}
_TESTED = "drift_statistic"
_DAILY = _MEASURES | {
    "nowcast_low": "Positivity (nowcast), low", "nowcast_high": "Positivity (nowcast), high",
    "matured_rate": "Positivity (matured)", "n": "Decisions", "shown": "Shown", "precision_low": "Precision, low",
    "precision_high": "Precision, high", "recall_proxy": "Share of expected conversions that is shown",
    "score_psi": "PSI of the scores", "delay_median_days": "Median delay, days", "engagement_rate": "Engagement rate",
    _TESTED: "Change over its margin (above 1 is a change)",
}  # fmt: skip
_CONTENT = "figures_sha256"


class LevelFigure(SingleValueMetric):  # type: ignore[misc]  # Evidently ships no types
    """One figure of one uncertainty level; `measure` is a column of the table."""

    measure: str
    bucket: str


class LevelFigureCalculation(SingleValueCalculation[LevelFigure]):  # type: ignore[misc]  # likewise
    """Looks the figure up in the level's row, for the current and for the reference period."""

    def calculate(self, context: Any, current_data: Dataset, reference_data: Dataset | None) -> Any:  # noqa: ARG002
        """Return current and reference; nothing for a reference that has no such figure."""
        current = _figure(current_data.as_dataframe(), self.metric.bucket, self.metric.measure)
        frame = None if reference_data is None else reference_data.as_dataframe()
        reference = None if frame is None else _figure(frame, self.metric.bucket, self.metric.measure)
        return self.result(current), None if reference is None else self.result(reference)

    def display_name(self) -> str:
        """Name the figure as people read it."""
        return f"{_DAILY[self.metric.measure]}, {self.metric.bucket}"


def publish(table: pd.DataFrame, verdict: Mapping[str, Any], page: Path, workspace: Path) -> None:
    """Write the page, and put the run into the workspace in place of an earlier run of the same as_of and version.

    Args:
        table: positivity.parquet.
        verdict: verdict.json.
        page: where the HTML goes; it opens offline.
        workspace: folder of the Evidently workspace, made when missing.
    """
    with _quietly():
        snapshot = make_snapshot(table, verdict)
        page.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(page))
        place = Workspace.create(str(workspace))
        project = _project(place, PROJECT)
        for earlier, known in _runs(place, project):
            if known.name == snapshot.get_name():
                place.delete_run(project.id, earlier)
        place.add_run(project.id, snapshot)
        _lay_out(place, project, {_TAB: _run_panels(sorted(set(bucket_names(table))))})


def publish_days(figures: Mapping[int, DayFigures], panels: Panels, workspace: Path) -> int:
    """Bring a workspace up to date: one snapshot a day and version, replaced where its figures moved.

    Args:
        figures: by version and day, bucket and measure; see `day_figures`.
        panels: what the dashboard shows.
        workspace: folder of the Evidently workspace, made when missing.

    Returns:
        How many days are new or were replaced; publishing the same twice changes none.
    """
    with _quietly():
        place = Workspace.create(str(workspace))
        project = _project(place, panels.project)
        wanted = {
            _day_name(day, version): (day, version, known) for version, days in figures.items()
            for day, known in days.items()
        }  # fmt: skip
        kept = set[str]()
        for earlier, known in _runs(place, project):
            if known.name not in wanted:
                continue
            if known.name in kept or known.metadata[_CONTENT] != _content(wanted[known.name][2]):
                place.delete_run(project.id, earlier)
            else:
                kept.add(known.name)
        for name, (day, version, found) in wanted.items():
            if name not in kept:
                place.add_run(project.id, make_day_snapshot(day, version, found))
        buckets = sorted({bucket for _, _, found in wanted.values() for bucket in found})
        _lay_out(place, project, {tab.name: _day_panels(panels, tab, buckets) for tab in panels.tabs})
        return len(wanted) - len(kept)


def make_day_snapshot(day: date, version: int, figures: Mapping[str, Mapping[str, float]]) -> Snapshot:
    """Run the report over one day's figures, with Evidently's tests on what the look has tested."""
    table = pd.DataFrame([{"bucket": bucket, **values} for bucket, values in figures.items()])
    metrics = [
        LevelFigure(measure=measure, bucket=bucket, tests=[lte(1.0)] if measure == _TESTED else [])
        for bucket, values in figures.items()
        for measure in values
        if measure in _DAILY
    ]
    moved = any(values[_TESTED] > 1.0 for values in figures.values() if _TESTED in values)
    return Report(metrics, include_tests=False).run(
        Dataset.from_pandas(table, data_definition=DataDefinition()), None,
        timestamp=datetime.combine(day, time.min), name=_day_name(day, version),
        metadata={"version": str(version), "day": day.isoformat(), _CONTENT: _content(figures)},
        tags=[f"version {version}", *(["changed"] if moved else [])],
    )  # fmt: skip


def make_snapshot(table: pd.DataFrame, verdict: Mapping[str, Any]) -> Snapshot:
    """Run the report over the table of one monitor run, the reference period beside the current one."""
    drift = {level["level"]: level["drift_statistic"] for level in verdict["levels"]}
    frame = table.assign(bucket=bucket_names(table), **{_DRIFT: table["level"].map(drift)})
    current, reference = (
        frame.loc[frame["period"] == period, ["bucket", *_MEASURES]].reset_index(drop=True)
        for period in ("current", "reference")
    )
    metrics = [
        LevelFigure(measure=measure, bucket=bucket, tests=[lte(1.0)] if measure == _DRIFT else [])
        for bucket in current["bucket"]
        for measure in _MEASURES
        if _figure(current, bucket, measure) is not None
    ]
    report = Report(metrics, include_tests=False)
    definition = DataDefinition()
    return report.run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
        timestamp=datetime.fromisoformat(verdict["as_of"]),
        name=_run_name(verdict),
        metadata={key: str(verdict[key]) for key in ("verdict", "source", "version", "as_of")},
        tags=[str(verdict["verdict"])],
    )


def bucket_names(table: pd.DataFrame) -> list[str]:
    """Name the level of each row as pages show it."""
    return [f"level {level}" for level in table["level"]]


def _run_name(verdict: Mapping[str, Any]) -> str:
    return f"{verdict['as_of']} version {verdict['version']}"


@contextmanager
def _quietly() -> Iterator[None]:
    logging.getLogger("evidently").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _project(workspace: Workspace, name: str) -> Project:
    found = workspace.search_project(name)
    return found[0] if found else workspace.create_project(name)


def _runs(workspace: Workspace, project: Project) -> Iterator[tuple[Any, Any]]:
    for identity in list(workspace.list_runs(project.id)):
        known = workspace.get_run(project.id, identity)
        if known is not None:
            yield identity, known


def _day_name(day: date, version: int) -> str:
    return f"{day} version {version}"


def _content(figures: Mapping[str, Mapping[str, float]]) -> str:
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()


def _run_panels(buckets: Sequence[str]) -> list[Any]:
    title = "Level 0 is the surest. Unmatured labels count by their expected value."
    return [text_panel(title=title), *(
        _panel(name, "half", [(bucket, measure, bucket) for bucket in buckets])
        for measure, name in _MEASURES.items()
    )]  # fmt: skip


def _day_panels(panels: Panels, tab: Tab, buckets: Sequence[str]) -> list[Any]:
    drawn = panels.drawn(tab, buckets)
    return [text_panel(title=tab.says), *(_panel(panel.title, panel.size, panel.lines) for panel in drawn)]


def _panel(title: str, size: str, lines: Sequence[tuple[str, str, str]]) -> Any:
    values = [
        PanelMetric(legend=legend, metric=LevelFigure.__name__, metric_labels={"measure": measure, "bucket": bucket})
        for legend, measure, bucket in lines
    ]
    return line_plot_panel(title=title, values=values, size=size)


def _lay_out(workspace: Workspace, project: Project, tabs: Mapping[str, list[Any]]) -> None:
    """Draw the dashboard anew, so that a level that was added or merged away shows.

    Whole, since `add_panel` of Evidently 0.7 puts a panel twice into a tab that exists.
    """
    workspace.save_dashboard(project.id, DashboardModel(
        tabs=[DashboardTabModel(title=name, panels=[panel.id for panel in panels]) for name, panels in tabs.items()],
        panels=[panel for panels in tabs.values() for panel in panels],
    ))  # fmt: skip


def _figure(frame: pd.DataFrame, bucket: str, measure: str) -> float | None:
    value = frame.loc[frame["bucket"] == bucket, measure].iloc[0]
    return None if pd.isna(value) else float(value)
