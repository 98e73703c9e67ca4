"""Where a savepoint reads before it writes, SQLite fails at once if somebody wrote in between; or it waits, if told."""

import subprocess
import sys

from onward.services.airflow_sqlite import SETTINGS

# A process of its own: the listener is for every engine of a process.
PROGRAM = """
import sys, threading
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError
{settings}

engine = create_engine("sqlite:///" + sys.argv[1], connect_args={{"timeout": float(sys.argv[2])}})

@event.listens_for(engine, "connect")
def as_airflow_does(connection, record):
    connection.execute("PRAGMA journal_mode=WAL")

def write(connection):
    connection.execute(text("INSERT INTO runs VALUES (1)"))

with engine.begin() as connection:
    connection.execute(text("CREATE TABLE runs (id INTEGER)"))

def somebody_else():
    with engine.begin() as connection:
        write(connection)

with engine.connect() as connection, connection.begin(), connection.begin_nested():
    connection.execute(text("SELECT count(*) FROM runs")).all()
    other = threading.Thread(target=somebody_else)
    other.start()
    other.join(0.5)
    write(connection)
other.join()
with engine.connect() as connection:
    print(connection.execute(text("SELECT count(*) FROM runs")).scalar())
"""


def run(folder, settings):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(settings=settings), str(folder / "airflow.db"), "60"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_savepoint_that_is_told_so_waits_and_both_writes_are_there(tmp_path):
    done = run(tmp_path, SETTINGS)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_without_it_sqlite_refuses_though_it_may_wait_a_minute(tmp_path):
    # If this no longer fails, airflow_sqlite.py can go.
    done = run(tmp_path, "")
    assert done.returncode != 0
    assert "database is locked" in done.stderr
