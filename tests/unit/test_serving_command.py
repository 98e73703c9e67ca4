"""`onward serve` as a process: where it listens, what a SIGKILL under load leaves, and how it ends politely."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import httpx
import pytest

from builders.served_app import make_registry
from onward.services.local import free_port
from onward.serving.append_log import cut_torn_lines
from onward.serving.decision_log import read_decisions

# Starts the service again and again.
pytestmark = pytest.mark.slow

BOUND_SECONDS = 1.0


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    registry = make_registry(tmp_path_factory.mktemp("registry"), 1)
    registry.champion()
    return registry


@contextmanager
def serving(registry, folder) -> Iterator[tuple[subprocess.Popen, str]]:
    """A ready server, killed at the end if it still runs."""
    port = free_port(0)
    environ = {**os.environ, "ONWARD_REGISTRY": registry.address, "ONWARD_SERVED": str(folder / "served")}
    command = [sys.executable, "-c", "from onward.cli import main; main()", "serve", "--port", str(port)]
    with (folder / "access").open("ab") as access, (folder / "errors").open("ab") as errors:
        process = subprocess.Popen(command, env=environ, stdout=access, stderr=errors)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while not is_ready(address):
            assert process.poll() is None, (folder / "errors").read_text()
            assert time.monotonic() < deadline
        yield process, address
    finally:
        process.kill()
        process.wait()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=30).status_code == 200
    except httpx.TransportError:
        threading.Event().wait(0.1)
        return False


def logged_requests(folder) -> list[str]:
    return [row["request_id"] for row in read_decisions(folder / "served" / "decisions", date.today())]


def test_what_was_acknowledged_longer_ago_than_the_bound_survives_a_kill_and_no_line_is_torn(registry, tmp_path):
    acknowledged: dict[str, float] = {}
    stop = threading.Event()

    def load(address: str) -> None:
        with httpx.Client(base_url=address) as client:
            while not stop.is_set():
                try:
                    reply = client.get("/v1/related/p2")
                except httpx.TransportError:
                    return
                acknowledged[reply.headers["x-request-id"]] = time.monotonic()

    with serving(registry, tmp_path) as (process, address):
        clients = [threading.Thread(target=load, args=(address,)) for _ in range(2)]
        for client in clients:
            client.start()
        assert not stop.wait(2.0)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.wait()
        stop.set()
        for client in clients:
            client.join()
    folder = tmp_path / "served" / "decisions"
    (path,) = folder.glob("*/*.jsonl")
    with path.open("ab") as stream:
        # As a kill in the middle of a write would leave it.
        stream.write(b'{"request_id":"torn')
    assert cut_torn_lines(folder) == [path]
    written = [json.loads(line)["request_id"] for line in path.read_text().splitlines()]
    old = {request for request, at in acknowledged.items() if at <= killed - BOUND_SECONDS}
    assert len(old) > 10
    assert old - set(written) == set()
    assert len(written) == len(set(written))


def test_it_listens_on_loopback_alone_and_ends_politely_with_everything_written(registry, tmp_path):
    with serving(registry, tmp_path) as (process, address):
        port = int(address.rpartition(":")[2])
        listening = subprocess.run(["cat", f"/proc/{process.pid}/net/tcp"], capture_output=True, text=True, check=True)
        (own,) = [line.split()[1] for line in listening.stdout.splitlines() if f":{port:04X} 00000000:0000 0A" in line]
        assert own.startswith("0100007F:")
        last = httpx.get(f"{address}/v1/related/p2").json()["request_id"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    assert last in logged_requests(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "access").read_text().splitlines()]
    assert last in {line["request_id"] for line in lines}
    assert (tmp_path / "errors").read_text().strip() == f"{address}/"
