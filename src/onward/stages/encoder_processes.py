"""The encoder trained by several processes of this machine, which torchrun starts, watches and starts again.

They share the graph in memory: its arrays are files that each of them maps. Where one is killed, all begin again at the
end of the last epoch (https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import torch

from onward.artifacts import replacing
from onward.errors import TrainingError
from onward.model.process_group import joined
from onward.model.training import EncoderSettings, Lesson, TrainedEncoder, train_on

_RESTARTS = 3
_SAID = 200


@dataclass(frozen=True)
class Work:
    """What every process is told.

    Attributes:
        lesson: pairs, edges and attributes.
        settings: of the loop.
        seed: of everything drawn.
        threads: of torch, in each process.
    """

    lesson: Lesson
    settings: EncoderSettings
    seed: int
    threads: int


def train_by_processes(work: Work, processes: int) -> TrainedEncoder:
    """Train in a group of processes; returns what the first of them found.

    Raises:
        TrainingError: they failed, and did so again when they were started anew.
    """
    with TemporaryDirectory(prefix="onward-encoder-") as name:
        folder = Path(name)
        joblib.dump(work, _work(folder))
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            f"--max-restarts={_RESTARTS}", "-m", __name__, str(folder),
        ]  # fmt: skip
        # A store of its own for each start: the shared one would lead new processes to the addresses of dead ones.
        own = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": str(work.threads)}
        with subprocess.Popen(command, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True) as started:
            said: deque[str] = deque(maxlen=_SAID)
            for line in started.stderr or ():
                said.append(line.rstrip())
                if line.startswith("epoch "):
                    print(line, end="", file=sys.stderr)  # noqa: T201 - the loop's own report, handed on
        if started.returncode != 0:
            raise TrainingError(
                f"encoder: its {processes} processes failed {1 + _RESTARTS} times ({_reason(said)}); "
                "`encoder.processes: 1` trains in one"
            )
        trained: TrainedEncoder = joblib.load(_trained(folder))
        return trained


def train_as_one_of_them(folder: Path) -> None:
    """Do this process's part, from the last finished epoch on; the first process keeps what comes of it."""
    # Mapped, not read: processes of a machine share the pages, and own only what they change.
    work: Work = joblib.load(_work(folder), mmap_mode="c")
    progress = _progress(folder)
    with joined() as group:
        resumed = joblib.load(progress) if progress.is_file() else None

        def keep(reached: object) -> None:
            if group.rank == 0:
                with replacing(progress) as partial:
                    joblib.dump(reached, partial)

        trained = train_on(work.lesson, work.settings, work.seed, work.threads, group=group, resumed=resumed, keep=keep)
        if group.rank == 0:
            with replacing(_trained(folder)) as partial:
                joblib.dump(trained, partial)


def _reason(said: Iterable[str]) -> str:
    """The last error that a process named; torchrun's own says only that one failed."""
    named = [line.partition("]: ")[2] or line for line in said if "Error: " in line and "ChildFailed" not in line]
    return named[-1] if named else "no reason was given"


def _work(folder: Path) -> Path:
    return folder / "work"


def _progress(folder: Path) -> Path:
    return folder / "progress"


def _trained(folder: Path) -> Path:
    return folder / "trained"


if __name__ == "__main__":
    # Before the first operation: later it would be refused.
    torch.set_num_interop_threads(1)
    train_as_one_of_them(Path(sys.argv[1]))
