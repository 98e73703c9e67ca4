"""`onward act` and `onward oncall`: what is done about an assessment, and the pages that show it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onward.commands.alerts import alert_log, say_told, tell_alerts
from onward.commands.project import (
    assessment_history,
    project_layout,
    project_registry,
    project_settings,
    share_actions,
    unpushed_deployment,
)
from onward.errors import MonitoringInputError

if TYPE_CHECKING:
    from onward.daily.oncall import MonitoredProject

_MOST_BYTES = 1_000_000


def act(
    started_by: Annotated[
        str | None,
        typer.Option(
            help="Instead: keep that this run carries out the action, which rests from now on.", show_default=False
        ),
    ] = None,
    *,
    whether_started: Annotated[
        bool, typer.Option("--whether-started", help="Instead: say whether a run carries the action out.")
    ] = False,
    tell: Annotated[
        bool, typer.Option("--tell/--no-tell", help="Whether to tell people at once; else `onward tell` does.")
    ] = True,
) -> None:
    """Say by the rules of monitoring/alerts.yaml what to do about an assessment, and print it as JSON.

    The assessment comes as one JSON object from standard input, as `onward monitor` prints it; without any, the last
    one of the version in use is meant. The decision is kept, and people are told of its alerts. An action rests for its
    cool-down from when `--started-by RUN` has said which run carries it out; that option and `--whether-started` read
    what `onward act` printed.
    """
    from onward.daily import oncall
    from onward.monitoring.notices import OF_WATCHDOG

    if started_by is not None and whether_started:
        raise MonitoringInputError("act: say either --started-by or --whether-started")
    text = "" if sys.stdin.isatty() else sys.stdin.buffer.read(_MOST_BYTES + 1).decode("utf-8", "replace")
    printed = oncall.parse_verdict(text) if text.strip() else None
    now = datetime.now(UTC)
    monitored = monitored_project()
    if started_by is not None:
        begun = oncall.started(monitored, printed or _last_asked(monitored), started_by, now)
        share_actions()
        typer.echo(json.dumps(begun))
        return
    if whether_started:
        typer.echo(json.dumps(oncall.whether_started(monitored, printed or _last_asked(monitored), now)))
        return
    decision = oncall.act(monitored, printed, now)
    share_actions()
    typer.echo(f"{decision['rule']}: {decision['why']}")
    for notice in decision["notices"]:
        typer.echo(f"{notice['name']}: {notice['says']}")
    if tell:
        # Whatever becomes of it, the decision stands.
        told = tell_alerts(alert_log(), now, but=OF_WATCHDOG)
        say_told(told)
        for problem in told.problems:
            typer.echo(f"not told: {problem}")
    typer.echo(json.dumps(decision))


def _last_asked(monitored: "MonitoredProject") -> dict[str, object]:
    """The action that was asked for last on the version in use and is not carried out; none is no action."""
    from onward.monitoring.notices import unstarted

    asked = unstarted(monitored.history.action_log.past(), monitored.in_use().number)
    return {} if asked is None else {"version": asked.version, "as_of": str(asked.as_of), "action": asked.action}


def oncall(
    airflow: Annotated[
        str | None, typer.Option(help="Address of Airflow's pages, for links.", envvar="AIRFLOW__API__BASE_URL")
    ] = None,
    mlflow: Annotated[
        str, typer.Option(help="Address of the MLflow UI, for links; where `onward dashboards` starts it.")
    ] = "http://127.0.0.1:5000",
    evidently: Annotated[str, typer.Option(help="Address of the Evidently UI, likewise.")] = "http://127.0.0.1:8000",
) -> None:
    """Write oncall.html, in ONWARD_PAGES or reports/, about the last assessment; bring Evidently up to date."""
    headline, changed = write_oncall_page(airflow, mlflow, evidently)
    page, root = oncall_page(), project_layout().root
    typer.echo(f"{headline}: {page.relative_to(root) if page.is_relative_to(root) else page}")
    typer.echo(f"Evidently: {changed} days are new or have changed")


def write_oncall_page(airflow: str | None, mlflow: str, evidently: str) -> tuple[str, int]:
    """Write the page and publish the days; return the page's headline and how many days are new or have changed."""
    from onward.daily.oncall import publish, write_evidently_pages, write_page
    from onward.reporting.oncall_page import Links

    monitored = monitored_project()
    champion = monitored.in_use()
    monitored.history.last(champion.number)
    settings = project_settings()
    published = publish(monitored, settings.dashboards)
    page = oncall_page()
    pages = write_evidently_pages(monitored, settings.decisions, page.parent)
    links = Links(airflow, f"{mlflow}{champion.page}", f"{evidently}{published.dashboard}", pages.charts, pages.drift)
    places = {
        "registry": project_registry().root,
        "decisions": settings.decisions,
        "looks": settings.looks,
        "actions": settings.actions,
        "dashboards": settings.dashboards,
        "served": settings.served,
        "workspaces": settings.workspaces,
    }
    return write_page(monitored, page, links, datetime.now(UTC), places), published.changed


def oncall_page() -> Path:
    """Where the page for on-call lies, for those that serve it."""
    return project_settings().pages / project_layout().oncall_page.name


def monitored_project() -> "MonitoredProject":
    """What acting and showing need, of the project that a command works on."""
    from onward.daily.oncall import MonitoredProject

    return MonitoredProject(project_settings().project, assessment_history(), project_registry(), unpushed_deployment)
