"""`onward runs`, `onward lineage` and `onward find`: what exists, where it came from, and what can be used again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onward.commands.project import project_registry, run_locations
from onward.layout import Layout

if TYPE_CHECKING:
    from onward.runs.history.find import Item
    from onward.runs.history.records import RunRecord

_DATA = str(Layout(Path()).serving)
_LEAST_WIDTH = 130
_out = Console()


def runs(limit: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 20) -> None:
    """List runs of the pipeline: what they know, how far they are, what they reached."""
    from onward.runs.history.records import read_records

    records = read_records(run_locations())
    if not records:
        _out.print("No run yet: start one in Airflow (`onward airflow`) or with `onward run start`.")
        return
    table = _table("run", "source", "state", "AUC", "version", "commit", "started by")
    for record in records[:limit]:
        clock = record.params()["run"]
        table.add_row(
            record.name,
            str(clock["source"]),
            record.state,
            _auc(record.auc),
            _outcome(record),
            record.commit[:12],
            escape(record.manifest.trigger),
        )
    _print(table)
    if len(records) > limit:
        _out.print(f"[dim]{len(records) - limit} earlier ones: --limit {len(records)}[/]")


def lineage(version: Annotated[int, typer.Argument(help="A registered version.", min=1, metavar="VERSION")]) -> None:
    """Say what made a version: data hashes, code, params, the version before it, the gate's verdict, pages."""
    from onward.deployment.registry import CHALLENGER, CHAMPION
    from onward.runs.history.lineage import Lineage
    from onward.runs.history.records import read_records

    registry = project_registry()
    registered = registry.version(version)
    aliases = {named.number: alias for alias in (CHALLENGER, CHAMPION) if (named := registry.named(alias))}
    # The run that the version names made it; later runs may have come to the same bundle.
    records = {record.name: record for record in read_records(run_locations())}
    record = records.get(registered.tags["run"]) if "run" in registered.tags else None
    _out.print(
        Lineage(
            registered, aliases.get(version), record, registry.figures(registered), registry.attached(registered)
        ).tree(),
        soft_wrap=True,
    )


def find(
    metric: Annotated[list[str] | None, typer.Option(help="Such as 'auc>=0.78'; may be given more than once.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="Such as thresholds.precision_target=0.08.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the data came from.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Of a registered version, such as git_commit=….")] = None,
) -> None:
    """Find runs, data and registered versions by metric, param, source and tag; all conditions must hold."""
    from onward.runs.history.find import Equal, Metric, join, select
    from onward.runs.history.records import read_records

    metrics = [Metric.parse(text) for text in metric or []]
    params = [Equal.parse(text, "--param") for text in param or []]
    tags = [Equal.parse(text, "--tag") for text in tag or []]
    registry = project_registry()
    items = join(read_records(run_locations()), registry.versions(), registry.figures)
    selected = select(items, metrics, params, tags, source)
    if not selected:
        _out.print(f"None of {len(items)} runs and versions is like that; fewer conditions find more.")
        return
    champion = registry.champion()
    table = _table("version", "run", "as of", "source", "data", "AUC", "commit")
    for item in selected:
        table.add_row(*_row(item, champion.number if champion else None))
    _print(table)
    _out.print(
        "[dim]`onward lineage VERSION` tells more; `onward reproduce RUN` brings a run's files back.[/]", soft_wrap=True
    )


def _row(item: "Item", champion: int | None) -> list[str]:
    record = item.record
    version = item.version
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
