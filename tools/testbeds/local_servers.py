"""A PostgreSQL and a Redis of one's own on loopback, in a folder of their own, ended with the block that started them.

Both come from Debian: `apt-get install postgresql-15 redis-server`.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from onward.errors import ServiceError
from onward.services.local import HOST, free_port

_INSTALL = "on Debian: apt-get install postgresql-15 redis-server"
_PATIENCE = 60.0
_PROGRAMS = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server: user `onward`, a password made for this start."""

    port: int
    password: str

    def address(self, database: str, driver: str = "postgresql") -> str:
        """A database's address as SQLAlchemy writes it."""
        return f"{driver}://onward:{self.password}@{HOST}:{self.port}/{database}"

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Make a fresh PostgreSQL cluster, serve it on a free port of loopback, and remove it.

    PostgreSQL refuses to run as root, so root hands its folder and its processes to the user `postgres`.

    Raises:
        ServiceError: it is not installed, or does not start; the message says how to install it.
    """
    initdb, server = _program("initdb"), _program("postgres")
    # Not in another temporary folder: that one is closed to every user but its maker.
    folder = Path(tempfile.mkdtemp(prefix="onward-postgres-"))
    try:
        password, port = secrets.token_urlsafe(16), free_port(0)
        secret = folder / "password"
        secret.write_text(password, encoding="utf-8")
        log = folder / "server.log"
        if os.geteuid() == 0:
            shutil.chown(folder, _account())
            shutil.chown(secret, _account())
        made = [*_lesser_user(), initdb, "-D", str(folder / "data"), "-U", "onward", "-A", "scram-sha-256",
                "--pwfile", str(secret), "-E", "UTF8", "--locale=C", "--no-sync"]  # fmt: skip
        done = subprocess.run(made, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServiceError(f"initdb ended with status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        # Nothing here outlives the block, so nothing need survive a power cut.
        settings = ("fsync=off", "synchronous_commit=off", f"listen_addresses={HOST}", f"port={port}",
                    f"unix_socket_directories={folder}", "max_connections=200")  # fmt: skip
        command = [*_lesser_user(), server, "-D", str(folder / "data"), *(f"--{each}" for each in settings)]
        running = Postgres(port, password)
        # SIGQUIT is PostgreSQL's immediate shutdown: its data go the same moment, so it need not write them first.
        with _serving(command, folder, log, lambda: _connects(running), signal.SIGQUIT):
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Serve a Redis that keeps nothing on disk on a free port of loopback; yields its address.

    Raises:
        ServiceError: it is not installed, or does not start.
    """
    port, password = free_port(0), secrets.token_urlsafe(16)
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "redis.conf"
    # In a file, not on the command line, where every user of the machine could read the password.
    settings.write_text(f'bind {HOST}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n', encoding="utf-8")
    address = f"redis://:{password}@{HOST}:{port}/0"
    command = [_program("redis-server"), str(settings)]
    with _serving(command, folder, folder / "redis.log", lambda: _pings(address), signal.SIGTERM):
        yield address


def require_programs() -> None:
    """Check that both servers are installed.

    Raises:
        ServiceError: one is not; the message says how to install it.
    """
    for name in ("initdb", "postgres", "redis-server"):
        _program(name)
    if os.geteuid() == 0:
        _account()


def unwind_on_signals() -> None:
    """Let SIGTERM and SIGINT raise KeyboardInterrupt, so that every `with` block ends what it has started."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.default_int_handler)


@contextmanager
def _serving(
    command: Sequence[str], folder: Path, log: Path, ready: Callable[[], bool], polite: signal.Signals
) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                raise ServiceError(f"{Path(command[0]).name} does not answer on {HOST}: {last}; {_INSTALL}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(polite)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name: str) -> str:
    # Debian keeps PostgreSQL's server programs off the PATH, one folder a version.
    folders = sorted(_PROGRAMS.glob("*/bin"), reverse=True)
    places = os.pathsep.join([os.environ["PATH"], *map(str, folders)])
    found = shutil.which(name, path=places)
    if found is None:
        raise ServiceError(f"{name} is not installed; {_INSTALL}")
    return found


def _account() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise ServiceError(f"PostgreSQL refuses root and there is no user postgres; {_INSTALL}") from None


def _lesser_user() -> list[str]:
    return ["setpriv", f"--reuid={_account()}", f"--regid={_account()}", "--clear-groups"] if os.geteuid() == 0 else []


def _connects(server: Postgres) -> bool:
    try:
        psycopg.connect(server.address("postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _pings(address: str) -> bool:
    with redis.Redis.from_url(address, socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
