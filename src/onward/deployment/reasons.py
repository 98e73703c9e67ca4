"""Why a version came into use or out of it: who said so, when, and in which words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from onward.errors import ChangeError

PROMOTED = "promoted"
ROLLED_BACK = "rolled back"
_LEAST = 10
_MOST = 500
_WHEN = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Reason:
    """One line of text and who stands for it."""

    text: str
    by: str

    @classmethod
    def given(cls, text: str, by: str) -> "Reason":
        """Check what a person wrote.

        Raises:
            ChangeError: too short to say anything, too long, or more than one line.
        """
        line = text.strip()
        if not _LEAST <= len(line) <= _MOST:
            raise ChangeError(f"--reason: {len(line)} characters; say why in {_LEAST} to {_MOST}")
        if not (line.isprintable() and by.isprintable() and by.strip()):
            raise ChangeError("--reason: must be one line of printable characters, and so must the name behind it")
        return cls(line, by.strip()[:100])


@dataclass(frozen=True)
class Event:
    """A version came into use or out of it."""

    what: str
    at: str
    reason: Reason


def tag_for(what: str, reason: Reason, now: datetime | None = None) -> tuple[str, str]:
    """Name and value of the tag that keeps an event; the time in its name keeps events of one kind apart."""
    at = (now or datetime.now(UTC)).astimezone(UTC).strftime(_WHEN)
    return f"{what} {at}", json.dumps({"by": reason.by, "reason": reason.text}, ensure_ascii=False, sort_keys=True)


def moment(at: str) -> datetime:
    """When an event happened.

    >>> moment("2017-11-20T06:00:00.000000Z").isoformat()
    '2017-11-20T06:00:00+00:00'
    """
    return datetime.strptime(at, _WHEN).replace(tzinfo=UTC)


def events(tags: Mapping[str, str]) -> tuple[Event, ...]:
    """What a version's tags tell, the oldest first.

    >>> name, value = tag_for(PROMOTED, Reason("better on the backtest", "ada"), datetime(2017, 11, 20, tzinfo=UTC))
    >>> [(event.what, event.at[:10], event.reason.by) for event in events({name: value, "source": "simulator"})]
    [('promoted', '2017-11-20', 'ada')]
    """
    history = []
    for name, value in tags.items():
        what, _, at = name.rpartition(" ")
        if what in (PROMOTED, ROLLED_BACK):
            note = json.loads(value)
            history.append(Event(what, at, Reason(note["reason"], note["by"])))
    return tuple(sorted(history, key=lambda event: event.at))
