"""The shop's own time: the data contract's times are naive, and mean the clock on the shop's wall.

A day is the shop's: where its clock is put forward or back it has 23 or 25 hours, and west of Greenwich its evening
lies on the next day of UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from onward.errors import DataError


@dataclass(frozen=True)
class ShopClock:
    """A time zone, by its name in the IANA database, such as America/Los_Angeles."""

    time_zone: str = "UTC"

    @property
    def zone(self) -> tzinfo:
        """The zone.

        Raises:
            DataError: this machine knows none of that name.
        """
        return zone(self.time_zone)

    def now(self) -> datetime:
        """The naive local time of this moment."""
        return self.local(datetime.now(UTC))

    def local(self, moment: datetime) -> datetime:
        """The naive local time of a moment; one without a zone is that already.

        >>> ShopClock("America/Los_Angeles").local(datetime(2026, 11, 23, 6, tzinfo=UTC))
        datetime.datetime(2026, 11, 22, 22, 0)
        """
        return moment if moment.tzinfo is None else moment.astimezone(self.zone).replace(tzinfo=None)


@cache
def zone(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        DataError: this machine knows none of that name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    # A folder of the database is a name too, and a name may not leave it.
    except (LookupError, OSError, ValueError):
        raise DataError(f"{name[:60]!r} is no time zone of this machine; name one such as Europe/Berlin") from None
