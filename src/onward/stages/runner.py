"""Runs a stage for DVC: fixed threads, one clock, one line for an error."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from threadpoolctl import threadpool_limits

from onward.errors import OnwardError
from onward.layout import Layout
from onward.params import Params, read_params

Stage = Callable[[Layout, Params], str]


def enter(name: str, stage: Stage, root: Path | None = None) -> int:
    """Run one stage in `root` (default: the working directory) and return its exit status.

    The stage returns one line that says what it did. An `OnwardError` becomes one line on standard error
    and status 1; any other error is a defect and keeps its traceback.
    """
    started = time.perf_counter()
    layout = Layout(root or Path.cwd())
    console = Console(stderr=True)
    try:
        params = read_params(layout.params)
        # Sums in another order give other bytes: the number of threads is a parameter, not the machine's.
        os.environ["OMP_NUM_THREADS"] = str(params.run.threads)
        with threadpool_limits(params.run.threads):
            line = stage(layout, params)
    except OnwardError as error:
        console.print(f"[bold red]{name} failed[/]: {escape(str(error))}", soft_wrap=True)
        return 1
    console.print(
        f"[bold green]{name}[/] {escape(line)} [dim]({time.perf_counter() - started:.1f} s)[/]", soft_wrap=True
    )
    return 0


def main(name: str, stage: Stage) -> None:
    """Leave the process with the stage's exit status; the last line of every stage module."""
    sys.exit(enter(name, stage))
