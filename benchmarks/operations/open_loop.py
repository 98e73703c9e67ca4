"""Requests at a fixed rate, whether or not earlier ones were answered, over connections that stay open.

Latency counts from the moment a request was due, not from when it was sent: a service that stalls cannot hide it by
holding up who asks (coordinated omission). One process and one thread, on asyncio's bare transports, since the
generator shares the machine with what it measures.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

_CONNECTIONS = 128
_LAST_ANSWERS_SECONDS = 15.0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Request:
    """One request and what became of it.

    Attributes:
        kind: of question, for statistics.
        question: what `on_reply` knows it by.
        raw: bytes of head and body.
        due: when it is to be sent, seconds of time.perf_counter.
    """

    kind: str
    question: int
    raw: bytes
    due: float = 0.0


@dataclass
class LoadReport:
    """What came of a load.

    Attributes:
        latencies: seconds from due to answered, by kind.
        errors: one line a request that was not answered with a good status.
        sent: requests.
        late: the longest that the generator itself sent a request after it was due, seconds.
    """

    latencies: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sent: int = 0
    late: float = 0.0


OnReply = Callable[[Request, bytes, float], None]


class _Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._received = bytearray()
        self._needed = -1
        self._body_at = 0
        self.request: Request | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: Request) -> None:
        self.request = request
        if self.transport is not None:
            self.transport.write(request.raw)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._needed < 0:
            end = self._received.find(_END_OF_HEAD)
            if end < 0:
                return
            head = bytes(self._received[:end]).lower() + b"\r\n"
            place = head.index(_LENGTH) + len(_LENGTH)
            self._body_at = end + len(_END_OF_HEAD)
            self._needed = self._body_at + int(head[place : head.index(b"\r", place)])
        if len(self._received) >= self._needed:
            status, body = int(self._received[9:12]), bytes(self._received[self._body_at : self._needed])
            del self._received[: self._needed]
            self._needed = -1
            self._load.answered(self, status, body)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(self, error)


class _Load:
    def __init__(self, on_reply: OnReply) -> None:
        self.report = LoadReport()
        self.stopped = False
        self.connections = _CONNECTIONS
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[Request] = deque()
        self._on_reply = on_reply

    def ask(self, request: Request) -> None:
        self.report.sent += 1
        if self.idle:
            # In turn, so that none is idle for as long as a server may close it.
            self.idle.popleft().send(request)
        else:
            self.waiting.append(request)

    def answered(self, connection: _Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        request = connection.request
        if request is None:
            return
        connection.request = None
        self.report.latencies.setdefault(request.kind, []).append(now - request.due)
        if status >= 300:
            self.report.errors.append(f"{request.kind}: {status} {body[:200]!r}")
        else:
            self._on_reply(request, body, now)
        if self.waiting:
            connection.send(self.waiting.popleft())
        else:
            self.idle.append(connection)

    def lost(self, connection: _Connection, error: Exception | None) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.request is not None:
            self.report.errors.append(f"{connection.request.kind}: connection lost ({error})")
            connection.request = None
            self.stopped = True
        self.connections -= 1
        # What no connection is left for would wait for ever.
        self.stopped = self.stopped or self.connections == 0


async def _run(
    host: str, port: int, requests: Iterator[Request], rate: float, seconds: float, on_reply: OnReply,
    until: Callable[[], bool],
) -> LoadReport:  # fmt: skip
    loop = asyncio.get_running_loop()
    load = _Load(on_reply)
    for _ in range(_CONNECTIONS):
        _, connection = await loop.create_connection(lambda: _Connection(load), host, port)
        load.idle.append(connection)
    begun = time.perf_counter()
    while not load.stopped and not until():
        due = begun + load.report.sent / rate
        if due - begun >= seconds:
            break
        early = due - time.perf_counter()
        if early > 0:
            await asyncio.sleep(early)
            continue
        request = next(requests)
        request.due = due
        load.report.late = max(load.report.late, -early)
        load.ask(request)
        if load.report.sent % 16 == 0:
            # Even when behind, answers are read.
            await asyncio.sleep(0)
    deadline = time.perf_counter() + _LAST_ANSWERS_SECONDS
    while not load.stopped and len(load.idle) < load.connections and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    unanswered = load.connections - len(load.idle) + len(load.waiting)
    if unanswered and not load.stopped:
        load.report.errors.append(f"{unanswered} requests: no answer in {_LAST_ANSWERS_SECONDS:.0f} s")
    for connection in list(load.idle):
        load.idle.remove(connection)
        if connection.transport is not None:
            connection.transport.abort()
    return load.report


def open_loop(
    address: tuple[str, int],
    requests: Iterator[Request],
    rate: float,
    seconds: float,
    on_reply: OnReply,
    until: Callable[[], bool] = lambda: False,
) -> LoadReport:
    """Send requests at a rate for so many seconds, or until a connection is lost.

    Args:
        address: host and port.
        requests: endless; `due` is set here.
        rate: requests a second.
        seconds: that are sent for; answers are waited for a while longer.
        on_reply: told request, body and time of each good answer.
        until: asked again and again; True ends it early.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(*address, requests, rate, seconds, on_reply, until))
