"""Until when a source is complete: a day is decided on once nothing can be missing of it.

A shop that knows says so in a file `complete_through` in the folder of its log: one day, the last that is whole.
Without it, a day is whole when impressions and purchases have both gone past it; in a log of events, when any event
has. No day is before it has ended in the shop.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from onward.daily.feeds import feeds, log_folder
from onward.data.shop_clock import ShopClock
from onward.data.sources.parquet_folder import MARKER
from onward.errors import MonitoringError
from onward.params import Params


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
    folder = log_folder(params)
    if folder is None:
        return Complete(today, not_over)
    needed = feeds(params, Path(), now, only_needed=True)
    feed = min(needed, key=lambda feed: feed.until or datetime.min)
    if feed.until is None:
        return Complete(date.min, f"{folder} holds no {feed.name} before now; load them")
    until = feed.until.date()
    if feed.name == MARKER:
        why = f"{folder / MARKER} names {until - timedelta(days=1)} as the last whole day; write a later one once it "
        why += "is loaded"
    else:
        why = f"{feed.name} end at {feed.until:%Y-%m-%d %H:%M}; load what comes after, or name the last whole day in "
        why += str(folder / MARKER)
    return Complete(min(until, today), why if until <= today else not_over)
