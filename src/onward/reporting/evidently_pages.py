"""Positivity per uncertainty level as an Evidently dashboard and page.

The figures are those of assessments, the pipeline's as well as the daily ones: on the dashboard one snapshot a day and
version, replaced as labels mature (`publish_days`); on a page the last days beside those before
(`write_positivity_page`). They are computed and assessed elsewhere; here they are only drawn. Each metric carries its
level as `bucket`, so that a line of the dashboard is found by metric and level and outlives any change of thresholds.
Importing Evidently takes seconds: import this module only where a page is made.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from filelock import FileLock

from onward.monitoring.daily_series import BEFORE_USE, DayFigures, period_figures
from onward.reporting.panels import Panels, Tab

TESTED = "drift_statistic"
MEASURES = {
    "nowcast": "Positivity (nowcast)",
    "predicted": "Predicted rate",
    "precision": "Precision of what is shown (nowcast)",
    "share_matured": "Share of labels that have matured",
    TESTED: "Change over its margin (above 1 is a change)",
    "matured_rate": "Positivity (matured)",
    "nowcast_low": "Positivity (nowcast), low",
    "nowcast_high": "Positivity (nowcast), high",
    "n": "Decisions",
    "shown": "Shown",
    "precision_low": "Precision, low",
    "precision_high": "Precision, high",
    "recall_proxy": "Share of expected conversions that is shown",
    "score_psi": "PSI of the scores",
    "delay_median_days": "Median delay, days",
    "engagement_rate": "Engagement rate",
    "list_lift": "Lift at ten",
    "list_lift_low": "Lift at ten, low",
    "list_lift_high": "Lift at ten, high",
    "list_hit_rate": "Hit rate at ten",
    "list_hit_rate_low": "Hit rate at ten, low",
    "list_hit_rate_high": "Hit rate at ten, high",
    "list_coverage": "Share of products that lists name",
    "list_listed": "Share of questions that have a list",
}
_OF_PERIOD = ("nowcast", "predicted", "matured_rate", "precision", "share_matured", TESTED)
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
        return f"{MEASURES[self.metric.measure]}, {self.metric.bucket}"


def write_positivity_page(daily: pd.DataFrame, verdict: Mapping[str, Any], current_days: int, page: Path) -> None:
    """Write an assessment's positivity per uncertainty level as a page that opens offline.

    Args:
        daily: rows of one version, see `require_columns`.
        verdict: verdict.json.
        current_days: the last days, which stand beside those before.
        page: where the HTML goes.
    """
    with quietly():
        snapshot = make_snapshot(daily, verdict, current_days)
        page.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(page))


def publish_days(figures: Mapping[str, DayFigures], panels: Panels, workspace: Path) -> tuple[int, str]:
    """Bring a workspace up to date: one snapshot a day and label, replaced where its figures moved.

    Days of another machine's versions stay. Days from before a version decided go when they are not given any more.

    Args:
        figures: by label ("version 4", or "version 4, before use"), day, bucket and measure; see `day_figures`.
        panels: what the dashboard shows.
        workspace: folder of the Evidently workspace, made when missing.

    Returns:
        How many days are new or were replaced (publishing the same twice changes none), and the path of the dashboard
        in Evidently's UI.
    """
    with _alone_in(workspace), quietly():
        place = Workspace.create(str(workspace))
        project = _project(place, panels.project)
        snapshots = {
            _day_name(day, label): (day, label, of_day)
            for label, days in figures.items()
            for day, of_day in days.items()
        }
        kept = set[str]()
        for identity, stored in _runs(place, project):
            if stored.name not in snapshots:
                if stored.name.endswith(BEFORE_USE):
                    place.delete_run(project.id, identity)
            elif stored.name in kept or stored.metadata[_CONTENT] != _content(snapshots[stored.name][2]):
                place.delete_run(project.id, identity)
            else:
                kept.add(stored.name)
        for name, (day, label, of_day) in snapshots.items():
            if name not in kept:
                place.add_run(project.id, make_day_snapshot(day, label, of_day))
        buckets = sorted({bucket for _, _, of_day in snapshots.values() for bucket in of_day})
        _lay_out(place, project, {tab.name: _day_panels(panels, tab, buckets) for tab in panels.tabs})
        return len(snapshots) - len(kept), f"/projects/{project.id}"


def drop_versions(versions: Collection[int], workspace: Path, *, dry_run: bool) -> int:
    """Delete the days of versions that are no more, and return how many that are."""
    labels = {f"version {version}{ending}" for version in versions for ending in ("", BEFORE_USE)}
    dropped = 0
    with _alone_in(workspace), quietly():
        place = Workspace.create(str(workspace))
        for project in place.list_projects():
            for identity, stored in _runs(place, project):
                if stored.metadata.get("label") in labels:
                    dropped += 1
                    if not dry_run:
                        place.delete_run(project.id, identity)
    return dropped


def make_day_snapshot(day: date, label: str, figures: Mapping[str, Mapping[str, float]]) -> Snapshot:
    """Run the report over one day's figures, with Evidently's tests on what the assessment has tested."""
    table = pd.DataFrame([{"bucket": bucket, **values} for bucket, values in figures.items()])
    metrics = [
        LevelFigure(measure=measure, bucket=bucket, tests=[lte(1.0)] if measure == TESTED else [])
        for bucket, values in figures.items()
        for measure in values
        if measure in MEASURES
    ]
    moved = any(values[TESTED] > 1.0 for values in figures.values() if TESTED in values)
    return Report(metrics, include_tests=False).run(
        Dataset.from_pandas(table, data_definition=DataDefinition()),
        None,
        timestamp=datetime.combine(day, time.min),
        name=_day_name(day, label),
        metadata={"label": label, "day": day.isoformat(), _CONTENT: _content(figures)},
        tags=[label, *(["changed"] if moved else [])],
    )


def make_snapshot(daily: pd.DataFrame, verdict: Mapping[str, Any], current_days: int) -> Snapshot:
    """Run the report over an assessment: its last days as the current data, those before as the reference."""
    statistics = {f"level {level['level']}": level[TESTED] for level in verdict["levels"]}
    start = pd.Timestamp(verdict["as_of"]) - pd.Timedelta(days=current_days)
    current, reference = (
        pd.DataFrame(
            [{"bucket": bucket, TESTED: statistics.get(bucket), **values} for bucket, values in figures.items()]
        )
        for figures in (period_figures(daily[daily["day"] >= start]), period_figures(daily[daily["day"] < start]))
    )
    metrics = [
        LevelFigure(measure=measure, bucket=bucket, tests=[lte(1.0)] if measure == TESTED else [])
        for bucket in current["bucket"]
        for measure in _OF_PERIOD
        if _figure(current, bucket, measure) is not None
    ]
    definition = DataDefinition()
    return Report(metrics, include_tests=False).run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
        timestamp=datetime.fromisoformat(verdict["as_of"]),
        name=f"{verdict['as_of']} version {verdict['version']}",
        metadata={key: str(verdict[key]) for key in ("verdict", "source", "version", "as_of")},
        tags=[str(verdict["verdict"])],
    )


def _alone_in(workspace: Path) -> FileLock:
    """Evidently's workspace is one for all commands of a machine, and knows no locks."""
    workspace.mkdir(parents=True, exist_ok=True)
    # Inside, where Evidently looks at folders alone: all who share the workspace share the lock.
    return FileLock(workspace / ".lock")


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out what Evidently logs, and warnings of its own use of libraries."""
    logging.getLogger("evidently").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _project(workspace: Workspace, name: str) -> Project:
    projects = workspace.search_project(name)
    return projects[0] if projects else workspace.create_project(name)


def _runs(workspace: Workspace, project: Project) -> Iterator[tuple[Any, Any]]:
    for identity in list(workspace.list_runs(project.id)):
        stored = workspace.get_run(project.id, identity)
        if stored is not None:
            yield identity, stored


def _day_name(day: date, label: str) -> str:
    return f"{day} {label}"


def _content(figures: Mapping[str, Mapping[str, float]]) -> str:
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()


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
    workspace.save_dashboard(
        project.id,
        DashboardModel(
            tabs=[
                DashboardTabModel(title=name, panels=[panel.id for panel in panels]) for name, panels in tabs.items()
            ],
            panels=[panel for panels in tabs.values() for panel in panels],
        ),
    )


def _figure(frame: pd.DataFrame, bucket: str, measure: str) -> float | None:
    # A figure that is not known of any level has no column: nothing matures within the last days, for instance.
    if measure not in frame:
        return None
    values = frame.loc[frame["bucket"] == bucket, measure].dropna()
    return None if values.empty else float(values.iloc[0])
