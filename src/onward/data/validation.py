"""Validation: every row of a raw log is either kept, typed, or put into quarantine with one reason."""

# ruff: noqa: S608 - SQL is put together from the contract's own names and numbers; outside names are quoted.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from onward.data.contract import CONTRACT, RawLog, TableContract
from onward.data.rules import reference_rules, row_rules, typed
from onward.data.session import arrow, literal, quoted, session
from onward.data.structure import refuse_broken_structure
from onward.errors import DataError


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


def validate(log: RawLog, horizon: datetime, window: timedelta, threads: int) -> ValidLog:
    """Sort the rows of a raw log into kept and quarantined.

    Of rows with the same key the earliest is kept and the others go into quarantine, so that a later event can never
    displace an earlier one.

    Args:
        log: what a source yielded.
        horizon: nothing may have happened at or after it.
        window: a conversion later than this after its impression is a fault.
        threads: DuckDB's threads.

    Raises:
        DataError: a table or a column is missing, superfluous, of the wrong type or empty.
    """
    refuse_broken_structure(log.tables)
    tables = {}
    quarantine = {}
    counts = {}
    with session(threads) as connection:
        for contract in CONTRACT:
            raw = log.tables[contract.name]
            _judge(connection, contract, raw, horizon, window)
            kept, bad = tables[contract.name], quarantine[contract.name] = _divide(connection, contract, raw)
            counts[contract.name] = _count(contract.name, raw.num_rows, kept.num_rows, bad)
    return ValidLog(tables, quarantine, counts)


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


def _judge(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, raw: pa.Table, horizon: datetime, window: timedelta
) -> None:
    """Make table judged_<name>: typed columns, the row's place in the source, and the reason against it or NULL."""
    name = contract.name
    numbered = raw.append_column("_row", pa.array(np.arange(raw.num_rows, dtype=np.int64)))
    connection.register("raw", numbered)
    columns = typed(contract, raw.schema)
    casts = ", ".join(f"{expression} as {quoted(column)}" for column, expression in columns.items())
    joins, owed = reference_rules(name, window)
    own = row_rules(contract, raw.schema, horizon)
    connection.execute(
        f"create or replace temp table judged as select t.* exclude (fault), coalesce(fault, {_first(owed)}) as reason "
        f"from (select {casts}, _row, {_first(own)} as fault from raw) t {joins}"
    )
    key = ", ".join(contract.key)
    order = f"({contract.clock}, _row)" if contract.clock else "_row"
    # Which of a key's rows is first is asked only where there are several: that costs more than to count them.
    connection.execute(
        f"""update judged set reason = {literal(_duplicate(contract))} from (
            select {key}, arg_min(_row, {order}) as first from judged semi join (
                select {key} from judged where reason is null group by {key} having count(*) > 1) using ({key})
            where reason is null group by {key}) d
        where judged.reason is null and judged._row <> d.first
        and {" and ".join(f"judged.{column} = d.{column}" for column in contract.key)}"""
    )
    if name in ("products", "impressions"):
        clock = ", shown_at" if name == "impressions" else ""
        connection.execute(
            f"create temp table kept_{name} as select {contract.key[0]}{clock} from judged where reason is null"
        )


def _first(rules: Sequence[tuple[str, str]]) -> str:
    if not rules:
        return "null"
    return "case " + " ".join(f"when {condition} then {literal(reason)}" for reason, condition in rules) + " end"


def _duplicate(contract: TableContract) -> str:
    return f"{contract.key[0]} comes again" if len(contract.key) == 1 else "row comes again"


def _divide(connection: duckdb.DuckDBPyConnection, contract: TableContract, raw: pa.Table) -> tuple[pa.Table, pa.Table]:
    columns = ", ".join(quoted(column) for column in typed(contract, raw.schema))
    kept = arrow(connection, f"select {columns} from judged where reason is null")
    texts = ", ".join(f"cast(raw.{quoted(column)} as varchar) as {quoted(column)}" for column in raw.schema.names)
    bad = arrow(
        connection,
        f"select {texts}, reason from raw join judged using (_row) where reason is not null order by _row",
    )
    return kept, bad


def _count(table: str, rows_in: int, rows_kept: int, bad: pa.Table) -> TableCount:
    if rows_in != rows_kept + bad.num_rows:
        raise DataError(
            f"{table}: {rows_in} rows came in but {rows_kept} were kept and {bad.num_rows} quarantined; "
            "this is a defect of validation, please report it"
        )
    reasons = bad.column("reason").value_counts().to_pylist()
    return TableCount(rows_in, rows_kept, {entry["values"]: entry["counts"] for entry in sorted(reasons, key=str)})
