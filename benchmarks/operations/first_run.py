"""How long the first run takes after installation, and a retrain: by stage, its own work and what is around it.

`make run` in clean clones, one after the other: the pipeline from nothing, then the report while versions go to the
local remote. What is around a stage's own work is the start of Python, imports, and DVC's hashing and copying. The
retrain is the pipeline once more in the same clone, as of a week before. Needs two cores that nothing else uses.

Usage:
    python -m benchmarks.operations.first_run
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.operations.reproducibility import clone
from tools.testbeds.small_shop import environment, set_params

RUNS = 3
EARLIER = "2017-11-13"
_OWN = re.compile(r"^(\w+) .*\(([\d.]+) s\)$")


@dataclass(frozen=True)
class Timed:
    """Seconds of a run, and of each stage: all of it, and its own work."""

    seconds: float
    whole: dict[str, float]
    own: dict[str, float]


def pipeline(project: Path) -> Timed:
    """Run the pipeline; a stage's line comes when its work is done, and what follows is the next one's."""
    whole, own = {}, {}
    started = last = time.perf_counter()
    with subprocess.Popen(
        ["onward", "repro", "-q"],
        cwd=project,
        env={**environment(project), "COLUMNS": "1000"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            if found := _OWN.match(line.strip()):
                now = time.perf_counter()
                whole[found[1]], own[found[1]] = now - last, float(found[2])
                last = now
    if process.returncode != 0:
        sys.exit(f"the pipeline ended with status {process.returncode}")
    return Timed(time.perf_counter() - started, whole, own)


def finish(project: Path) -> float:
    """Seconds of the second half of `make run`."""
    started = time.perf_counter()
    own = environment(project)
    with subprocess.Popen(["dvc", "push", "-q"], cwd=project, env=own) as push:
        subprocess.run(["onward", "report"], cwd=project, env=own, check=True, stdout=subprocess.DEVNULL)
    if push.returncode != 0:
        sys.exit(f"dvc push ended with status {push.returncode}")
    return time.perf_counter() - started


def rows_of(what: str, runs: Sequence[Timed]) -> list[dict[str, Cell]]:
    """A row a stage: medians over the runs."""
    rows: list[dict[str, Cell]] = []
    for stage in runs[0].whole:
        whole, own = (median(getattr(run, kind)[stage] for run in runs) for kind in ("whole", "own"))
        rows.append({"run": what, "stage": stage, "seconds": whole, "own work": own, "around it": whole - own})
    return rows


def main() -> None:
    """Measure and publish."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    console = Console(stderr=True)
    first, ends, again = [], [], []
    for number in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory(prefix="onward-") as scratch:
            project = clone(Path(scratch, "clone"))
            (project / "dvc.lock").unlink()
            first.append(pipeline(project))
            ends.append(finish(project))
            set_params(project / "params.yaml", {"run": {"as_of": EARLIER}})
            again.append(pipeline(project))
        told = f"{first[-1].seconds:.0f} s and {ends[-1]:.0f} s, a retrain {again[-1].seconds:.0f} s"
        console.print(f"run {number} of {RUNS}: {told}", highlight=False)
    rows = [*rows_of("first", first), *rows_of("retrain", again)]
    rows.append({"run": "first", "stage": "report and push", "seconds": median(ends), "own work": None,
                 "around it": None})  # fmt: skip
    totals = [run.seconds + end for run, end in zip(first, ends, strict=True)]
    around = [sum(run.whole.values()) - sum(run.own.values()) for run in first]
    publish(Finding("first_run", [], rows, {
        "run_seconds": median(totals),
        "run_seconds_least": min(totals),
        "run_seconds_most": max(totals),
        "retrain_seconds": median(run.seconds for run in again),
        "share_around_stages": median(each / run.seconds for each, run in zip(around, first, strict=True)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
