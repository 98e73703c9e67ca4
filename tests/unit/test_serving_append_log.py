"""The log: what was handed over is on disk soon, whole, and stays so whatever ends the process."""

import errno
import fcntl
import os
import threading
from datetime import date, datetime

import orjson
import pytest

from onward.errors import ArtifactError
from onward.serving import append_log
from onward.serving.append_log import AppendLog, cut_torn_lines, read_lines


def numbers(folder, day=None):
    return [line["n"] for line in read_lines(folder, day)]


def fill(log, count, first=0):
    for number in range(first, first + count):
        log.append(orjson.dumps({"n": number}))


@pytest.fixture
def started():
    logs = []

    def start(folder, seconds=0.01, **settings):
        log = AppendLog(folder, seconds, **settings)
        log.start()
        logs.append(log)
        return log

    yield start
    for log in logs:
        log.close()


def test_lines_come_in_order_from_many_threads_and_closing_writes_the_rest(tmp_path, started):
    log = started(tmp_path, 60.0)
    writers = [threading.Thread(target=fill, args=(log, 100, 100 * place)) for place in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    log.close()
    written = numbers(tmp_path)
    assert sorted(written) == list(range(400))
    for place in range(4):
        mine = [number for number in written if number // 100 == place]
        assert mine == sorted(mine)


def test_a_line_is_forced_to_disk_within_the_time_and_one_write_takes_many(tmp_path, started, monkeypatch):
    synced = threading.Event()
    calls = []
    sync = os.fsync
    monkeypatch.setattr(append_log.os, "fsync", lambda file: (sync(file), calls.append(file), synced.set()))
    log = started(tmp_path, 0.05)
    fill(log, 1000)
    assert synced.wait(10)
    assert log.flush(10)
    assert numbers(tmp_path) == list(range(1000))
    assert len(calls) < 100


def test_a_file_ends_at_its_size_and_at_midnight(tmp_path, started):
    now = [datetime(2026, 11, 23, 23, 59)]
    log = started(tmp_path, 0.0, part_bytes=20, clock=lambda: now[0])
    for number in range(4):
        fill(log, 1, number)
        assert log.flush(10)
    now[0] = datetime(2026, 11, 24, 0, 1)
    fill(log, 1, 4)
    assert log.flush(10)
    assert len(list(tmp_path.glob("day=2026-11-23/*.jsonl"))) == 2
    assert numbers(tmp_path, date(2026, 11, 24)) == [4]
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]


def test_a_torn_last_line_is_left_out_and_cut_at_the_next_start(tmp_path, started):
    log = started(tmp_path)
    fill(log, 3)
    log.close()
    (path,) = tmp_path.glob("*/*.jsonl")
    whole = path.read_bytes()
    for torn in (b'{"n": 3', b'{"n": 3}', b"x" * 200_000):
        path.write_bytes(whole + torn)
        assert numbers(tmp_path) == [0, 1, 2]
        started(tmp_path)
        assert path.read_bytes() == whole
    path.write_bytes(b"half")
    assert cut_torn_lines(tmp_path) == [path]
    assert path.read_bytes() == b""


def test_a_file_that_another_process_writes_to_is_left_alone(tmp_path):
    path = tmp_path / "day=2026-11-23" / "1.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'{"n": 0}\n{"n"')
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cut_torn_lines(tmp_path) == []
    assert cut_torn_lines(tmp_path) == [path]


def test_on_a_full_disk_lines_wait_and_are_written_whole_when_there_is_room(tmp_path, started, monkeypatch):
    log = started(tmp_path, 0.01)
    fill(log, 1)
    assert log.flush(10)
    write = os.write
    tried = threading.Event()
    full, torn = [True], [False]

    def half(file, content):
        if not full[0]:
            return write(file, content)
        torn[0] = not torn[0]
        if torn[0]:
            # Half of the first line: a reader who comes before it is taken back sees no line of it.
            return write(file, content[:4])
        tried.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(append_log.os, "write", half)
    fill(log, 2, 1)
    fill(log, 1, 3)
    assert tried.wait(10)
    assert not log.flush(0.05)
    assert "No space left" in log.problem
    assert numbers(tmp_path) == [0]
    full[0] = False
    assert log.flush(10)
    assert log.problem is None
    assert numbers(tmp_path) == [0, 1, 2, 3]


def test_what_memory_cannot_hold_is_lost_and_counted(tmp_path, monkeypatch):
    log = AppendLog(tmp_path, 60.0, kept_bytes=100)
    fill(log, 50)
    assert log.lost_lines > 0
    log.start()
    log.close()
    assert len(numbers(tmp_path)) == 50 - log.lost_lines


def test_a_line_that_is_no_object_is_refused_by_its_place(tmp_path):
    (tmp_path / "day=2026-11-23").mkdir()
    (tmp_path / "day=2026-11-23" / "1.jsonl").write_bytes(b'{"n": 0}\n[1]\n')
    with pytest.raises(ArtifactError, match=r"1.jsonl, line 2: not a JSON object"):
        numbers(tmp_path)
