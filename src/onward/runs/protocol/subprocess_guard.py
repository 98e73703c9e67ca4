"""Commands that do not outlive the process that started them, and hold its lock for as long as they live.

A worker may be killed at any moment. What it started must then neither go on writing into the workspace beside the
next attempt, nor be taken for dead while it lives. Two things see to that:

* the lock file is the command's standard input: the one descriptor that DVC hands on to the stages it starts, so the
  kernel keeps the lock until the last of them has ended (flock(2): a lock belongs to the open file description);
* a guard, in a session of its own, waits for the end of this process and then kills the command's whole group.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn


@contextmanager
def leashed(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], lock: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Have a command run during the block, its output going where this process's goes; the block's end waits for it.

    Args:
        command: program and arguments.
        folder: where it works.
        environment: all of its environment.
        lock: descriptor of a locked file, open for reading.
    """
    process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdin=lock, process_group=0)
    with _guarded(process.pid):
        try:
            yield process
            process.wait()
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise


@contextmanager
def _guarded(group: int) -> Iterator[None]:
    """Have a group of processes killed if this process ends inside the block."""
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        _watch(reading, group)
    os.close(reading)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            os.write(writing, b"done")
        os.close(writing)
        os.waitpid(guard, 0)


def _watch(pipe: int, group: int) -> NoReturn:
    """Be the guard: the pipe's end without a word means that the process at its other end is gone."""
    try:
        os.setsid()
        for signals in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signals, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.dup2(pipe, 3)
        # Everything else goes: the lock, which must not wait for the guard, and this pipe's other end.
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        if not os.read(3, 4):
            _kill(group)
    finally:
        os._exit(0)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
