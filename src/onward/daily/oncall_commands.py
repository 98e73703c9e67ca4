"""`onward act` and `onward oncall`: what is done about a look, and the pages that show it."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from onward.daily.oncall import Watch

_PANEL = "Watch and run"
_MOST_BYTES = 1_000_000
PAGE = "reports/oncall.html"


def register(app: typer.Typer) -> None:
    """Add both commands to the command line."""
    for command in (act, oncall):
        app.command(rich_help_panel=_PANEL)(command)


def act() -> None:
    """Say by the rules of monitoring/alerts.yaml what to do about a look, and print it as JSON.

    The look comes as one JSON object from standard input, as `onward monitor` prints it; without any, the last look at
    the version in use is meant. The decision is kept, so that an action that was started rests for its cool-down.
    """
    from onward.daily.oncall import act, parse_look

    text = "" if sys.stdin.isatty() else sys.stdin.buffer.read(_MOST_BYTES + 1).decode("utf-8", "replace")
    decided = act(_watch(), parse_look(text) if text.strip() else None)
    typer.echo(f"{decided['rule']}: {decided['why']}")
    typer.echo(json.dumps(decided))


def oncall(
    airflow: Annotated[
        str | None, typer.Option(help="Address of Airflow's pages, for links.", envvar="AIRFLOW__API__BASE_URL")
    ] = None,
) -> None:
    """Write reports/oncall.html about the last look, and bring the Evidently dashboard up to date."""
    from onward.daily.oncall import publish, show
    from onward.daily.watched import dashboards_folder

    watch = _watch()
    said = show(watch, watch.project / PAGE, airflow)
    typer.echo(f"{said}: {PAGE}")
    changed = publish(watch, dashboards_folder(os.environ, watch.project))
    typer.echo(f"Evidently: {changed} days are new or have changed")


def _watch() -> "Watch":
    from onward.daily.oncall import Watch
    from onward.daily.watched import Watched
    from onward.deployment.registry import Registry

    root = Path(os.environ.get("ONWARD_PROJECT") or Path.cwd())
    return Watch(root, Watched.from_environment(os.environ, root), Registry.of(os.environ, root / "mlruns"))
