"""`onward runs`, `onward lineage` and `onward find`: what exists, where it came from, and what can be used again."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from onward.deployment.registry import Registry
    from onward.runs.find import Item
    from onward.runs.places import Places
    from onward.runs.records import RunRecord

_PANEL = "Find what exists"
_DATA = "artifacts/serving"
_LEAST_WIDTH = 130
_out = Console()


def register(app: typer.Typer) -> None:
    """Add the three commands to the command line."""
    for command in (runs, lineage, find):
        app.command(rich_help_panel=_PANEL)(command)


def runs(limit: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 20) -> None:
    """List runs of the pipeline: what they know, how far they are, what they reached."""
    from onward.runs.records import read_records

    records = read_records(_places())
    if not records:
        _out.print("No run yet: start one in Airflow (`onward airflow`) or with `onward run start`.")
        return
    table = _table("run", "source", "state", "AUC", "version", "commit", "started by")
    for record in records[:limit]:
        clock = record.params()["run"]
        table.add_row(
            record.name, str(clock["source"]), record.state, _auc(record.auc), _outcome(record),
            record.commit[:12], escape(record.manifest.trigger),
        )  # fmt: skip
    _print(table)
    if len(records) > limit:
        _out.print(f"[dim]{len(records) - limit} earlier ones: --limit {len(records)}[/]")


def lineage(version: Annotated[int, typer.Argument(help="A registered version.", min=1, metavar="VERSION")]) -> None:
    """Say what made a version: data hashes, code, params, the version before it, the gate's verdict, pages."""
    from onward.deployment.registry import CHALLENGER, CHAMPION
    from onward.runs.lineage import Lineage
    from onward.runs.records import read_records

    places = _places()
    registry = _registry(places)
    found = registry.version(version)
    aliases = {each.number: alias for alias in (CHALLENGER, CHAMPION) if (each := registry.named(alias))}
    # The run that the version names made it; later runs may have come to the same bundle.
    records = {record.name: record for record in read_records(places)}
    record = records.get(found.tags["run"]) if "run" in found.tags else None
    _out.print(
        Lineage(found, aliases.get(version), record, registry.figures(found), registry.attached(found)).tree(),
        soft_wrap=True,
    )


def find(
    metric: Annotated[list[str] | None, typer.Option(help="Such as 'auc>=0.78'; may be given more than once.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="Such as thresholds.precision_target=0.08.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the data came from.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Of a registered version, such as git_commit=….")] = None,
) -> None:
    """Find runs, data and registered versions by metric, param, source and tag; all conditions must hold."""
    from onward.runs.find import Equal, Metric, join, select
    from onward.runs.records import read_records

    metrics = [Metric.parse(text) for text in metric or []]
    params = [Equal.parse(text, "--param") for text in param or []]
    tags = [Equal.parse(text, "--tag") for text in tag or []]
    places = _places()
    registry = _registry(places)
    items = join(read_records(places), registry.versions(), registry.figures)
    found = select(items, metrics, params, tags, source)
    if not found:
        _out.print(f"None of {len(items)} runs and versions is like that; fewer conditions find more.")
        return
    champion = registry.champion()
    table = _table("version", "run", "as of", "source", "data", "AUC", "commit")
    for item in found:
        table.add_row(*_row(item, champion.number if champion else None))
    _print(table)
    _out.print(
        "[dim]`onward lineage VERSION` tells more; `onward reproduce RUN` brings a run's files back.[/]", soft_wrap=True
    )


def _row(item: "Item", champion: int | None) -> list[str]:
    record, version = item.record, item.version
    number = "" if version is None else f"{version.number}{' (in use)' if version.number == champion else ''}"
    data = record.outs().get(_DATA, "") if record else ""
    commit = record.commit if record else version.tags["git_commit"] if version else ""
    return [
        number,
        record.name if record else "",
        item.as_of,
        item.source,
        data[:12],
        _auc(item.figure("auc")),
        commit[:12],
    ]


def _outcome(record: "RunRecord") -> str:
    ended = record.manifest.finished or {}
    if "version" not in ended:
        return ""
    return f"{ended['version']} {'promoted' if ended['promoted'] else 'refused'}"


def _auc(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading == "AUC" else "left")
    return table


def _print(table: Table) -> None:
    # A run's name that is cut short is of no use: on a narrow terminal lines run on.
    Console(width=max(_out.width, _LEAST_WIDTH)).print(table)


def _places() -> "Places":
    from onward.runs.places import Places

    return Places.from_environment(os.environ, Path.cwd())


def _registry(places: "Places") -> "Registry":
    from onward.deployment.registry import Registry

    return Registry.of(places.for_stages(), places.project / "mlruns")
