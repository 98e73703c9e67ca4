"""Run one of the examples: a project of its own in .onward/examples, its data prepared, `dvc repro`, and the figures.

Usage:
    python -m tools.example cora_ml --data DIR              # one split
    python -m tools.example cora_ml --data DIR --splits 10  # ten, and their mean
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.direction.datasets import (
    BEAUTY,
    BEAUTY_ATTRIBUTES,
    Words,
    cora_ml_edges,
    cora_ml_words,
    data_folder,
    file_of,
    photo_words,
)
from onward.artifacts import read_json
from onward.errors import OnwardError

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
_PARTS = {"train": "train", "val": "validation", "test": "test"}

Prepare = Callable[[Path, Path, int], None]
"""Writes a project's data: from the folder of the public files, into a folder, for the split of this number."""


def prepare_cora_ml(source: Path, folder: Path, split: int) -> None:
    """Edges, words and one of the ten official splits."""
    _write_graph(folder, cora_ml_words(source))
    for part, name in _PARTS.items():
        _write_pairs(folder / "split" / f"{name}.txt", cora_ml_edges(source, split, f"pos_{part}"))
        if part != "train":
            _write_pairs(folder / "split" / f"{name}_absent.txt", cora_ml_edges(source, split, f"neg_{part}"))


def prepare_photo(source: Path, folder: Path, split: int) -> None:  # noqa: ARG001 - run.seed draws the split
    """Edges and words."""
    _write_graph(folder, photo_words(source))


def prepare_beauty(source: Path, folder: Path, split: int) -> None:  # noqa: ARG001 - the last items are held out
    """The published files as they are."""
    for name in (BEAUTY, BEAUTY_ATTRIBUTES):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file_of(source, name), folder / Path(name).name)


PREPARE: Mapping[str, Prepare] = {
    "cora_ml": prepare_cora_ml, "photo": prepare_photo, "photo_catalogue": prepare_photo, "beauty": prepare_beauty,
}  # fmt: skip


def make_project(name: str, source: Path, folder: Path, split: int) -> None:
    """A folder in which `dvc repro` runs the example: code, pipeline, params and data.

    What a former run has left there stays, so that DVC runs only what has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    (folder / ".dvc").mkdir(exist_ok=True)
    # The folder is git-ignored in the project's own clone, so DVC must not look for it there.
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n", encoding="utf-8")
    shutil.rmtree(folder / "data", ignore_errors=True)
    PREPARE[name](source, folder / "data", split)
    params = merged(_yaml(ROOT / "params.yaml"), _yaml(EXAMPLES / f"{name}.yaml"))
    params["run"]["seed"] += split
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base with the changes of every section.

    >>> merged({"a": {"b": 1, "c": {"d": 2}}}, {"a": {"c": {"d": 3}}})
    {'a': {'b': 1, 'c': {'d': 3}}}
    """
    found = dict(base)
    for key, value in changes.items():
        found[key] = merged(base[key], value) if isinstance(value, Mapping) else value
    return found


def run_pipeline(folder: Path) -> None:
    """Run `dvc repro` in the project with the code that lies there."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "DVC_NO_ANALYTICS": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", "repro"]
    done = subprocess.run(command, cwd=folder, env={**environment, "PATH": path}, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def show(name: str, found: Sequence[Mapping[str, Any]]) -> None:
    """Print the figures; the mean over splits where there are several."""
    table = Table(title=f"{name}, {len(found)} split{'s' if len(found) > 1 else ''}", title_justify="left")
    for heading in (
        "judged",
        "metric",
        "value",
        "95 % interval" if len(found) == 1 else "sd over splits",
        "best alone",
    ):
        table.add_column(heading)
    for judged, metrics in found[0].items():
        for metric in metrics:
            each = [split[judged][metric] for split in found]
            values = np.array([one["value"] for one in each])
            spread = f"{each[0]['low']:.4g} to {each[0]['high']:.4g}" if len(each) == 1 else f"{values.std(ddof=1):.4g}"
            alone = np.mean([one["best_single_value"] for one in each])
            table.add_row(judged, metric, f"{values.mean():.4f}", spread, f"{each[0]['best_single']} {alone:.4g}")
    Console().print(table)


def main() -> None:
    """Prepare, run and show."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("name", choices=tuple(PREPARE))
    data_folder(arguments)
    arguments.add_argument("--splits", type=int, default=1, help="how many splits, from the first; their mean is shown")
    arguments.add_argument("--folder", type=Path, default=ROOT / ".onward" / "examples", help="where projects are made")
    asked = arguments.parse_args()
    found = []
    try:
        for split in range(asked.splits):
            # One folder for all splits: DVC's cache then remembers each of them.
            folder = asked.folder / asked.name
            make_project(asked.name, Path(asked.data), folder, split)
            run_pipeline(folder)
            found.append(read_json(folder / "artifacts" / "evaluation" / "headline.json"))
            show(asked.name, found[-1:])
    except OnwardError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1) from None
    if len(found) > 1:
        show(asked.name, found)


def _write_graph(folder: Path, graph: Words) -> None:
    edges, words = graph
    _write_pairs(folder / "edges.txt", edges)
    rows = (words.indices[words.indptr[node] : words.indptr[node + 1]] for node in range(words.shape[0]))
    _write_lines(folder / "words.txt", (" ".join(map(str, (node, *row))) for node, row in enumerate(rows)))


def _write_pairs(path: Path, pairs: np.ndarray) -> None:
    _write_lines(path, (f"{source} {target}" for source, target in pairs.tolist()))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
