"""Until when a shop's own log goes, read from its folder alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from onward.params import Params

_DECIDED_FROM = ("impressions", "purchases")


@dataclass(frozen=True)
class Feed:
    """One table of the log, or the marker that speaks for all of them.

    Attributes:
        name: of the table, or of the marker.
        until: its last event by the shop's clock, or the end of the day that the marker names; None: it is empty.
        age: how long ago that is; None: it is empty.
        needed: days are decided from it, so it has to go on.
    """

    name: str
    until: datetime | None
    age: timedelta | None
    needed: bool

    def stopped(self, hours: float) -> bool:
        """Whether it has to go on and has not for so long."""
        return self.needed and (self.age is None or self.age > timedelta(hours=hours))


def log_folder(params: Params) -> Path | None:
    """Where a log lies that grows; None for a source that does not."""
    sources = params.sources
    return {"parquet": sources.parquet.folder, "event_log": sources.event_log.folder}.get(params.run.source)


def feeds(params: Params, project: Path, now: datetime, *, only_needed: bool = False) -> list[Feed]:
    """Say until when each feed goes; nothing of a source that does not grow.

    Args:
        params: of the source and the shop.
        project: from which the source's folder counts.
        now: with time zone.
        only_needed: leave the others out, which are then not read.

    Raises:
        DataError: a table is missing or cannot be read.
    """
    folder = log_folder(params)
    if folder is None:
        return []
    # Here, so that the watchdog of a source that does not grow starts without the libraries of tables.
    from onward.data.contract import CONTRACT
    from onward.data.shop_clock import ShopClock
    from onward.data.sources.parquet_folder import MARKER, marked_day, newest_event

    folder = project / folder
    here = ShopClock(params.shop.time_zone).local(now)
    marked = marked_day(folder)
    found = []
    if marked is not None:
        end = datetime.combine(marked + timedelta(days=1), datetime.min.time())
        found.append(Feed(MARKER, end, here - end, needed=True))
    if marked is not None and only_needed:
        return found
    if params.run.source == "event_log":
        from onward.data.sources import event_log

        shop = event_log.EventLog(**params.sources.event_log.model_dump() | {"folder": folder})
        newest = event_log.newest_event(shop, here, params.run.threads)
        found.append(Feed("events", newest, None if newest is None else here - newest, marked is None))
        return found
    for contract in CONTRACT:
        # Where the shop says itself what is whole, its word counts.
        needed = marked is None and contract.name in _DECIDED_FROM
        if contract.clock and (needed or not only_needed):
            newest = newest_event(folder, contract, here)
            found.append(Feed(contract.name, newest, None if newest is None else here - newest, needed))
    return found
