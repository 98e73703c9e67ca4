"""One of the processes that train an encoder together, killed after its first epoch."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


@contextmanager
def killing_one_after_an_epoch() -> Iterator[list[int]]:
    """Kill one process of the block's training once an epoch is kept; yields a list that then holds its number."""
    killed: list[int] = []
    finished = threading.Event()

    def kill_one() -> None:
        while not (finished.is_set() or killed):
            for process, folder in _training():
                if (folder / "progress").is_file():
                    process.kill()
                    killed.append(process.pid)
                    break
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        yield killed
    finally:
        finished.set()
        killer.join()


def _training() -> Iterator[tuple[psutil.Process, Path]]:
    """The processes that train, each with the folder of its work."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            line = process.cmdline()
            if "onward-encoder-" in line[-1] and "torch.distributed.run" not in line:
                yield process, Path(line[-1])
