"""An append-only log of JSON lines: batched by one writer thread, on disk within a stated time, whole after a kill.

Below a folder lies one folder a day, and in it one file a process and part: `day=2026-11-23/101500-4711-0.jsonl`. A
writer holds a lock on its file, so that another process knows which files nobody writes to any more. A kill can cut the
last line of a file in two: readers leave out a line without an end, and the next process that starts cuts it off.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import orjson

from onward.errors import ArtifactError

_KEPT_BYTES = 64 << 20
_PART_BYTES = 256 << 20
_PAUSE = 0.05


class AppendLog:
    """A log that this process appends to.

    `append` only hands a line over. The writer thread writes what has gathered, forces it to disk, and waits for more;
    so a line is on disk at the latest `seconds` after it was handed over, plus the time of one write. What cannot be
    written (the disk is full) is kept in memory up to `kept_bytes` and tried again; beyond that it is lost and counted.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        *,
        part_bytes: int = _PART_BYTES,
        kept_bytes: int = _KEPT_BYTES,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Write below a folder, to disk at least every so many seconds.

        Args:
            folder: of the log; made when the first line comes.
            seconds: that a line may wait.
            part_bytes: at which a file ends and the next begins.
            kept_bytes: that may wait in memory while nothing can be written.
            clock: naive local time; says the day of a file.
        """
        self.folder = folder
        self._seconds = seconds
        self._part_bytes = part_bytes
        self._kept_bytes = kept_bytes
        self._clock = clock
        self._lines: list[bytes] = []
        self._waiting = threading.Condition()
        self._stopping = False
        self._flushing = False
        self._part: _Part | None = None
        self._parts = 0
        self._thread: threading.Thread | None = None
        self.pending_bytes = 0
        self.lost_lines = 0
        self.problem: str | None = None
        self.last_flush_seconds = 0.0

    def start(self) -> None:
        """Cut what an earlier process left half-written, and start the writer."""
        with contextlib.suppress(OSError):
            cut_torn_lines(self.folder)
        self._thread = threading.Thread(target=self._write_on, name=f"log {self.folder.name}", daemon=True)
        self._thread.start()

    def append(self, line: bytes) -> bool:
        """Hand over one line of JSON without its end, never waiting for the disk; whether there was room for it."""
        with self._waiting:
            if self.pending_bytes + len(line) > self._kept_bytes:
                self.lost_lines += 1
                return False
            self._lines.append(line)
            self.pending_bytes += len(line) + 1
            if len(self._lines) == 1:
                self._waiting.notify_all()
            return True

    def flush(self, patience: float) -> bool:
        """Wait until everything that was handed over is on disk; whether it came to that in so many seconds."""
        with self._waiting:
            self._flushing = True
            self._waiting.notify_all()
            return self._waiting.wait_for(lambda: self.pending_bytes == 0, patience)

    def close(self, patience: float = 10.0) -> None:
        """Write what is left and end the writer."""
        with self._waiting:
            self._stopping = True
            self._waiting.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def _write_on(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._lines or self._stopping)
                # The first line waits for company, unless somebody waits for it.
                self._waiting.wait_for(lambda: self._stopping or self._flushing, self._seconds)
                if self.problem and not self._stopping:
                    # A disk that fails is not asked without a pause, whoever waits.
                    self._waiting.wait_for(lambda: self._stopping, max(self._seconds, _PAUSE))
                lines = self._lines
                self._lines = []
                self._flushing = False
                stopping = self._stopping
            written = not lines or self._written(lines)
            with self._waiting:
                if written:
                    self.pending_bytes = sum(len(line) + 1 for line in self._lines)
                    self._waiting.notify_all()
                else:
                    self._lines = lines + self._lines
                if stopping and (not written or not self._lines):
                    self.lost_lines += len(self._lines)
                    break
        if self._part is not None:
            self._part.close()
            self._part = None

    def _written(self, lines: list[bytes]) -> bool:
        started = time.perf_counter()
        try:
            part = self._open_part()
            part.write(b"\n".join(lines) + b"\n")
        except OSError as error:
            self.problem = f"{self.folder}: {error.strerror}; {len(lines)} lines wait in memory"
            return False
        self.last_flush_seconds = time.perf_counter() - started
        self.problem = None
        return True

    def _open_part(self) -> "_Part":
        now = self._clock()
        part = self._part
        if part is not None and (part.day != now.date() or part.size >= self._part_bytes or part.broken):
            part.close()
            part = None
        if part is None:
            self._part = None
            part = _Part(self.folder, now, self._parts)
            self._part = part
            self._parts += 1
        return part


class _Part:
    """One file of the log, locked while it is written to."""

    def __init__(self, folder: Path, now: datetime, number: int) -> None:
        self.day = now.date()
        place = folder / f"day={self.day.isoformat()}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{now:%H%M%S%f}-{os.getpid()}-{number}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0
        self.broken = False
        _sync_folder(place)

    def write(self, content: bytes) -> None:
        """Append and force to disk; what was written of it is taken back if that fails.

        Raises:
            OSError: the disk is full, or gone.
        """
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError:
            # Truncating needs no space. If even that fails, nothing more may follow the torn line.
            try:
                os.ftruncate(self._file, self.size)
            except OSError:
                self.broken = True
            raise
        self.size += len(content)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._file)


def cut_torn_lines(folder: Path) -> list[Path]:
    """Cut off the last line of each file of a log that nobody writes to, where it has no end.

    Returns:
        The files that were cut.
    """
    cut = []
    for path in sorted(folder.glob("day=*/*.jsonl")):
        with path.open("r+b") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            size = stream.seek(0, os.SEEK_END)
            if not size or (stream.seek(size - 1), stream.read(1))[1] == b"\n":
                continue
            stream.truncate(_end_of_last_line(stream.fileno(), size))
            os.fsync(stream.fileno())
            cut.append(path)
    return cut


def read_lines(folder: Path, day: date | None = None) -> Iterator[dict[str, object]]:
    """Yield the objects of a log, of one day or of all, oldest file first; a line without an end is left out.

    Raises:
        ArtifactError: a line is not a JSON object.
    """
    for path in sorted(folder.glob(f"day={day.isoformat() if day else '*'}/*.jsonl")):
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    value = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise ArtifactError(f"{path}, line {number}: not JSON ({error}); remove that line") from error
                if not isinstance(value, dict):
                    raise ArtifactError(f"{path}, line {number}: not a JSON object; remove that line")
                yield value


def _end_of_last_line(file: int, size: int) -> int:
    """The place after the last end of a line."""
    end = size
    while end > 0:
        begin = max(0, end - (1 << 16))
        place = os.pread(file, end - begin, begin).rfind(b"\n")
        if place >= 0:
            return begin + place + 1
        end = begin
    return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
