"""A peer sits an exam in a process and an environment of its own; what its scores were worth is kept.

What was judged lies in artifacts/benchmarks/peers under a digest of the exam, the peer's grid and the rules, so that a
run that was broken off goes on where it was; the scores themselves are thrown away.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.harness.form import ROOT
from benchmarks.peers.exams import Exam, Ints
from benchmarks.peers.models import exam_paper
from benchmarks.peers.models.grids import PEERS
from onward.artifacts import read_arrays, write_arrays
from onward.errors import OnwardError
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Interval
from onward.metrics.ranking import PairRanks

STORE = ROOT / "artifacts" / "benchmarks" / "peers"
PYTHON = ROOT / ".venv-peers" / "bin" / "python"

Judge = Callable[[str, np.ndarray], np.ndarray]
"""What scores [Q, N] of a question's test queries were worth, as one array."""


class PeerError(OnwardError):
    """A peer could not be asked, or its process failed."""


@dataclass(frozen=True)
class Sitting:
    """What a peer did in an exam.

    Attributes:
        told: settings tried and picked, with what validation said, and versions.
        judged: by question, one array a seed.
    """

    told: Mapping[str, Any]
    judged: Mapping[str, np.ndarray]

    def setting(self, ask: str) -> str:
        """What validation picked for a question, in words."""
        picked = self.told["picked"][ask]
        words = [f"{name} {value}" for name, value in picked["setting"].items()]
        return ", ".join([*words, f"{picked['look']} looks"] if picked["look"] > 1 else words)

    def figure(self, ask: str, metric: str, source: Ints, bootstrap: CustomerBootstrap) -> Interval:
        """A metric of the ranks that were judged, mean of the seeds, with its interval over sources [r]."""
        worth = np.mean([PairRanks(source, ranks).metrics()[metric] for ranks in self.judged[ask]], axis=0)
        return bootstrap.ratio(worth, np.ones(len(worth)))

    @property
    def note(self) -> str:
        """What a reader has to know: how many settings were tried, and whether time ended a training of them."""
        tried = self.told["tried"]
        short = sum(bool(each["stopped by its time"]) for each in tried)
        ended = f", {short} of them still gaining when their time was up" if short else ""
        return f"{len(tried)} settings tried{ended}" if len(tried) > 1 else f"1 setting{ended}"

    @property
    def seconds(self) -> float:
        """Spent on all of validation."""
        return float(sum(each["seconds"] for each in self.told["tried"]))


@dataclass(frozen=True)
class Room:
    """Where peers sit.

    Attributes:
        python: of the peers' environment.
        minutes: of one core, longest training of one setting.
        finished: ask nobody; only read what was judged before.
        store: folder of what was judged.
    """

    python: Path = PYTHON
    minutes: float = 5.0
    finished: bool = False
    store: Path = STORE

    def sit(
        self, exam: Exam, peer: str, judge: Judge, seeds: int, settings: Sequence[Mapping[str, Any]] | None = None
    ) -> Sitting | None:
        """Let a peer sit an exam and judge it, or read what was judged; None where it was not and nobody is asked.

        Args:
            exam: what is handed over.
            peer: by its name in `PEERS`.
            judge: of the scores.
            seeds: trainings on the test's lesson, 1 where chance plays no part.
            settings: to try in place of the peer's grid.

        Raises:
            PeerError: there is no environment, or the process failed.
        """
        seeds = seeds if PEERS[peer].trained or peer.startswith("ALS") else 1
        with tempfile.TemporaryDirectory(prefix="onward-exam-") as name:
            folder = Path(name)
            place = self.store / exam.name / f"{peer} {self._digest(exam.write(folder), peer, seeds, settings)}"
            if not place.with_suffix(".json").exists():
                if self.finished:
                    return None
                self._run(folder, exam, peer, seeds, settings)
                judged = {
                    ask: np.stack([judge(ask, np.load(folder / f"scores {ask} {seed}.npy")) for seed in range(seeds)])
                    for ask in exam.asks
                }
                place.parent.mkdir(parents=True, exist_ok=True)
                write_arrays(place.with_suffix(".npz"), judged)
                place.with_suffix(".json").write_bytes((folder / "told.json").read_bytes())
            told = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            return Sitting(told, read_arrays(place.with_suffix(".npz")))

    def _run(
        self, folder: Path, exam: Exam, peer: str, seeds: int, settings: Sequence[Mapping[str, Any]] | None
    ) -> None:
        if not self.python.exists():
            raise PeerError(f"{self.python} is missing: `make peers` makes the peers' environment and runs them")
        Console(stderr=True).print(f"{exam.name}: {peer}", highlight=False)
        command = [str(self.python), "-m", "benchmarks.peers.models", str(folder), peer, "--seeds", str(seeds),
                   "--minutes", str(self.minutes)]  # fmt: skip
        if settings is not None:
            command += ["--settings", json.dumps(settings)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        # Freed memory is kept: giving it back after every step takes torch as long as the step.
        threads |= {"MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**34)}
        path = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        log = self.store / "logs" / f"{exam.name} {peer}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as said:
            done = subprocess.run(
                command, cwd=ROOT, env=path | threads, stdout=said, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            raise PeerError(f"{peer} failed in {exam.name} (exit status {done.returncode}); {log} says why")

    @staticmethod
    def _digest(paper: str, peer: str, seeds: int, settings: Sequence[Mapping[str, Any]] | None) -> str:
        found = PEERS[peer]
        told = repr((exam_paper.RULES, paper, found, seeds, settings))
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
