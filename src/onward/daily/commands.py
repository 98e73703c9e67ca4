"""`onward score` and `onward monitor`: what runs every day beside the pipeline."""

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from onward.errors import MonitoringError, RegistryError

_PANEL = "Watch and run"
_DAY = ["%Y-%m-%d"]
_COLOURS = {"ok": "green", "too early to tell": "yellow", "drifted": "bold red", "failed": "bold red"}
_out = Console()


def register(app: typer.Typer) -> None:
    """Add both commands to the command line."""
    app.command(rich_help_panel=_PANEL)(score)
    app.command(rich_help_panel=_PANEL)(monitor)


def score(
    day: Annotated[datetime | None, typer.Option(help="Whose impressions are decided on.", formats=_DAY)] = None,
    to: Annotated[datetime | None, typer.Option(help="Last of several days, included.", formats=_DAY)] = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="Instead: every day before it that is not logged yet.", formats=_DAY)
    ] = None,
) -> None:
    """Log what the version in use decides on a day's impressions; a day that is logged stays as it is."""
    from onward.daily.places import decisions_folder
    from onward.daily.score import Scored, score_days
    from onward.deployment.bundle_files import read_bundle
    from onward.deployment.registry import Registry
    from onward.params import read_params

    if (day is None) == (as_of is None) or (to is not None and day is None):
        raise MonitoringError("score: say either --day (with --to for several), or --as-of")
    root = Path.cwd()
    params = read_params(root / "params.yaml")
    registry = Registry.of(os.environ, root / "mlruns")
    champion = registry.champion()
    if champion is None:
        raise RegistryError("nothing is deployed, so nothing can decide; run the pipeline, see `onward status`")
    bundle = read_bundle(registry.folder(champion))
    learnt = date.fromisoformat(str(bundle.facts["as_of"]))
    first = day.date() if day else learnt
    last = as_of.date() - timedelta(days=1) if as_of else (to.date() if to else first)
    done = Scored({}, ())
    if day or last >= first:
        done = score_days(params, bundle, champion.number, decisions_folder(os.environ, root), first, last)
    for each, rows in done.rows.items():
        _out.print(f"{each}: {rows:,} decisions of version {champion.number}")
    if done.kept:
        _out.print(f"[dim]{len(done.kept)} days had been logged before and stay as they are[/]")
    typer.echo(json.dumps({
        "version": champion.number, "from": first.isoformat(), "to": last.isoformat(), "rows": sum(done.rows.values()),
        "days": len(done.rows), "kept": len(done.kept),
    }))  # fmt: skip


def monitor(
    as_of: Annotated[datetime, typer.Option(help="The first day that is not known.", formats=_DAY)],
    version: Annotated[
        int | None, typer.Option(min=1, help="Another than the one in use; its log may have ended.", show_default=False)
    ] = None,
) -> None:
    """Judge the version in use as of a day, the last line as JSON; exit 1 when that cannot be done.

    Versions that it replaced are looked at too while their labels mature, so that the pages show what came of them.
    """
    from onward.daily.monitor import first_logged, look, look_place, still_maturing, version_in_use
    from onward.daily.places import decisions_folder, looks_folder, read_once
    from onward.params import read_params

    root, day = Path.cwd(), as_of.date()
    params = read_params(root / "params.yaml")
    number = version or version_in_use(root)
    decisions, looks = decisions_folder(os.environ, root), looks_folder(os.environ, root)
    others = still_maturing(decisions, number, day, params.run.attribution_days) if version is None else []
    read = read_once(first_logged(decisions, {number, *others}, day))
    said = look(root, params, number, decisions, looks, day, replaced=version is not None, read=read)
    for other in others:
        # Their labels go on to mature for the pages; nothing is decided on them, so a failure is theirs alone.
        look(root, params, other, decisions, looks, day, replaced=True, read=read)
    word = said["verdict"]
    if word == "failed":
        raise MonitoringError(f"version {number} as of {day} cannot be judged: {said['reason']}")
    cause = f" ({said['cause']})" if said["cause"] else ""
    _out.print(f"[{_COLOURS[word]}]{word}[/]{cause} for version {number} as of {day}: {escape(said['reason'])}")
    for each in said["levels"]:
        _out.print(f"  level {each['level']}: {each['verdict']}, {escape(each['reason'])}", soft_wrap=True)
    for each in said["signals"]:
        _out.print(f"  {each['name']}: {each['verdict']}, {escape(each['reason'])}", soft_wrap=True)
    _out.print(f"[dim]{look_place(looks, number, day)}[/]", soft_wrap=True)
    typer.echo(json.dumps(said))
