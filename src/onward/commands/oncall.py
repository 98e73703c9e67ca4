"""`onward act` and `onward oncall`: what is done about an assessment, and the pages that show it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from onward.commands.project import assessment_history, project_layout, project_registry, project_settings

if TYPE_CHECKING:
    from onward.daily.oncall import MonitoredProject

_MOST_BYTES = 1_000_000


def act() -> None:
    """Say by the rules of monitoring/alerts.yaml what to do about an assessment, and print it as JSON.

    The assessment comes as one JSON object from standard input, as `onward monitor` prints it; without any, the last
    one of the version in use is meant. The decision is kept, so that an action that was started rests for its
    cool-down.
    """
    from onward.daily.oncall import act, parse_verdict

    text = "" if sys.stdin.isatty() else sys.stdin.buffer.read(_MOST_BYTES + 1).decode("utf-8", "replace")
    decision = act(_monitored(), parse_verdict(text) if text.strip() else None)
    typer.echo(f"{decision['rule']}: {decision['why']}")
    typer.echo(json.dumps(decision))


def oncall(
    airflow: Annotated[
        str | None, typer.Option(help="Address of Airflow's pages, for links.", envvar="AIRFLOW__API__BASE_URL")
    ] = None,
    mlflow: Annotated[
        str, typer.Option(help="Address of the MLflow UI, for links; where `onward dashboards` starts it.")
    ] = "http://127.0.0.1:5000",
    evidently: Annotated[str, typer.Option(help="Address of the Evidently UI, likewise.")] = "http://127.0.0.1:8000",
) -> None:
    """Write reports/oncall.html about the last assessment, and bring the Evidently dashboard up to date."""
    headline, changed = write_oncall_page(airflow, mlflow, evidently)
    typer.echo(f"{headline}: {project_layout().oncall_page.relative_to(project_layout().root)}")
    typer.echo(f"Evidently: {changed} days are new or have changed")


def write_oncall_page(airflow: str | None, mlflow: str, evidently: str) -> tuple[str, int]:
    """Write the page and publish the days; return the page's headline and how many days are new or have changed."""
    from onward.daily.oncall import publish, write_page
    from onward.reporting.oncall_page import Links

    monitored = _monitored()
    champion = monitored.in_use()
    monitored.history.last(champion.number)
    published = publish(monitored, project_settings().dashboards)
    links = Links(airflow, f"{mlflow}{champion.page}", f"{evidently}{published.dashboard}")
    return write_page(monitored, project_layout().oncall_page, links), published.changed


def _monitored() -> "MonitoredProject":
    from onward.daily.oncall import MonitoredProject

    return MonitoredProject(project_settings().project, assessment_history(), project_registry())
