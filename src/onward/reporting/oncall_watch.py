"""Whether the watching itself is sound: how old the last look, the log and the model are, and what room is left."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from onward.channels.message import Severity

LITTLE = 0.1
"""Share of a disk that is little to be left."""


@dataclass(frozen=True)
class OpenAlert:
    """An alert that is not over.

    Attributes:
        key: by which it is acknowledged.
        name: its heading in the runbook.
        severity: how bad it is.
        since: when it was found first.
        says: in a sentence.
        acknowledged: by whom and why, or None.
    """

    key: str
    name: str
    severity: Severity
    since: datetime
    says: str
    acknowledged: str | None


@dataclass(frozen=True)
class FeedAge:
    """Until when one table of the log goes, by the shop's clock; None: it is empty."""

    name: str
    until: datetime | None
    stopped: bool

    @property
    def last_whole_day(self) -> date | None:
        """The last day that is certainly whole: the one before that of the last event."""
        return None if self.until is None else self.until.date() - timedelta(days=1)


@dataclass(frozen=True)
class Disk:
    """Room on the disk that holds these places, in bytes."""

    places: tuple[str, ...]
    free: int
    total: int

    @property
    def little(self) -> bool:
        """Whether it will be full before long."""
        return self.free < LITTLE * self.total


@dataclass(frozen=True)
class Watch:
    """What says whether the page can be believed.

    Attributes:
        made_at: when the page is made.
        looked_at: when the last look at the version in use ended; None: nobody knows.
        hours_to_look: from which age on a look is stale.
        in_use_since: when the version came into use; None: nobody knows.
        learnt_until: the first day that the version does not know.
        known_until: the first day that the assessment does not know.
        feeds: of the shop's own log; none of a source that does not grow.
        feeds_problem: why nothing is known of the feeds, or None.
        disks: of all places.
        alerts: that are not over, the worst first.
    """

    made_at: datetime
    looked_at: datetime | None
    hours_to_look: int
    in_use_since: datetime | None
    learnt_until: date
    known_until: date
    feeds: Sequence[FeedAge] = ()
    feeds_problem: str | None = None
    disks: Sequence[Disk] = ()
    alerts: Sequence[OpenAlert] = ()

    @property
    def stale(self) -> bool:
        """Whether the verdict was old when the page was made; the page itself goes on counting."""
        return self.looked_at is None or self.made_at - self.looked_at > timedelta(hours=self.hours_to_look)

    @property
    def data_age(self) -> int:
        """How many days of the log the version has not learnt from."""
        return (self.known_until - self.learnt_until).days


def ago(since: datetime, now: datetime) -> str:
    """Say how long ago something was, as the page's script says it.

    >>> ago(datetime(2026, 11, 22, 1), datetime(2026, 11, 23, 3)), ago(datetime(2026, 11, 1), datetime(2026, 11, 23))
    ('26 h ago', '22 days ago')
    """
    hours = max((now - since) / timedelta(hours=1), 0.0)
    if hours < 1:
        return "less than an hour ago"
    return f"{int(hours)} h ago" if hours < 48 else f"{int(hours / 24)} days ago"


def script_hash(script: str) -> str:
    """The source of a script in a Content-Security-Policy: what is between its tags, and nothing else, may run.

    >>> script_hash("run()")
    "'sha256-AvyuiL0SD1mVY3NNxR+V2uo+lhk6RMFrytWmRt6CrJQ='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def gigabytes(size: int) -> str:
    """Format a size.

    >>> gigabytes(12_345_678_901)
    '12.3 GB'
    """
    return f"{size / 1e9:,.1f} GB"
