"""Validation: every row of a raw log is either kept, typed, or put into quarantine with one reason.

Rows are judged where they lie, in Arrow or in Parquet files, and none is copied: the database remembers the bad ones,
and what is kept is a view of the others.
"""

# ruff: noqa: S608 - SQL is put together from the contract's own names and numbers; outside names are quoted.

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from onward.data.contract import CONTRACT, ParquetFiles, RawTable, SourceLog, TableContract
from onward.data.rules import moment, reference_rules, row_rules, typed, whole_ids
from onward.data.session import arrow, literal, quoted, session
from onward.data.structure import refuse_broken_structure
from onward.errors import DataError

_NOT_OF_FILES = (duckdb.OutOfMemoryException, duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


@dataclass(frozen=True)
class TableCount:
    """Where the rows of one table went: rows_in = rows_kept + the sum of `quarantined`, by reason."""

    rows_in: int
    rows_kept: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True)
class ValidLog:
    """A log in which every row keeps the contract, and the rows that do not.

    Attributes:
        tables: typed tables (ids and text as text, numbers as float64, times as naive timestamps), in no order.
        quarantine: raw columns as text and `reason`, in the order in which the source yielded the rows.
        counts: where each table's rows went.
    """

    tables: Mapping[str, pa.Table]
    quarantine: Mapping[str, pa.Table]
    counts: Mapping[str, TableCount]


def validate(log: SourceLog, horizon: datetime, window: timedelta, threads: int) -> ValidLog:
    """Sort the rows of a log that fits in memory into kept and quarantined; see `judge`."""
    with session(threads) as connection:
        counts = judge(connection, log, horizon, window)
        tables = {contract.name: arrow(connection, _with_texts(contract)) for contract in CONTRACT}
        return ValidLog(tables, {name: arrow(connection, quarantine(log, name)) for name in counts}, counts)


def _with_texts(contract: TableContract) -> str:
    ids = [name for name, kind in contract.columns.items() if kind == "id"]
    return f"select * replace ({', '.join(f'cast({name} as varchar) as {name}' for name in ids)}) from {contract.name}"


def judge(
    connection: duckdb.DuckDBPyConnection, log: SourceLog, horizon: datetime, window: timedelta
) -> dict[str, TableCount]:
    """Sort the rows of a raw log into kept and quarantined.

    Of rows with the same key the earliest is kept and the others go into quarantine, so that a later event can never
    displace an earlier one. The kept rows of each table are a view of its name, typed (see `ValidLog`; but ids that are
    whole numbers everywhere stay what they are); the others are what `quarantine` asks for.

    Args:
        connection: an empty database, which needs the log's tables and files as long as it lives.
        log: what a source yielded.
        horizon: nothing may have happened at or after it.
        window: a conversion later than this after its impression is a fault.

    Returns:
        Where the rows of each table went.

    Raises:
        DataError: a table or a column is missing, superfluous, of the wrong type or empty, or a file is broken.
    """
    refuse_broken_structure(log.tables)
    whole = whole_ids({name: raw.schema for name, raw in log.tables.items()})
    counts = {}
    for contract in CONTRACT:
        raw = log.tables[contract.name]
        with _naming_files(contract.name, raw):
            _number_rows(connection, contract.name, raw)
            _judge(connection, contract, typed(contract, raw.schema, whole), raw.schema, horizon, window)
            _read_optional(connection, contract, raw.schema)
            counts[contract.name] = _count(connection, contract.name, raw.num_rows)
    return counts


def quarantine(log: SourceLog, table: str) -> str:
    """Ask for a table's rows that were not kept: raw columns as text and `reason`, in the order of the source."""
    texts = ", ".join(
        f"cast(r.{quoted(column)} as varchar) as {quoted(column)}" for column in log.tables[table].schema.names
    )
    return f"select {texts}, reason from raw_{table} r join bad_{table} using (_row) order by _row"


def refuse_excess(counts: Mapping[str, TableCount], max_share: float) -> None:
    """Stop when a table lost more than `max_share` of its rows to quarantine.

    Raises:
        DataError: names the first such table, in the contract's order: later tables may only have followed it.
    """
    for table, count in counts.items():
        bad = count.rows_in - count.rows_kept
        if bad > max_share * count.rows_in:
            reason = max(count.quarantined, key=lambda name: count.quarantined[name])
            raise DataError(
                f"{table}: {bad} of {count.rows_in} rows ({bad / count.rows_in:.1%}) break the contract, "
                f"mostly {reason!r} ({count.quarantined[reason]} rows), allowed are {max_share:.1%}; mend "
                f"the rows in artifacts/quarantine/{table}.parquet, or raise validation.max_quarantined_share"
            )


def _number_rows(connection: duckdb.DuckDBPyConnection, table: str, raw: RawTable) -> None:
    """Make view raw_<table>: the raw columns and `_row`, which ascends in the order of the source."""
    if isinstance(raw, ParquetFiles):
        columns = ", ".join(map(quoted, raw.schema.names))
        kept = f"where {raw.clock} is null or {raw.clock} < {moment(raw.end)}" if raw.clock else ""
        # No file has as many rows as lie between two of them.
        scans = (
            f"select {columns}, {number}::bigint << 40 | file_row_number as _row "
            f"from read_parquet({literal(path)}, file_row_number = true, hive_partitioning = false) {kept}"
            for number, path in enumerate(raw.paths)
        )
        connection.execute(f"create temp view raw_{table} as {' union all '.join(scans)}")
    else:
        place = pa.array(np.arange(raw.num_rows, dtype=np.int64))
        connection.register(f"raw_{table}", raw.append_column("_row", place))


def _judge(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    columns: Mapping[str, str],
    schema: pa.Schema,
    horizon: datetime,
    window: timedelta,
) -> None:
    """Make table bad_<name> (_row, reason) and the view of what is kept, with its columns."""
    name = contract.name
    casts = ", ".join(f"{expression} as {quoted(column)}" for column, expression in columns.items())
    joins, owed = reference_rules(name, window)
    own = row_rules(contract, schema, horizon)
    connection.execute(
        f"create temp table bad_{name} as select _row, coalesce(fault, {_first(owed)}) as reason "
        f"from (select {casts}, _row, {_first(own)} as fault from raw_{name}) t {joins} where reason is not null"
    )
    good = f"raw_{name} anti join bad_{name} using (_row)"
    _judge_copies(connection, contract, f"(select {casts}, _row from {good})")
    connection.execute(f"create temp view {name} as select {casts} from {good}")
    if name in ("products", "impressions"):
        clock = ", shown_at" if name == "impressions" else ""
        connection.execute(f"create temp table kept_{name} as select {contract.key[0]}{clock} from {name}")


def _judge_copies(connection: duckdb.DuckDBPyConnection, contract: TableContract, good: str) -> None:
    """Add all but the first row of each key to the bad ones."""
    name = contract.name
    key = ", ".join(contract.key)
    order = f"({contract.clock}, _row)" if contract.clock else "_row"
    needed = ", ".join(dict.fromkeys((*contract.key, contract.clock or "_row", "_row")))
    # Numbers are counted several times faster than keys of texts; who shares one may still have another key.
    connection.execute(
        f"""
        create or replace temp table suspects as
        select {needed} from {good} where hash({key}) in (
            select number from (select hash({key}) as number from {good}) group by number having count(*) > 1);

        insert into bad_{name} select s._row, {literal(_duplicate(contract))} from suspects s join (
            select {key}, arg_min(_row, {order}) as first from suspects group by {key} having count(*) > 1) d
        on s._row <> d.first and {" and ".join(f"s.{column} = d.{column}" for column in contract.key)};
        """
    )


def _read_optional(connection: duckdb.DuckDBPyConnection, contract: TableContract, schema: pa.Schema) -> None:
    """Read the columns at which no rule looked, so that a file is known to be whole."""
    optional = sorted(set(schema.names) - set(contract.columns))
    if optional:
        connection.execute(
            f"select {', '.join(f'count({quoted(column)})' for column in optional)} from {contract.name}"
        ).fetchall()


def _first(rules: Sequence[tuple[str, str]]) -> str:
    if not rules:
        return "null"
    return "case " + " ".join(f"when {condition} then {literal(reason)}" for reason, condition in rules) + " end"


def _duplicate(contract: TableContract) -> str:
    return f"{contract.key[0]} comes again" if len(contract.key) == 1 else "row comes again"


def _count(connection: duckdb.DuckDBPyConnection, table: str, rows_in: int) -> TableCount:
    kept = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
    reasons = connection.execute(f"select reason, count(*) from bad_{table} group by reason order by reason").fetchall()
    bad = sum(rows for _, rows in reasons)
    if rows_in != kept + bad:
        raise DataError(
            f"{table}: {rows_in} rows came in but {kept} were kept and {bad} quarantined; "
            "this is a defect of validation, please report it"
        )
    return TableCount(rows_in, kept, dict(reasons))


@contextmanager
def _naming_files(table: str, raw: RawTable) -> Iterator[None]:
    """Say which files could not be read to the end."""
    try:
        yield
    except duckdb.Error as error:
        # A broken page is of no class of its own.
        if not isinstance(raw, ParquetFiles) or isinstance(error, _NOT_OF_FILES):
            raise
        reason = " ".join(str(error).split())
        place = f"{raw.paths[0]}{' or a part' if len(raw.paths) > 1 else ''}"
        raise DataError(f"{table}: {place} is not readable as Parquet ({reason}); export it again") from error
