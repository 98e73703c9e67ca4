"""Runs a stage for DVC: fixed threads, one clock, one line for an error."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from threadpoolctl import threadpool_limits

from onward.artifacts import write_json
from onward.errors import OnwardError
from onward.layout import Layout
from onward.params import Params, read_params

Stage = Callable[[Layout, Params], str]


def enter(name: str, stage: Stage, root: Path | None = None) -> int:
    """Run one stage in `root` (default: the working directory) and return its exit status.

    The stage returns one line that says what it did. An `OnwardError` becomes one line on standard error and its
    status; any other error is a defect and keeps its traceback. DVC hands the status of a stage on to nobody: who runs
    DVC finds the error in the file `stage_failure` of the layout.
    """
    started = time.perf_counter()
    layout = Layout(root or Path.cwd())
    console = Console(stderr=True)
    layout.stage_failure.unlink(missing_ok=True)
    try:
        params = read_params(layout.params)
        # Sums in another order give other bytes: the number of threads is a parameter, not the machine's.
        os.environ["OMP_NUM_THREADS"] = str(params.run.threads)
        with threadpool_limits(params.run.threads):
            line = stage(layout, params)
    except OnwardError as error:
        console.print(f"[bold red]{name} failed[/]: {escape(str(error))}", soft_wrap=True)
        write_json(layout.stage_failure, {"stage": name, "error": str(error), "status": error.status})
        return error.status
    console.print(
        f"[bold green]{name}[/] {escape(line)} [dim]({time.perf_counter() - started:.1f} s)[/]", soft_wrap=True
    )
    return 0


def main(name: str, stage: Stage) -> None:
    """Leave the process with the stage's exit status; the last line of every stage module."""
    sys.exit(enter(name, stage))
