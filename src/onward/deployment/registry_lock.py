"""One writer of the registry at a time, on one machine or on many.

Both locks end with their holder: the kernel drops a file's lock with the process, PostgreSQL drops a session's lock
with the connection. So a killed deploy blocks nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from onward.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Any number that no other program takes on the same database: the first bytes of "onward" in ASCII.
_KEY = 0x6F6E77617264
_PATIENCE_S = 600


def file_lock(path: Path) -> FileLock:
    """A lock on a file of this machine that no child process inherits; whoever takes it waits for another holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


@contextmanager
def advisory_lock(address: str, patience_s: int = _PATIENCE_S) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock of one session; waits for another holder, on whatever host.

    See postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS.

    Raises:
        RegistryError: the server does not answer, or another holder does not let go in `patience_s` seconds.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    with connection(address) as session:
        # A host that loses its network must not hold the lock until the kernel's default of two hours is over.
        for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
            session.execute(text(f"SET {setting}"))
        session.execute(text(f"SET lock_timeout = '{patience_s}s'"))
        try:
            session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _KEY})
        except OperationalError as error:
            raise RegistryError(
                f"registry: another process has been changing it for {patience_s} s; see pg_stat_activity"
            ) from error
        yield


@contextmanager
def connection(address: str) -> "Iterator[Connection]":
    """One connection of its own to a PostgreSQL database, each statement a transaction.

    Raises:
        RegistryError: the server does not answer, or refuses.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        address, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10}
    )
    try:
        session = engine.connect()
    except OperationalError as error:
        # Never the whole address: it may hold the password.
        place = make_url(address)
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise RegistryError(
            f"registry: {place.host}:{place.port or 5432}/{place.database}: {reason}; see ONWARD_REGISTRY"
        ) from error
    with session:
        yield session
