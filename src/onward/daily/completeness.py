"""Until when a source is complete: a day is decided on once nothing can be missing of it.

A shop that knows says so in a file `complete_through` in the folder of its log: one day, the last that is whole.
Without it, a day is whole when impressions and purchases have both gone past it. No day is before it has ended in the
shop.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from onward.data.contract import CONTRACT
from onward.data.shop_clock import ShopClock
from onward.data.sources.parquet_folder import MARKER, marked_day, newest_event
from onward.errors import MonitoringError
from onward.params import Params

_DECIDED_FROM = ("impressions", "purchases")


@dataclass(frozen=True)
class Complete:
    """A source as far as it is complete.

    Attributes:
        until: the first day that is not.
        why: what says so, and what would change it.
    """

    until: date
    why: str

    def require(self, first: date, last: date) -> None:
        """Refuse days that are not complete.

        Raises:
            MonitoringError: the last day is none.
        """
        if last < self.until:
            return
        begin = max(first, self.until)
        count = (last - begin).days + 1
        days = f"{begin} is" if count == 1 else f"{count} days from {begin} to {last} are"
        raise MonitoringError(f"score: {days} not complete: {self.why}")


def complete_until(params: Params, now: datetime) -> Complete:
    """Say until when the source is complete.

    Complete Journey, Online Retail and the simulator are closed: they do not grow, and refuse what lies beyond them.

    Args:
        params: of the source and the shop.
        now: with time zone.

    Raises:
        DataError: a file of the source is missing, or the marker names no day.
    """
    clock = ShopClock(params.shop.time_zone)
    here = clock.local(now)
    today = here.date()
    not_over = f"in the shop ({clock.time_zone}) it is {here:%Y-%m-%d %H:%M}; score a day once it is over"
    if params.run.source != "parquet":
        return Complete(today, not_over)
    folder = params.sources.parquet.folder
    marked = marked_day(folder)
    if marked is not None:
        until = marked + timedelta(days=1)
        why = f"{folder / MARKER} names {marked} as the last whole day; write a later one once it is loaded"
        return Complete(min(until, today), why if until <= today else not_over)
    newest = {
        contract.name: newest_event(folder, contract, here) for contract in CONTRACT if contract.name in _DECIDED_FROM
    }
    name, last = min(newest.items(), key=lambda item: item[1] or datetime.min)
    if last is None:
        return Complete(date.min, f"{folder} holds no {name} before now; load them")
    why = f"{name} end at {last:%Y-%m-%d %H:%M}; load what comes after, or name the last whole day in {folder / MARKER}"
    return Complete(min(last.date(), today), why if last.date() <= today else not_over)
