"""`onward status`: what is deployed, how old it is, what the monitor sees of it, and what to do next."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onward.commands.daily import VERDICT_COLOURS
from onward.commands.project import assessment_history, project_layout, project_registry, unpushed_deployment
from onward.errors import ArtifactError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onward.daily.assessment_history import AssessmentHistory, StoredAssessment
    from onward.deployment.registry import Version

_SEVERITY_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "dim"}
_out = Console()


def status(
    airflow: Annotated[
        str | None,
        typer.Option(
            "--airflow-database",
            help="Address of Airflow's database; that of `onward airflow`, where there is one.",
            envvar="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Only the version in use: one line of JSON, version null for none.")
    ] = False,
) -> None:
    """Say what is deployed, from what, how old it is, what the monitor sees, and what to do next."""
    from onward.params import read_params

    if as_json:
        typer.echo(json.dumps(_in_use(project_registry().champion())))
        return
    layout = project_layout()
    clock = read_params(layout.params).run.as_of
    champion = project_registry().champion()
    deployment = _read_if_there(layout.deployment_record)
    assessed = _assessments(assessment_history(), champion)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    lines = _status_lines(champion, deployment, assessed, clock)
    for name, text in (*lines[:-1], *_alert_lines(), *_notice_lines(champion), *_paused_lines(airflow), lines[-1]):
        grid.add_row(name, text)
    _out.print(grid)


def _alert_lines() -> "Iterator[tuple[str, str]]":
    """The alerts that are not over: how bad, how old, and who takes care of it."""
    now = datetime.now(UTC)
    for alert in assessment_history().alert_log.open():
        age = (now - alert.since) / timedelta(hours=1)
        old = f"{age:.0f} h" if age < 48 else f"{age / 24:.0f} days"
        taken_on = (
            "nobody has acknowledged it" if alert.acknowledged is None else f"acknowledged by {alert.acknowledged}"
        )
        colour = _SEVERITY_COLOURS[alert.severity]
        about = escape(f"{alert.key} for {old}, {taken_on}: {alert.said['summary']}")
        yield "Alert", f"[{colour}]{alert.severity}[/] {about}"


def _in_use(champion: "Version | None") -> dict[str, Any]:
    """The version in use for other programs: its number, what it knows, the run that made it, its bundle."""
    if champion is None:
        return {"version": None}
    known = [name for name in ("source", "as_of", "run") if name in champion.tags]
    told = {name: champion.tags[name] for name in known}
    return {"version": champion.number, "bundle_sha256": champion.bundle_sha256} | told


def _notice_lines(champion: "Version | None") -> "Iterator[tuple[str, str]]":
    from onward.daily.oncall import ALERTS, MonitoredProject

    root = project_layout().root
    if champion is None or not (root / ALERTS).is_file():
        return
    monitored = MonitoredProject(root, assessment_history(), project_registry(), unpushed_deployment)
    for notice in monitored.notices(champion, datetime.now(UTC)):
        yield "Notice", f"[bold red]{notice.name}[/]: {escape(notice.says)}"


def _paused_lines(airflow: str | None) -> "Iterator[tuple[str, str]]":
    from onward.services.airflow_dags import airflow_database, paused_dags

    address = airflow_database(project_layout().root, airflow)
    if address is None:
        return
    try:
        paused = paused_dags(address)
    except ServiceError as error:
        yield "Airflow", f"[yellow]{escape(str(error))}[/]"
        return
    if paused:
        yield (
            "Airflow",
            f"[yellow]paused: {', '.join(paused)}[/]; what should start them is lost until they are unpaused",
        )


def _read_if_there(path: Path) -> dict[str, Any] | None:
    from onward.artifacts import read_json

    try:
        return read_json(path)
    except ArtifactError:
        return None


def _assessments(history: "AssessmentHistory", champion: "Version | None") -> "list[StoredAssessment]":
    """The last assessment of the version in use, then that of another version that the last run made."""
    of_champion = [] if champion is None else history.of_version(champion.number)[-1:]
    first = history.before_use()
    others = [] if first is None or (champion and first.version == champion.number) else [first]
    return of_champion + others


def _status_lines(
    champion: "Version | None",
    deployment: dict[str, Any] | None,
    assessed: "list[StoredAssessment]",
    clock: date,
) -> list[tuple[str, str]]:
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
    if not assessed:
        lines.append(("Monitor", "[yellow]has not run[/]"))
    for assessment in assessed:
        lines.extend(_assessment_lines(assessment))
        in_use = champion is not None and assessment.version == champion.number
        if in_use and assessment.verdict["verdict"] in {"drifted", "failed"}:
            next_step = "`onward act` says what to do about it; `onward oncall` writes reports/oncall.html"
    return [*lines, ("Next", escape(next_step))]


def _assessment_lines(assessment: "StoredAssessment") -> "Iterator[tuple[str, str]]":
    verdict = assessment.verdict
    basis = "test customers" if assessment.before_use else "what it decided"
    about = f"version {assessment.version} as of {assessment.as_of}, on {basis}: {escape(verdict['reason'])}"
    yield "Monitor", f"{_coloured(verdict['verdict'])} for {about}"
    for level in verdict["levels"]:
        yield "", f"level {level['level']}: {_coloured(level['verdict'])}, {escape(level['reason'])}"


def _coloured(verdict: str) -> str:
    return f"[{VERDICT_COLOURS[verdict]}]{verdict}[/]"
