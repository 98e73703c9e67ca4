"""A database as one file, and back: PostgreSQL by its own pg_dump and pg_restore, SQLite by its own copy."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from onward.artifacts import replacing
from onward.errors import RunError

_REMEDY = "on Debian: apt-get install postgresql-client, of the server's version or a later one"
_USER_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"


def dump(name: str, address: str, path: Path, patience_s: float) -> None:
    """Write a database, as it is at one moment, into a file.

    Args:
        name: what it is, for messages.
        address: in SQLAlchemy's form.
        path: new.
        patience_s: seconds that it may take.

    Raises:
        RunError: it cannot be read.
    """
    place = make_url(address)
    if place.get_backend_name() == "sqlite":
        source = _file_of(place)
        if not source.is_file():
            raise RunError(f"backup: {name}: {source} is missing, so there is nothing to keep; run the pipeline first")
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(path)) as new,
        ):
            read.backup(new)
        return
    _run(name, place, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"], patience_s)


def is_empty(name: str, address: str, patience_s: float) -> bool:
    """Whether a database holds no table; a SQLite file that is not there holds none.

    Raises:
        RunError: the server does not answer, or there is no such database.
    """
    place = make_url(address)
    if place.get_backend_name() == "sqlite":
        return not _file_of(place).exists()
    return _run(name, place, ["psql", "--no-psqlrc", "-qAt", f"--command={_USER_TABLES}"], patience_s).strip() == "0"


def load(name: str, address: str, path: Path, patience_s: float) -> None:
    """Make an empty database of a file, all of it or nothing.

    Raises:
        RunError: it is not empty, or the file is none of its kind.
    """
    place = make_url(address)
    if not is_empty(name, address, patience_s):
        raise RunError(f"restore: {name}: the database is not empty; drop it, make it anew, and run this again")
    if place.get_backend_name() == "sqlite":
        target = _file_of(place)
        with replacing(target) as partial:
            shutil.copyfile(path, partial)
        return
    command = ["pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(path)]
    _run(name, place, command, patience_s)


def _file_of(place: URL) -> Path:
    return Path(str(place.database))


def _run(name: str, place: URL, command: list[str], patience_s: float) -> str:
    if place.get_backend_name() != "postgresql":
        raise RunError(
            f"{name}: {place.get_backend_name()} is no database that a backup knows; use PostgreSQL or SQLite"
        )
    reached = [f"--host={place.host}", f"--port={place.port or 5432}", f"--dbname={place.database}"]
    # By the environment: on a command line every user of the machine could read the password.
    known = {
        **os.environ,
        "PGUSER": place.username or "",
        "PGPASSWORD": place.password or "",
        "PGCONNECT_TIMEOUT": "10",
    }
    try:
        done = subprocess.run(
            [command[0], *reached, *command[1:]], env=known, capture_output=True, text=True, check=False,
            timeout=patience_s,
        )  # fmt: skip
    except FileNotFoundError:
        raise RunError(f"{name}: {command[0]} is not installed; {_REMEDY}") from None
    except subprocess.TimeoutExpired:
        raise RunError(
            f"{name}: {command[0]} did not end in {patience_s:g} s; ONWARD_REMOTE_SECONDS gives it longer"
        ) from None
    if done.returncode != 0:
        told = next((line for line in done.stderr.splitlines() if "error" in line.lower() or "fatal" in line.lower()),
                    done.stderr.strip() or f"status {done.returncode}")  # fmt: skip
        remedy = _REMEDY if "server version mismatch" in done.stderr else "does the server answer, to this user?"
        raise RunError(f"{name}: {told.strip()}; {remedy}")
    return done.stdout
