"""What the daily log and the assessments need of a source."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from onward.choices import GRAPH_SOURCES
from onward.data.contract import CONTRACT, RawLog
from onward.data.sources import read_source
from onward.data.sources.parquet_folder import part_paths, read_whole, rows_before
from onward.errors import MonitoringError, MonitoringInputError
from onward.params import LIES_IN, Params

Events = Mapping[str, str | pa.Table]
ReadEvents = Callable[[Path, Params, date, date], Events]
"""As `read_events`."""


def midnight(day: date) -> datetime:
    """The first moment of a day."""
    return datetime.combine(day, time.min)


def with_project(params: Params, root: Path) -> Params:
    """The same params, the files of a shop's own log counted from the project, wherever a command is run."""
    rooted = {
        name: source.model_copy(update={place: root / getattr(source, place)})
        for name, place in LIES_IN.items()
        for source in [getattr(params.sources, name)]
    }
    return params.model_copy(update={"sources": params.sources.model_copy(update=rooted)})


def read_log(params: Params, start: date, end: date, known: date | None = None) -> RawLog:
    """Read a source as far as it is needed for impressions shown in [start, end).

    The simulator's days are counted back from its end, which must therefore stay that of the pipeline's run; Complete
    Journey's and Online Retail's impressions are built only where their window fits. None lets a later event into an
    earlier one, and who reads here keeps to as_of himself.

    Args:
        params: of the run.
        start: first day of the impressions.
        end: the first day without.
        known: what sources that describe products from the log say of them comes from before this day; None: `start`.

    Raises:
        MonitoringError: the simulated shop ends before the days that are asked for.
        DataError: the source cannot be read.
    """
    run = params.run
    if run.source in GRAPH_SOURCES:
        raise MonitoringError(
            f"source {run.source} has no impressions, so there is nothing to score or to watch by day"
        )
    ends: Mapping[str, datetime] = {
        "complete_journey": midnight(end) + run.window,
        "online_retail": midnight(end) + run.window,
        "simulator": run.horizon,
        "parquet": midnight(end),
        "event_log": midnight(end),
    }
    if run.source == "simulator" and midnight(end) > run.horizon:
        raise MonitoringError(
            f"source simulator ends on {run.horizon:%Y-%m-%d}, before {end}; move run.as_of, or write it to a folder"
        )
    settings = params.sources.model_dump()
    described = midnight(start if known is None else known)
    return read_source(
        run.source, settings, run.window, midnight(start), ends[run.source], run.threads, known=described
    )


def read_events(root: Path, params: Params, start: date, as_of: date) -> Events:
    """Conversions and engagements: as tables, or for a folder of Parquet files as paths, which need not fit in memory.

    A source that is read whole gives its purchases and products besides, purchases at or after as_of too.

    Raises:
        MonitoringError: a file or a column is missing.
    """
    needed = {"conversions": ("impression_id", "converted_at"), "engagements": ("impression_id", "kind", "happened_at")}
    events: dict[str, str | pa.Table] = {}
    if params.run.source == "parquet":
        folder = root / params.sources.parquet.folder
        contracts = {contract.name: contract for contract in CONTRACT}
        for name, columns in needed.items():
            path = folder / f"{name}.parquet"
            if not path.is_file():
                raise MonitoringError(f"no data: {path} is missing, so nothing is known of {name}; export it again")
            events[name] = str(path)
            schema = _schema(path)
            _check(name, columns, schema)
            if part_paths(folder, name) or schema.field(columns[-1]).type.unit in {"s", "ms"}:
                # Further rows, as feedback's, or times that DuckDB might not be able to hold: read as ingest reads it.
                events[name] = rows_before(read_whole(folder, contracts[name]), columns[-1], midnight(as_of))
        return events
    log = read_log(params, start, as_of, known=as_of)
    for name, columns in needed.items():
        _check(name, columns, log.tables[name].schema)
        events[name] = log.tables[name]
    return {**events, **{name: log.tables[name] for name in ("products", "purchases")}}


def read_once(since: date) -> ReadEvents:
    """`read_events` for versions that are assessed together: a source is read once, from the earliest day of all.

    What a version does not ask for does no harm: events are joined to decisions, which it has none of before its own.
    """
    held: list[Events] = []

    def read(root: Path, params: Params, start: date, as_of: date) -> Events:
        if start < since:
            raise ValueError(f"events are read from {since} on, asked from {start}")
        if not held:
            held.append(read_events(root, params, since, as_of))
        return held[0]

    return read


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise MonitoringError(f"{path} is not readable as Parquet ({reason}); export it again") from error


def _check(name: str, needed: tuple[str, ...], schema: Any) -> None:
    for column in needed:
        if column not in schema.names:
            raise MonitoringInputError(
                f"schema change: {name} has no column {column} any more; restore it in the source"
            )
    clock = schema.field(needed[-1]).type
    if not pa.types.is_timestamp(clock) or clock.tz is not None:
        raise MonitoringInputError(
            f"schema change: {name}.{needed[-1]} is {clock}, not a naive timestamp; cast it again"
        )
