"""A command in a process of its own, its time and its highest memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Seconds from start to end, gigabytes at most, and what was written to the standard output.

    Linux counts the memory of who starts a process as the process's own, so gigabytes are never below the benchmark's.
    """

    seconds: float
    gigabytes: float
    said: str


def measure(command: Sequence[str], folder: Path, *, progress: bool = False) -> Measured:
    """Run a command in a folder; one that fails ends the benchmark with the last of what it said.

    With `progress` its standard error is shown as it comes, in place of at the end.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=None if progress else complaints)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        complaints.seek(0)
        said, complained = (each.read().decode(errors="replace") for each in (output, complaints))
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}: {(said + complained)[-2000:]}")
    return Measured(seconds, used.ru_maxrss / 2**20, said)
