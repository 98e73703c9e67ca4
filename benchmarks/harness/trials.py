"""What a long benchmark has finished, kept on disk so that a run that was stopped goes on where it was.

A trial is one mapping of plain values under a key that names everything it depends on; it is one JSON line in
artifacts/benchmarks/NAME.jsonl. Trained encoders are kept beside it by the graph and the setting they were trained on.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.form import ROOT
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_scores import LinkScore

STORE = ROOT / "artifacts" / "benchmarks"

Trial = Mapping[str, Any]


class Trials:
    """Finished trials of one benchmark, by key.

    Args:
        name: of the benchmark.
        fresh: forget what was finished before.
        store: folder.
    """

    def __init__(self, name: str, *, fresh: bool = False, store: Path = STORE) -> None:
        self.path = store / f"{name}.jsonl"
        if fresh:
            self.path.unlink(missing_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.exists() else []
        # A line that a killed run left unfinished is no trial.
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        self.done: dict[str, Trial] = {each["key"]: each["trial"] for each in whole}
        if len(whole) < len(lines):
            self.path.write_text("".join(lines[: len(whole)]), encoding="utf-8")

    def run(self, key: str, make: Callable[[], Trial]) -> Trial:
        """The trial of that key, made now unless it was finished before; what is made is kept at once."""
        if key not in self.done:
            self.done[key] = make()
            with self.path.open("a", encoding="utf-8") as store:
                store.write(json.dumps({"key": key, "trial": self.done[key]}, allow_nan=False) + "\n")
        return self.done[key]


def settings_key(*settings: object) -> str:
    """A name for settings, for the end of a trial's key: another one where any of them, as told by repr, is another."""
    return f"settings {hashlib.sha256(repr(settings).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Kept:
    """A score whose fits are kept on disk: for encoders that train for minutes.

    Attributes:
        setting: the score; two parts of its chain are kept, in float32 as they are.
        store: folder.
    """

    setting: LinkScore
    store: Path = STORE / "encoders"

    def fit(self, graph: DirectedGraph) -> Chain:
        """Train, or read what was trained on the same graph by the same setting."""
        told = hashlib.sha256(repr(self.setting).encode())
        for part in (graph.edges, graph.attributes):
            told.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        path = self.store / f"{told.hexdigest()[:32]}.npz"
        if not path.exists():
            self.store.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}.partial")
            with unfinished.open("wb") as stream:
                np.savez(stream, *self.setting.fit(graph).matrices)
            unfinished.replace(path)
        with np.load(path, allow_pickle=False) as found:
            return Chain(tuple(found[name] for name in found.files))
