"""What stands between the network and the answers: keys, limits, request ids, and one line a request."""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TextIO, TypeVar

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onward.errors import ServiceError
from onward.serving.replies import REQUEST_ID, error_body
from onward.serving.service_metrics import ServiceMetrics

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_LEAST_KEY = 16
_KEYS_CHECKED_EVERY = 1.0
_NEED_KEY = ("/v1/", "/metrics")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one request, and all at once, may take.

    Attributes:
        body_bytes: of a request.
        threads: that score at once.
        admitted: requests that are scored or wait for it; one more is refused.
        seconds: until an answer that needs scoring is given up.
    """

    body_bytes: int = 1 << 20
    threads: int = 2
    admitted: int = 64
    seconds: float = 10.0


class TooBusyError(ServiceError):
    """As many requests as may be are scored already."""


class TooSlowError(ServiceError):
    """An answer took longer than it may."""


class ScoringPool:
    """Threads that score, with a bound on who may wait for them; health and metrics never pass here."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="score")
        self._lock = threading.Lock()
        self.admitted = 0

    async def run(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call a function in the pool.

        Raises:
            TooBusyError: too many are admitted already.
            TooSlowError: it took too long; a call that has begun ends in its own time.
        """
        with self._lock:
            if self.admitted >= self._limits.admitted:
                raise TooBusyError(f"{self.admitted} requests are being scored; ask again in a second")
            self.admitted += 1
        try:
            future = self._threads.submit(function, *arguments, **named)
        except RuntimeError as error:
            self._release()
            raise TooSlowError("the service is shutting down; ask another one") from error
        future.add_done_callback(lambda _: self._release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limits.seconds)
        except TimeoutError as error:
            raise TooSlowError(f"no answer within {self._limits.seconds:g} s; ask for less at once") from error

    def close(self) -> None:
        """End the threads after what they are at."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        with self._lock:
            self.admitted -= 1


class Keys:
    """The keys that let in: one a line of a file, `#` begins a comment; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Read the keys.

        Raises:
            ServiceError: the file cannot be read or holds no key, or one is short.
        """
        self._path = path
        self._stamp = _stamp(path)
        self._digests = _read_keys(path)
        self._checked = time.monotonic()
        self.problem: str | None = None

    def admit(self, key: str | None) -> bool:
        """Whether a key is known; takes as long for any key."""
        self._renew()
        digest = hashlib.sha256((key or "").encode("utf-8", "replace")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches)

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._checked < _KEYS_CHECKED_EVERY:
            return
        self._checked = now
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp or self.problem:
                self._digests = _read_keys(self._path)
                self._stamp = stamp
            self.problem = None
        except ServiceError as error:
            # Half-way through an exchange of the file, the keys that were known stay so.
            self.problem = str(error)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise ServiceError(f"keys: {path} cannot be read ({error.strerror}); see ONWARD_API_KEYS") from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_keys(path: Path) -> tuple[bytes, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"keys: {path} cannot be read ({type(error).__name__}); see ONWARD_API_KEYS") from error
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    short = sum(len(key) < _LEAST_KEY for key in keys)
    if not keys or short:
        raise ServiceError(
            f"keys: {path} holds {len(keys)} keys, {short} of them shorter than {_LEAST_KEY} characters; "
            "write one a line, as `openssl rand -hex 24` makes them"
        )
    return tuple(hashlib.sha256(key.encode()).digest() for key in keys)


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class _Refusal:
    status: int
    code: str
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Gate:
    """The outermost layer: gives every request an id, refuses what may not pass, counts and logs what came of it."""

    def __init__(
        self, app: ASGIApp, limits: Limits, keys: Keys | None, metrics: ServiceMetrics, access: TextIO | None = None
    ) -> None:
        """Guard an app.

        Args:
            app: what is guarded.
            limits: of the body.
            keys: that let in; None lets in who asks this machine by its own name.
            metrics: what is counted.
            access: where the lines go; standard output if None.
        """
        self._app = app
        self._limits = limits
        self._keys = keys
        self._metrics = metrics
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = uuid.uuid4().hex
        scope[REQUEST_ID] = request_id
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                headers.append((b"x-content-type-options", b"nosniff"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            refusal = self._refused(scope)
            body = None if refusal else await self._body(scope, receive)
            if isinstance(body, _Refusal):
                refusal = body
            if refusal:
                await _refuse(refusal, request_id, tell)
            else:
                await self._app(scope, _replayed(body, receive) if isinstance(body, bytes) else receive, tell)
        except Exception:
            _log.exception("request %s failed", request_id)
            if status:
                raise
            mistake = _Refusal(500, "mistake", "a mistake of ours; its trace stands in the service's log")
            await _refuse(mistake, request_id, tell)
        finally:
            self._account(scope, request_id, status, time.perf_counter() - started)

    def _refused(self, scope: Scope) -> _Refusal | None:
        path = scope["path"]
        if not path.startswith(_NEED_KEY):
            return None
        headers = dict(scope["headers"])
        if self._keys is None:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if not is_loopback(name.strip("[]")):
                # A page of a stranger could have its own name point at this machine (DNS rebinding).
                return _Refusal(403, "foreign_host", "this service answers to localhost alone; give it keys for others")
            return None
        key = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if self._keys.admit(key.decode("latin-1")):
            return None
        return _Refusal(
            401, "no_key", "send a key as X-API-Key, or as Authorization: Bearer", ((b"www-authenticate", b"Bearer"),)
        )

    async def _body(self, scope: Scope, receive: Receive) -> bytes | _Refusal | None:
        """The whole body of a request that may have one."""
        if scope["method"] in {"GET", "HEAD"}:
            return None
        most = self._limits.body_bytes
        too_large = _Refusal(413, "body_too_large", f"a body may have {most} bytes; send less at once")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            return too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b""
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                return too_large
            if not message.get("more_body", False):
                return b"".join(parts)

    def _account(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        method = scope["method"] if scope["method"] in {"GET", "POST", "HEAD"} else "other"
        self._metrics.account(route, method, status, seconds)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id,
            "client": scope["client"][0] if scope.get("client") else None,
            "method": method,
            # Without the query, which holds what people type.
            "path": scope["path"].encode("utf-8", "replace").decode(),
            "route": route,
            "status": status,
            "ms": round(seconds * 1000.0, 3),
        }
        stream = self._access or sys.stdout
        try:
            stream.write(orjson.dumps(line).decode() + "\n")
            stream.flush()
        except (OSError, ValueError):
            # Who read the lines has gone; that is no reason to stop answering.
            self._metrics.access_lines_lost.inc()


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(refusal: _Refusal, request_id: str, send: Send) -> None:
    body = error_body(refusal.code, refusal.message, request_id)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *refusal.headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
