"""Faults that concern a whole table or column: they stop the run at once, because no row could be saved."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as pt

from onward.data.contract import CONTRACT, TABLES, Kind, RawTable, TableContract
from onward.errors import DataError

_WANTED: Mapping[Kind, str] = {
    "id": "text or whole numbers",
    "text": "text",
    "number": "numbers",
    "time": "timestamps without a time zone",
}


def refuse_broken_structure(tables: Mapping[str, RawTable]) -> None:
    """Check that the contract's tables are there, with the contract's columns and types, and not empty.

    Raises:
        DataError: the first fault found, in one line that names table, column and remedy.
    """
    missing = [name for name in TABLES if name not in tables]
    if missing:
        raise DataError(f"{missing[0]}: table missing; the source must yield {', '.join(TABLES)}")
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise DataError(f"{unknown[0]!r}: unknown table; the source may yield only {', '.join(TABLES)}")
    for contract in CONTRACT:
        _check_columns(contract, tables[contract.name].schema)
    for contract in CONTRACT:
        if tables[contract.name].num_rows == 0 and not contract.may_be_empty:
            raise DataError(f"{contract.name}: table has no rows; check that the source points at the whole log")


def holds_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds text, plain or dictionary-encoded."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds numbers."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def _check_columns(contract: TableContract, schema: pa.Schema) -> None:
    table = contract.name
    twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
    if twice:
        raise DataError(f"{table}.{twice[0]!r}: column comes {schema.names.count(twice[0])} times; keep one")
    missing = [name for name in contract.columns if name not in schema.names]
    if missing:
        raise DataError(f"{table}.{missing[0]}: column missing; a {table} table holds {', '.join(contract.columns)}")
    for name in schema.names:
        kind = schema.field(name).type
        if name in contract.columns:
            _check_type(f"{table}.{name}", contract.columns[name], kind)
        elif not contract.is_optional(name):
            remedy = f"drop it, or name it {contract.prefix}…" if contract.prefix else "drop it"
            raise DataError(f"{table}.{name!r}: column is not in the contract; {remedy}")
        elif not (holds_text(kind) or holds_numbers(kind)):
            raise DataError(f"{table}.{name!r}: holds {_one_line(kind)}, wanted numbers or text; cast it in the source")


def _check_type(column: str, expected: Kind, kind: pa.DataType) -> None:
    if expected == "time" and pt.is_timestamp(kind) and kind.tz is not None:
        raise DataError(f"{column}: timestamps in time zone {kind.tz}; convert them to the shop's naive local time")
    fits = {
        "id": holds_text(kind) or pt.is_integer(kind),
        "text": holds_text(kind),
        # Text that reads as a number or a timestamp is cast, row by row.
        "number": holds_numbers(kind) or holds_text(kind),
        "time": pt.is_timestamp(kind) or holds_text(kind),
    }
    if not fits[expected]:
        raise DataError(f"{column}: holds {_one_line(kind)}, wanted {_WANTED[expected]}; cast it in the source")


def _one_line(kind: pa.DataType) -> str:
    return " ".join(str(kind).split())
