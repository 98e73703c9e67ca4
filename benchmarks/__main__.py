"""Run every benchmark whose results are not of this commit, one after the other; broken off, it goes on where it was.

What each says goes to artifacts/benchmarks/logs/NAME.log, what it found to benchmarks/results/NAME.json. Some read the
outputs of `make run`; those of public files need --data. `make docs` then writes tables and pictures anew.

Usage:
    python -m benchmarks --list              # names, commands, and which are of this commit
    python -m benchmarks --data DIR          # all; days of one core, so give it time or names
    python -m benchmarks groups nowcast      # two of them, even where they are of this commit
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.harness.form import RESULTS, ROOT, commit

LOGS = ROOT / "artifacts" / "benchmarks" / "logs"
_NAMED = re.compile(r'Finding\(\s*"(\w+)"')
_OF_PUBLIC_FILES = re.compile(r'data_folder\(arguments\)|add_argument\(\s*"--data"')


@dataclass(frozen=True)
class Benchmark:
    """A command that writes one file of results.

    Attributes:
        name: of the file.
        module: what Python is started with.
        reads_files: whether it has an option --data.
    """

    name: str
    module: str
    reads_files: bool

    def command(self, data: Path | None) -> tuple[str, ...]:
        """What runs it."""
        own = ("--data", str(data)) if self.reads_files and data is not None else ()
        return (sys.executable, "-m", self.module, *own)

    def is_of(self, revision: str, results: Path) -> bool:
        """Whether its results were made at a commit."""
        path = results / f"{self.name}.json"
        return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["commit"] == revision


def benchmarks(root: Path = ROOT) -> tuple[Benchmark, ...]:
    """Every benchmark of the project, by room and name: the modules that publish a finding."""
    found = []
    for path in sorted((root / "benchmarks").glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        if (named := _NAMED.search(text)) is None or path.parent.name in {"harness", "tests"}:
            continue
        module = path.relative_to(root).with_suffix("")
        whole_room = path.stem == "__main__" or "__main__" not in text
        parts = (module.parent if whole_room else module).parts
        found.append(Benchmark(named[1], ".".join(parts), bool(_OF_PUBLIC_FILES.search(text))))
    return tuple(found)


def run(chosen: Sequence[Benchmark], data: Path | None, console: Console, logs: Path = LOGS) -> list[str]:
    """Run benchmarks one after the other; return the names of those that failed."""
    logs.mkdir(parents=True, exist_ok=True)
    failed = []
    for number, benchmark in enumerate(chosen, start=1):
        shown = f"[{number}/{len(chosen)}] {benchmark.name}"
        started = time.perf_counter()
        log = logs / f"{benchmark.name}.log"
        with console.status(escape(f"{shown}: {benchmark.module}")), log.open("w", encoding="utf-8") as said:
            done = subprocess.run(benchmark.command(data), cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, check=False)
        minutes = (time.perf_counter() - started) / 60
        well = done.returncode == 0
        console.print(
            escape(f"{shown}: {'done' if well else f'failed, see {log}'} ({minutes:.1f} min)"), soft_wrap=True
        )
        if not well:
            failed.append(benchmark.name)
    return failed


def main() -> None:
    """Choose, run and say what is left."""
    known = {benchmark.name: benchmark for benchmark in benchmarks()}
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME", help="which; default: those not of this commit")
    arguments.add_argument("--data", type=Path, help="folder of the public files; see benchmarks/direction/datasets.py")
    arguments.add_argument("--list", action="store_true", help="only say what there is")
    asked = arguments.parse_args()
    if unknown := sorted(set(asked.names) - known.keys()):
        arguments.error(f"no benchmark is called {', '.join(unknown)}; --list says which there are")
    revision = commit()
    console = Console()
    if asked.list:
        for benchmark in known.values():
            state = "of this commit" if benchmark.is_of(revision, RESULTS) else ""
            option = " --data DIR" if benchmark.reads_files else ""
            console.print(escape(f"{benchmark.name:28} python -m {benchmark.module}{option}  {state}"), soft_wrap=True)
        return
    wanted = [known[name] for name in asked.names] or [
        benchmark for benchmark in known.values() if not benchmark.is_of(revision, RESULTS)
    ]
    left_out = [benchmark.name for benchmark in wanted if benchmark.reads_files and asked.data is None]
    failed = run([benchmark for benchmark in wanted if benchmark.name not in left_out], asked.data, console)
    if left_out:
        console.print(f"left out, since they need --data DIR: {', '.join(left_out)}", soft_wrap=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
