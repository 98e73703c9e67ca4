"""Where a log comes from: each source is one module with its own settings, and one line here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from onward.data.contract import RawLog, SourceLog
from onward.errors import DataError


def read_source(
    name: str,
    settings: Mapping[str, Mapping[str, Any]],
    window: timedelta,
    start: datetime,
    end: datetime,
    threads: int,
    *,
    known: datetime | None = None,
) -> RawLog:
    """Read a raw log.

    Args:
        name: complete_journey, simulator, online_retail, event_log or parquet; edge_list and sequences hold no log.
        settings: each source's own settings, by the source's name.
        window: the attribution window.
        start: first moment of the impressions that are needed; purchases come from the beginning.
        end: first moment that is not needed.
        threads: threads a source may use.
        known: what sources that describe products from the log say of them comes from before this moment; None: `end`.

    Raises:
        DataError: the source is unknown or cannot be read.
    """
    match name:
        case "complete_journey":
            from onward.data.sources import complete_journey
            from onward.data.sources.built_impressions import FrozenRecommender

            recommender = FrozenRecommender(**settings[name])
            return complete_journey.read_log(
                recommender=recommender, window=window, start=start, end=end, threads=threads
            )
        case "simulator":
            from onward.data.sources import simulator

            return simulator.simulate(**settings[name], end=end, attribution_days=window.days).log
        case "online_retail":
            from onward.data.sources import online_retail

            shop = online_retail.OnlineRetail(**settings[name])
            return online_retail.read_log(
                shop=shop, window=window, start=start, end=end, threads=threads, known=known or end
            )
        case "event_log":
            from onward.data.sources import event_log

            events = event_log.EventLog(**settings[name])
            return event_log.read_log(events, window=window, start=start, end=end, threads=threads, known=known or end)
        case "parquet":
            from onward.data.sources import parquet_folder

            return parquet_folder.read_log(**settings[name], end=end)
        case "edge_list" | "sequences":
            raise DataError(f"run.source = {name!r} is no log of impressions; only `dvc repro` reads it, see examples/")
    raise DataError(
        f"run.source = {name!r}: unknown source; choose complete_journey, simulator, online_retail, event_log, "
        "parquet, edge_list or sequences"
    )


def find_source(
    name: str,
    settings: Mapping[str, Mapping[str, Any]],
    window: timedelta,
    start: datetime,
    end: datetime,
    threads: int,
    *,
    known: datetime | None = None,
) -> SourceLog:
    """As `read_source`, but what lies in files in the contract's own form is left there, to be scanned."""
    if name == "parquet":
        from onward.data.sources import parquet_folder

        return parquet_folder.find_log(**settings[name], end=end)
    return read_source(name, settings, window, start, end, threads, known=known)
