"""The one form in which every benchmark prints and records what it found."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"

_WRITTEN = (":!benchmarks/results", ":!docs/images")

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Finding:
    """What a benchmark found.

    Attributes:
        name: of the file of results.
        seeds: every seed that was used.
        rows: the table, one mapping a row, same keys in each.
        claims: flat numbers that the README, an issue or a test may quote.
    """

    name: str
    seeds: Sequence[int]
    rows: Sequence[Mapping[str, Cell]]
    claims: Mapping[str, float]


def publish(finding: Finding) -> Path:
    """Print the table and write results/NAME.json; returns the path."""
    table = Table(title=finding.name, title_justify="left")
    for column in finding.rows[0]:
        table.add_column(column, overflow="fold")
    for row in finding.rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        # A log is as wide as what is written to it; folded into 80 columns, a table of many is one letter a line.
        console = Console(width=max(console.width, console.measure(table, options=_unbounded(console)).maximum))
    console.print(table)
    for claim, value in finding.claims.items():
        console.print(f"  {claim} = {_shown(value)}")
    path = RESULTS / f"{finding.name}.json"
    path.parent.mkdir(exist_ok=True)
    record = {
        "name": finding.name,
        "command": " ".join(["python -m", _module(), *_for_others(sys.argv[1:])]),
        "commit": commit(),
        "seeds": list(finding.seeds),
        "rows": [dict(row) for row in finding.rows],
        "claims": dict(finding.claims),
    }
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    console.print(f"written: {path.relative_to(ROOT)}")
    return path


def commit(root: Path = ROOT) -> str:
    """Return the commit the benchmark ran on, with `-dirty` when the working tree differs from it.

    What benchmarks write themselves, results and pictures, does not count.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    found = git("describe", "--always", "--abbrev=12")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN)
    return f"{found}{'-dirty' if changed else ''}" if found else "unknown"


def _unbounded(console: Console) -> ConsoleOptions:
    return console.options.update(width=10_000)


def _module() -> str:
    """The module that Python was started with, as people name it."""
    spec = sys.modules["__main__"].__spec__
    return spec.name.removesuffix(".__main__") if spec else "?"


def _for_others(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments with folders of this machine named as the help names them."""
    return ["DIR" if Path(each).is_absolute() else each for each in arguments]


def _shown(value: Cell) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)
