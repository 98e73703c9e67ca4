"""The decision log: one row a decision of a deployed version. The monitor reads nothing else of the model."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import PurePath

import pyarrow as pa

from onward.errors import MonitoringInputError

SCHEMA = pa.schema(
    [
        ("impression", pa.string()),
        ("customer", pa.string()),
        ("time", pa.timestamp("us")),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("uncertainty", pa.float64()),
        ("level", pa.int8()),
        ("decision", pa.string()),
        ("category", pa.string()),
        ("version", pa.int32()),
    ]
)
SERVED = "served"
"""Folder of the log, laid out as itself, for what `onward serve` decided; the batch decides beside it."""
_NAME = re.compile(r"day=([0-9]{4}-[0-9]{2}-[0-9]{2})/version=([0-9]{1,9})\.parquet")


def place(day: date, version: int) -> PurePath:
    """Where the decisions of a day by a version lie in the log's folder.

    >>> place(date(2017, 11, 20), 4).as_posix()
    'day=2017-11-20/version=4.parquet'
    """
    return PurePath(f"day={day.isoformat()}", f"version={version}.parquet")


def logged_days(names: Iterable[str], version: int) -> dict[date, str]:
    """Days of a version among the relative names of a log's files, the earliest first; other names are left alone.

    >>> logged_days(["day=2017-11-21/version=4.parquet", "day=2017-11-21/version=5.parquet", "notes.txt"], 4)
    {datetime.date(2017, 11, 21): 'day=2017-11-21/version=4.parquet'}
    """
    name_by_day = {}
    for name in names:
        logged = day_and_version(name)
        if logged and logged[1] == version:
            name_by_day[logged[0]] = name
    return dict(sorted(name_by_day.items()))


def day_and_version(name: str) -> tuple[date, int] | None:
    """Day and version of a file by its relative name in the log's folder; None of any other file.

    >>> day_and_version("day=2017-11-20/version=4.parquet")
    (datetime.date(2017, 11, 20), 4)
    >>> day_and_version("day=2017-11-20/version=4.bak.parquet"), day_and_version("day=2017-02-30/version=4.parquet")
    (None, None)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1]), int(match[2])
    except ValueError:
        return None


def check_schema(name: str, schema: pa.Schema) -> None:
    """Refuse a file that is not part of a decision log.

    Raises:
        MonitoringInputError: names the column that is missing or of another type.
    """
    for field in SCHEMA:
        if field.name not in schema.names:
            raise MonitoringInputError(
                f"decision log: {name} has no column {field.name}; it was written by other code: restore it"
            )
        stored = schema.field(field.name).type
        if stored != field.type and not (field.type == pa.string() and pa.types.is_large_string(stored)):
            raise MonitoringInputError(
                f"decision log: {name} holds {field.name} as {stored}, not {field.type}; it was written by other code: "
                "restore it"
            )
