"""One way to open DuckDB: in memory, with a fixed number of threads and without reaching for the network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

MEMORY = "4GB"
"""What a database that may spill holds at most."""


@contextmanager
def session(
    threads: int, tables: Mapping[str, pa.Table] | None = None, spill: Path | None = None, memory: str = MEMORY
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that lives as long as the block; `tables` are visible in it under their names.

    Rows come in no particular order unless a query says ORDER BY, so every result that leaves the block says it.

    Args:
        threads: DuckDB's threads.
        tables: by name.
        spill: a folder for what does not fit into `memory`; None: all of it has to fit into the machine's.
        memory: that a database with such a folder may take.
    """
    settings: dict[str, str | int] = {
        "threads": threads,
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if spill is not None:
        settings |= {"memory_limit": memory, "temp_directory": str(spill)}
    connection = duckdb.connect(config=settings)
    try:
        connection.execute("set TimeZone = 'UTC'")
        for name, table in (tables or {}).items():
            connection.register(name, table)
        yield connection
    finally:
        connection.close()


def arrow(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """Run a query and take its rows out as Arrow."""
    return connection.sql(query).to_arrow_table()


def batches(connection: duckdb.DuckDBPyConnection, query: str, rows: int) -> pa.RecordBatchReader:
    """Run a query and take its rows out as they come, so many at once, as Arrow."""
    return connection.sql(query).to_arrow_reader(rows)


def quoted(name: str) -> str:
    """Quote an identifier for SQL.

    >>> quoted('context_"x')
    '"context_""x"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text value for SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
