"""Start services, wait until they answer, and end every one of their processes.

Each service leads a session of its own, so that a terminal's Ctrl-C reaches only Onward, which then ends all members
of all sessions: some services fork workers that outlive a leader that is merely killed.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
import psutil

from onward.errors import ServiceError

_PATIENCE = 10.0
_PAUSE = 0.1


@dataclass(frozen=True)
class Service:
    """A long-running command.

    Attributes:
        name: for people.
        command: argument list; no shell sees it.
        environment: added to this process's.
        log: file for everything it prints.
        address: what answers once it is ready; None for a service without a page.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    address: str | None = None


@contextmanager
def running(services: Sequence[Service], folder: Path, patience: float) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start services, yield once all with an address answer, and end all of them, whatever happens.

    Args:
        services: what to start.
        folder: their working directory.
        patience: seconds until a service that does not answer counts as failed.

    Raises:
        ServiceError: a service ended, or does not answer in time.
    """
    started: list[subprocess.Popen[bytes]] = []
    # A polite end (SIGTERM) and a closed terminal (SIGHUP) stop the services as Ctrl-C does.
    with _handled(_interrupt, signal.SIGTERM, signal.SIGHUP):
        try:
            for service in services:
                started.append(_start(service, folder))  # noqa: PERF401 - one that fails must not lose the others
            deadline = time.monotonic() + patience
            for service in services:
                while service.address is not None and not _answers(service.address):
                    require_alive(services, started)
                    if time.monotonic() > deadline:
                        raise ServiceError(f"{service.name}: no answer in {patience:.0f} s; see {service.log}")
                    time.sleep(_PAUSE)
            # What answered may be somebody else, who took the port in the meantime: then the service has ended.
            require_alive(services, started)
            yield started
        finally:
            # Who is impatient presses Ctrl-C twice: the second one must not leave half of the services behind.
            with _handled(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                stop(started)


def require_alive(services: Sequence[Service], started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Check that every service still runs.

    Raises:
        ServiceError: one has ended.
    """
    for service, process in zip(services, started, strict=True):
        if process.poll() is not None:
            raise ServiceError(f"{service.name}: ended with status {process.returncode}; see {service.log}")


def stop(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """End every process of every session: politely, and after a while not."""
    for sign, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, _PATIENCE)):
        for process in started:
            for member in session_members(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            # poll() reaps the leader, which else would stay a member of its session as a zombie.
            ended = [process.poll() is not None and not session_members(process.pid) for process in started]
            if all(ended):
                return
            time.sleep(_PAUSE)


def session_members(leader: int) -> list[int]:
    """Live processes of a session; workers that left their leader's group are among them."""
    members = []
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def _start(service: Service, folder: Path) -> subprocess.Popen[bytes]:
    service.log.parent.mkdir(parents=True, exist_ok=True)
    with service.log.open("ab") as log:
        return subprocess.Popen(
            service.command,
            cwd=folder,
            env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _answers(address: str) -> bool:
    try:
        # Always on loopback, whatever proxy the environment names.
        httpx.get(address, timeout=2, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None] | signal.Handlers, *signs: int) -> Iterator[None]:
    """Let a handler have these signals, and give them back."""
    earlier = {sign: signal.signal(sign, handler) for sign in signs}
    try:
        yield
    finally:
        for sign, before in earlier.items():
            signal.signal(sign, before)
