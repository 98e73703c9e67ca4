"""Let Airflow make backfills in SQLite while its scheduler is at work.

A savepoint opens a transaction that only reads, and turns it into one that writes at its first INSERT. If another
process has committed in between, SQLite refuses that at once ("database is locked"), however long it may wait for
locks: https://sqlite.org/isolation.html. Airflow makes a backfill's runs in savepoints, so a busy scheduler makes it
fail half made: https://github.com/apache/airflow/issues/66726. A lock asked for before the first read is waited for.

`onward airflow` has Airflow import this by its own hook for local settings (SETTINGS_FILE):
https://airflow.apache.org/docs/apache-airflow/stable/howto/set-config.html
"""

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

# Below AIRFLOW_HOME.
SETTINGS_FILE = "config/airflow_local_settings.py"
SETTINGS = '''"""Written by `onward airflow`."""

from onward.services.airflow_sqlite import write_from_the_start

write_from_the_start()
'''


def write_from_the_start() -> None:
    """Let every savepoint of this process that opens a transaction of SQLite open one that may write."""
    if not event.contains(Engine, "savepoint", _begin):
        event.listen(Engine, "savepoint", _begin)


def _begin(connection: Connection, name: str) -> None:  # noqa: ARG001 - SQLAlchemy passes both
    driver = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and driver is not None and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
