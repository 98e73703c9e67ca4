"""A shop's own log: a folder that holds one Parquet file per table of the contract, and parts beside it.

`impressions.parquet` is the table; what lies in a folder `impressions` are further rows of it, such as the parts that
`onward feedback` writes. A file `complete_through`, where there is one, names the last whole day.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from onward.data.contract import CONTRACT, ParquetFiles, RawLog, RawTable, SourceLog, TableContract
from onward.errors import DataError

MARKER = "complete_through"
"""A text file in the folder: the last day of which the log holds everything, such as 2017-11-20."""


_GLOB = frozenset("*?[{\\")


def read_log(*, folder: Path, end: datetime) -> RawLog:
    """Read `<table>.parquet` for every table of the contract.

    A log goes on growing after a run's horizon. Rows at or after `end` are left out and counted in the notes, so
    that a run for a past as_of can be repeated on today's folder.

    Args:
        folder: where the files lie.
        end: first moment that is not read.

    Raises:
        DataError: the folder or a file is missing, or a file is not Parquet.
    """
    _refuse_missing(folder)
    tables = {contract.name: _read_before(folder, contract, end) for contract in CONTRACT}
    return RawLog({name: table for name, (table, _) in tables.items()}, _notes(folder, tables))


def find_log(*, folder: Path, end: datetime) -> SourceLog:
    """As `read_log`, but tables are left in their files where DuckDB reads these as Arrow does.

    Arrow reads rare types, and parts of another schema than the table's.
    """
    _refuse_missing(folder)
    tables = {contract.name: _find_before(folder, contract, end) for contract in CONTRACT}
    return SourceLog({name: table for name, (table, _) in tables.items()}, _notes(folder, tables))


def _refuse_missing(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(f"source parquet: no folder {folder}; set sources.parquet.folder to where the log lies")


def _notes(folder: Path, tables: Mapping[str, tuple[RawTable, int]]) -> dict[str, Any]:
    return {"folder": str(folder), "rows_at_or_after_horizon": {name: later for name, (_, later) in tables.items()}}


def _read_before(folder: Path, contract: TableContract, end: datetime) -> tuple[pa.Table, int]:
    """Rows before `end`, and the number of others."""
    table = read_whole(folder, contract)
    kept = rows_before(table, contract.clock, end)
    return kept, table.num_rows - kept.num_rows


def part_paths(folder: Path, table: str) -> list[Path]:
    """Files with further rows of a table."""
    return sorted((folder / table).glob("*.parquet"))


def marked_day(folder: Path) -> date | None:
    """The last whole day that the marker names; None without a marker.

    Raises:
        DataError: the marker holds something else.
    """
    path = folder / MARKER
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{path}: {text[:40]!r} is no day such as 2017-11-20; write the last whole day there") from None


def newest_event(folder: Path, contract: TableContract, before: datetime) -> datetime | None:
    """When the last row of a table and its parts happened, those left out that lie ahead of the clock.

    Args:
        folder: of the log.
        contract: a table with a clock.
        before: naive local time; an event after it is a mistake of somebody's clock.

    Raises:
        DataError: a file is missing, is not Parquet, or holds no times.
    """
    newest = None
    for path in (folder / f"{contract.name}.parquet", *part_paths(folder, contract.name)):
        table = _read(path, contract, [contract.clock])
        times = table[contract.clock] if table.num_columns else None
        if times is None or not pt.is_timestamp(times.type) or times.type.tz is not None:
            raise DataError(f"{contract.name}: {path} has no naive times in {contract.clock}; export it again")
        known = pc.cast(times, pa.timestamp("us"), safe=False)
        last = pc.max(known.filter(pc.less_equal(known, pa.scalar(before, pa.timestamp("us"))))).as_py()
        newest = last if newest is None or (last is not None and last > newest) else newest
    return newest


def read_whole(folder: Path, contract: TableContract) -> pa.Table:
    """A table with its parts.

    Raises:
        DataError: a file is missing, is not Parquet, or does not fit the others.
    """
    table = _read(folder / f"{contract.name}.parquet", contract)
    parts = []
    for path in part_paths(folder, contract.name):
        part = _read(path, contract)
        try:
            # Ids are text in a part and may be integers in the table; a context that a part lacks is missing.
            fields = [field for field in table.schema if field.name in part.column_names]
            parts.append(part.select([field.name for field in fields]).cast(pa.schema(fields)))
        except (pa.ArrowException, ValueError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{contract.name}: {path} does not fit {contract.name}.parquet ({reason}); remove it, or export both "
                "with the same kind of ids"
            ) from error
    return pa.concat_tables([table, *parts], promote_options="default") if parts else table


def _read(path: Path, contract: TableContract, columns: list[str] | None = None) -> pa.Table:
    with _opened(path, contract) as file:
        return file.read(columns)


@contextmanager
def _opened(path: Path, contract: TableContract) -> Iterator[pq.ParquetFile]:
    if not path.is_file():
        raise DataError(f"{contract.name}: no file {path}; write it there with columns {', '.join(contract.columns)}")
    try:
        # ParquetFile, not read_table: the folder's name must not be read as a partition, nor columns merged by name.
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{contract.name}: {path} is not readable as Parquet ({reason}); export it again") from error


def _find_before(folder: Path, contract: TableContract, end: datetime) -> tuple[RawTable, int]:
    """As `_read_before`, in the files where that can be."""
    paths = [folder / f"{contract.name}.parquet", *part_paths(folder, contract.name)]
    schema = _shared_schema(paths, contract)
    if schema is None:
        return _read_before(folder, contract, end)
    is_timed = contract.clock in schema.names and pt.is_timestamp(schema.field(contract.clock).type)
    clock = contract.clock if is_timed else ""
    rows = later = 0
    for path in paths:
        with _opened(path, contract) as file:
            rows += file.metadata.num_rows
            for batch in file.iter_batches(2**20, columns=[clock]) if clock else ():
                later += batch.num_rows - rows_before(pa.Table.from_batches([batch]), clock, end).num_rows
    return ParquetFiles(tuple(map(str, paths)), schema, rows - later, clock, end), later


def _shared_schema(paths: list[Path], contract: TableContract) -> pa.Schema | None:
    """The one schema of a table's files, if DuckDB reads them as Arrow does, and None if not."""
    schemas = []
    for path in paths:
        with _opened(path, contract) as file:
            schemas.append(file.schema_arrow.remove_metadata())
            stored = [file.schema.column(number).physical_type for number in range(len(file.schema))]
            if "INT96" in stored:
                return None
    names = schemas[0].names
    is_told_apart = len({name.lower() for name in names}) == len(names)
    if any(_GLOB & set(str(path)) for path in paths) or not is_told_apart or not all(map(_is_plain, schemas[0].types)):
        return None
    return schemas[0] if all(schema.equals(schemas[0]) for schema in schemas) else None


def _is_plain(kind: pa.DataType) -> bool:
    text = kind.value_type if pt.is_dictionary(kind) else kind
    texts = pt.is_string(text) or pt.is_large_string(text)
    # Times in milliseconds may lie too far ahead for the microseconds in which DuckDB holds them.
    times = pt.is_timestamp(kind) and kind.tz is None and kind.unit in {"us", "ns"}
    return bool(texts or times or pt.is_integer(kind) or pt.is_float32(kind) or pt.is_float64(kind))


def rows_before(table: pa.Table, clock: str, end: datetime) -> pa.Table:
    """Rows before `end`; a missing time or a column of another type is left for validation to name."""
    if table.column_names.count(clock) != 1:
        return table
    kind = table.schema.field(clock).type
    if not pt.is_timestamp(kind) or kind.tz is not None:
        return table
    # In the column's own unit: a far future in seconds has no microseconds that fit into 64 bits.
    return table.filter(pc.fill_null(pc.less(table[clock], pa.scalar(end, kind)), fill_value=True))
