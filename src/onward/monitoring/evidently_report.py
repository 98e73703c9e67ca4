"""Positivity per uncertainty level as an Evidently page and dashboard; the only place that imports Evidently.

The figures are those of `positivity_table`, computed and judged in positivity.py; here they are only drawn. Each
metric carries its level as `bucket`, so that a line of the dashboard is found by metric and level and outlives any
change of thresholds. Importing Evidently takes seconds: import this module only where a page is made.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "true"
with warnings.catch_warnings():
    # Evidently's own use of Litestar and NumPy; nothing a user of Onward can act on.
    warnings.simplefilter("ignore", DeprecationWarning)
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Snapshot
    from evidently.sdk.models import DashboardModel, PanelMetric
    from evidently.sdk.panels import line_plot_panel, text_panel
    from evidently.tests import lte
    from evidently.ui.workspace import Project, Workspace

import pandas as pd

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
        return f"{_MEASURES[self.metric.measure]}, {self.metric.bucket}"


def publish(table: pd.DataFrame, verdict: Mapping[str, Any], page: Path, workspace: Path) -> None:
    """Write the page, and put the run into the workspace in place of an earlier run of the same as_of and version.

    Args:
        table: positivity.parquet.
        verdict: verdict.json.
        page: where the HTML goes; it opens offline.
        workspace: folder of the Evidently workspace, made when missing.
    """
    logging.getLogger("evidently").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        snapshot = make_snapshot(table, verdict)
        page.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(page))
        _replace_run(Workspace.create(str(workspace)), snapshot, bucket_names(table))


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


def _replace_run(workspace: Workspace, snapshot: Snapshot, buckets: Iterable[str]) -> None:
    found = workspace.search_project(PROJECT)
    project = found[0] if found else workspace.create_project(PROJECT)
    for earlier in workspace.list_runs(project.id):
        known = workspace.get_run(project.id, earlier)
        if known is not None and known.name == snapshot.get_name():
            workspace.delete_run(project.id, earlier)
    workspace.add_run(project.id, snapshot)
    _lay_out(workspace, project, sorted(set(buckets)))


def _lay_out(workspace: Workspace, project: Project, buckets: list[str]) -> None:
    """Draw the dashboard anew, so that a level that was added or merged away shows."""
    workspace.save_dashboard(project.id, DashboardModel(tabs=[], panels=[]))
    title = "Level 0 is the surest. Unmatured labels count by their expected value."
    project.dashboard.add_panel(text_panel(title=title), tab=_TAB)
    for measure, name in _MEASURES.items():
        lines = [
            PanelMetric(
                legend=bucket, metric=LevelFigure.__name__, metric_labels={"measure": measure, "bucket": bucket}
            )
            for bucket in buckets
        ]
        project.dashboard.add_panel(line_plot_panel(title=name, values=lines, size="half"), tab=_TAB)


def _figure(frame: pd.DataFrame, bucket: str, measure: str) -> float | None:
    value = frame.loc[frame["bucket"] == bucket, measure].iloc[0]
    return None if pd.isna(value) else float(value)
