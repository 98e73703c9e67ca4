"""`onward replay`: history once more, week by week, as it would have gone."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from onward.commands.day_option import day_option
from onward.commands.project import project_layout
from onward.errors import RunError

_out = Console()


def replay(
    first: Annotated[datetime, day_option("--from", help="Clock of the first training.")],
    to: Annotated[datetime, day_option(help="No week ends after it.")],
    every: Annotated[str, typer.Option(help="Days between two trainings.")] = "7d",
    last_training: Annotated[
        datetime | None,
        day_option(help="Later weeks go on with the version in use.", show_default="--to"),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=16, help="Weeks in training at the same time.")] = 2,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of each training.")] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Of all that it leaves; by default in .onward/replay/.", show_default=False)
    ] = None,
) -> None:
    """Walk through the past: train, gate, score the next week, look, act on paper; asked again it goes on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from onward.params import read_params
    from onward.runs.replay import Replay
    from onward.runs.replay import replay as walk

    days = every.removesuffix("d")
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= 365:
        raise RunError(f"replay: --every={every} is no number of days such as 7d")
    project = project_layout().root
    if read_params(project_layout().params).run.source == "simulator":
        raise RunError(
            "replay: the simulated shop begins anew at each as_of; write its log to a folder, source parquet"
        )
    place = (folder or project / ".onward" / "replay" / f"{first:%Y-%m-%d}-every-{days}d").resolve()
    plan = Replay(project, place, first.date(), to.date(), int(days), at_once, threads, (last_training or to).date())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_out) as progress:
        bar = progress.add_task("replay", total=len(plan.weeks()))
        for week, ended in walk(plan, lambda step: progress.update(bar, description=step)):
            does = "trained" if ended["run"] else "watched"
            progress.console.print(
                f"{week}  {does}  version {ended['version']}  {ended['verdict']}  [dim]{escape(ended['reason'])}[/]",
                soft_wrap=True,
            )
            progress.advance(bar)
    settings = " ".join(f"{name}={value}" for name, value in plan.environment().items())
    _out.print("See it with the replay's own folders:", soft_wrap=True)
    _out.print(f"env {settings} sh -c 'onward oncall && onward dashboards'", soft_wrap=True, highlight=False)
