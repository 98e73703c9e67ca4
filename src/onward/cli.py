"""`onward …`: what people ask of a deployed model, and the services around it.

Every heavy import is local to the command that needs it, so that `onward --help` answers at once.
"""

import getpass
import os
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onward.daily import commands as daily
from onward.daily import oncall_commands
from onward.deployment import recommend_command
from onward.errors import ArtifactError, OnwardError, RegistryError
from onward.runs import asking, diagnose_command, replay_command, report_command
from onward.runs.commands import reproduce_run, run_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onward.artifacts import Layout
    from onward.deployment.reasons import Reason
    from onward.deployment.registry import Registry, Version

_ASK, _CHANGE, _WATCH = "Ask the deployed model", "Change what is deployed", "Watch and run"
_EXAMPLES = (
    "Examples:  [cyan]onward recommend milk[/]   [cyan]onward status[/]   [cyan]onward report[/]   "
    "[dim]The pipeline itself runs with[/] [cyan]dvc repro[/] [dim]or[/] [cyan]onward airflow[/][dim].[/]"
)
_COLOURS = {
    "ok": "green", "too early to tell": "yellow",
    "drifted": "bold red", "failed": "bold red",
}  # fmt: skip

_REASON = Annotated[str, typer.Option(help="Why, in one line of 10 to 500 characters; kept with the version.")]
_BY = Annotated[str, typer.Option(help="Who says so; this machine's user if not given.", show_default=False)]

app = typer.Typer(
    name="onward", no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
    help="Related products that know [b]direction[/b], [b]delay[/b] and [b]doubt[/b]. Run it in the project's folder.",
    epilog=_EXAMPLES,
)  # fmt: skip
_out = Console()


app.command(rich_help_panel=_ASK)(recommend_command.recommend)


@app.command(rich_help_panel=_ASK)
def status() -> None:
    """Say what is deployed, from what, how old it is, what the monitor sees, and what to do next."""
    from onward.params import read_params

    layout = _layout()
    clock = read_params(layout.root / "params.yaml").run.as_of
    champion = _registry(layout).champion()
    deployment = _read_if_there(layout.deployment / "deployment.json")
    monitor = _read_if_there(layout.monitoring / "verdict.json")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    looked = _last_look(layout, champion)
    for name, text in _status_lines(champion, deployment, monitor, looked, clock):
        grid.add_row(name, text)
    _out.print(grid)


app.command(rich_help_panel=_ASK)(report_command.report)


@app.command(rich_help_panel=_CHANGE)
def promote(
    version: Annotated[int, typer.Argument(help="A registered version.", min=1)],
    reason: _REASON,
    by: _BY = "",
) -> None:
    """Put a version in use by hand, whatever the gate said of it; the reason is kept with the version."""
    promoted = _registry(_layout()).promote(version, _said(reason, by))
    _out.print(f"[green]Version {promoted.number} is in use[/] [dim](bundle {promoted.bundle_sha256[:12]})[/]")


@app.command(rich_help_panel=_CHANGE)
def rollback(reason: _REASON, by: _BY = "") -> None:
    """Return to the version that the champion replaced; the gate will not bring the champion back by itself."""
    earlier = _registry(_layout()).rollback(_said(reason, by))
    _out.print(f"[green]Version {earlier.number} is in use again[/] [dim](bundle {earlier.bundle_sha256[:12]})[/]")


@app.command(name="check-params", rich_help_panel=_CHANGE)
def check_params() -> None:
    """Check params.yaml without running anything."""
    from onward.params import read_params

    run = read_params(Path.cwd() / "params.yaml").run
    _out.print(
        f"[green]params.yaml is fine[/]: source {run.source}, as_of {run.as_of}, W = {run.attribution_days} days"
    )


@app.command(rich_help_panel=_WATCH, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def repro(context: typer.Context) -> None:
    """Run `dvc repro` with the options and stages given, after mending a dvc.lock that a kill has cut off."""
    from onward.stages.lockfile import become_repro, mend

    root = Path.cwd()
    mended = mend(root)
    if mended:
        _out.print(f"[yellow]{mended}[/]")
    become_repro(root, context.args)


@app.command(rich_help_panel=_WATCH)
def dashboards(
    *,
    any_ports: Annotated[
        bool, typer.Option("--any-ports", help="Take free ports, instead of 5000, 8000 and 8070 where those are free.")
    ] = False,
) -> None:
    """Start the MLflow and Evidently UIs and the page for on-call on loopback; Ctrl-C ends all three."""
    from onward.deployment.local_services import DASHBOARD_PORTS, dashboard_services

    layout = _layout()
    registry = _registry(layout)
    if not registry.exists:
        raise RegistryError("nothing is registered yet, so MLflow has nothing to show; run `dvc repro` first")
    logs = layout.root / ".airflow" / "logs"
    preferred = (0, 0, 0) if any_ports else DASHBOARD_PORTS
    services = dashboard_services(registry.address, _workspace(layout), layout.reports, logs, preferred)
    lines = [f"{each.name}  [link]{each.address}[/link]" for each in services]
    if not (layout.root / oncall_commands.PAGE).is_file():
        lines.append("[yellow]Nobody has looked yet[/]: `onward monitor --as-of D`, then `onward oncall`")
    _serve(services, layout.root, lines)


@app.command(rich_help_panel=_WATCH)
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback reach everybody.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds until a promotion is noticed at the latest.")] = 2.0,
) -> None:
    """Answer over HTTP from the model in use: /recommend?product=milk&count=8 and /health; Ctrl-C ends it."""
    import uvicorn

    from onward.deployment.serving import Champion, make_app

    champion = Champion(_registry(_layout()), every)
    _out.print(f"http://{host}:{port}/recommend?product=milk&count=8", soft_wrap=True)
    uvicorn.run(make_app(champion), host=host, port=port, log_level="warning", access_log=False)


@app.command(rich_help_panel=_WATCH)
def airflow(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the web pages; another one if this is taken, 0 for any.")
    ] = 8080,
) -> None:
    """Start Airflow (web UI, scheduler, DAG processor) on loopback with a login; Ctrl-C ends all of it."""
    from onward.deployment.local_services import airflow_password, airflow_services, prepare_airflow
    from onward.params import read_params

    layout = _layout()
    stages_at_once = max(1, (os.cpu_count() or 1) // read_params(layout.root / "params.yaml").run.threads)
    home = layout.root / ".airflow"
    password = airflow_password(home)
    services = airflow_services(home, layout.root / "dags", home / "logs", port)
    prepare_airflow(services[0], layout.root, stages_at_once)
    _serve(services, layout.root, [f"Airflow  [link]{services[0].address}[/link]", f"user admin, password {password}"])


# After the commands above, so that help lists its panels in their order.
asking.register(app)
diagnose_command.register(app)
daily.register(app)
oncall_commands.register(app)
replay_command.register(app)
app.add_typer(run_app, name="run", rich_help_panel=_WATCH)
app.command(name="reproduce", rich_help_panel=_WATCH)(reproduce_run)


def main() -> None:
    """Run the command line; an error that a user can mend becomes one line and status 1."""
    try:
        app()
    except OnwardError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


def _layout() -> "Layout":
    from onward.artifacts import Layout

    return Layout(Path.cwd())


def _registry(layout: "Layout") -> "Registry":
    from onward.deployment.registry import Registry

    return Registry.of(os.environ, layout.registry)


def _said(reason: str, by: str) -> "Reason":
    from onward.deployment.reasons import Reason

    return Reason.given(reason, by or getpass.getuser())


def _workspace(layout: "Layout") -> Path:
    from onward.daily.watched import dashboards_folder

    return dashboards_folder(os.environ, layout.root)


def _read_if_there(path: Path) -> dict[str, Any] | None:
    from onward.artifacts import read_json

    try:
        return read_json(path)
    except ArtifactError:
        return None


def _last_look(layout: "Layout", champion: "Version | None") -> "Mapping[str, Any] | None":
    from onward.daily.monitor import latest_look
    from onward.daily.places import looks_folder

    return None if champion is None else latest_look(looks_folder(os.environ, layout.root), champion.number)


def _status_lines(
    champion: "Version | None", deployment: dict[str, Any] | None, monitor: dict[str, Any] | None,
    looked: "Mapping[str, Any] | None", clock: date,
) -> list[tuple[str, str]]:  # fmt: skip
    lines = []
    if champion is None:
        lines.append(("Deployed", "[bold red]nothing[/]"))
        next_step = "run `make run`"
    else:
        tags = champion.tags
        as_of = date.fromisoformat(tags["as_of"])
        lines.append(("Deployed", f"version {champion.number} (bundle {champion.bundle_sha256[:12]})"))
        lines.append(("Made from", f"{tags['source']}, commit {tags['git_commit'][:12]}"))
        behind = (clock - as_of).days
        place = f"{behind} days behind" if behind > 0 else "at" if behind == 0 else f"{-behind} days ahead of"
        age = f"{(date.today() - as_of).days} days before today"
        lines.append(("Knows until", f"{as_of} ({place} the pipeline's clock {clock}; {age})"))
        next_step = "nothing" if behind <= 0 else f"`dvc repro` trains a challenger as of {clock}"
    if deployment is not None:
        if champion is None or deployment["bundle_sha256"] != champion.bundle_sha256:
            lines.append(("Challenger", f"version {deployment['version']}, as of {deployment['as_of']}"))
            next_step = f"read the gate's reasons; `onward promote {deployment['version']}` overrules it"
        lines.extend(("Gate" if number == 0 else "", escape(text)) for number, text in enumerate(deployment["reasons"]))
    if monitor is None:
        lines.append(("Monitor", "[yellow]has not run[/]"))
    else:
        word = monitor["verdict"]
        lines.append(
            ("Monitor", f"[{_COLOURS[word]}]{word}[/] for version {monitor['version']} as of {monitor['as_of']}")
        )
        lines.extend(
            ("", f"level {each['level']}: [{_COLOURS[each['verdict']]}]{each['verdict']}[/], {escape(each['reason'])}")
            for each in monitor["levels"]
        )
        if word == "drifted" and champion is not None:
            next_step = str(monitor["action"])
    if looked is not None:
        word = looked["verdict"]
        said = f"[{_COLOURS[word]}]{word}[/] as of {looked['as_of']}: {escape(looked['reason'])}"
        lines.append(("Last look", said))
        if word in {"drifted", "failed"}:
            next_step = "`onward oncall` writes reports/oncall.html, which says what to do about the last look"
    return [*lines, ("Next", escape(next_step))]


def _serve(services: list[Any], folder: Path, lines: list[str]) -> None:
    from onward.deployment.services import require_alive, running

    _out.print("[dim]starting …[/]")
    try:
        with running(services, folder, patience=120.0) as started:
            for line in [*lines, "[dim]Ctrl-C ends it[/]"]:
                _out.print(line)
            while True:
                require_alive(services, started)
                time.sleep(0.5)
    except KeyboardInterrupt:
        _out.print("[dim]ended[/]")


if __name__ == "__main__":
    main()
