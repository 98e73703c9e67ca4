"""One way to open DuckDB: in memory, with a fixed number of threads and without reaching for the network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa


@contextmanager
def session(threads: int, tables: Mapping[str, pa.Table] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that lives as long as the block; `tables` are visible in it under their names.

    Rows come in no particular order unless a query says ORDER BY, so every result that leaves the block says it.
    """
    settings = {
        "threads": threads,
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
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
