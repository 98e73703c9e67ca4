"""A wish to change what is in use: what it names, and whether it comes too late to be carried out.

Whoever asks may ask again, a task that is retried for one, and may be heard long after he asked. So a wish says which
version he saw in use and when he asked; the registry compares both with what is there, under its lock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onward.deployment.reasons import PROMOTED, ROLLED_BACK, Reason, events, moment
from onward.errors import ChangeError

if TYPE_CHECKING:
    from onward.deployment.registry import Version


@dataclass(frozen=True)
class ChangeRequest:
    """A wish to put a version in use, or to take one out of use.

    Attributes:
        reason: why, and who says so; None keeps nothing.
        expected: the version that was in use when it was asked for, 0 for none; None does not compare.
        asked_at: when that was; None for now. With it, the same wish twice is carried out once.
    """

    reason: Reason | None = None
    expected: int | None = None
    asked_at: datetime | None = None

    def told(self, version: "Version", what: str) -> bool:
        """Whether a version's tags hold the event of this very wish, from an attempt before."""
        return self.asked_at is not None and any(
            event.what == what and event.reason == self.reason and moment(event.at) >= self.asked_at
            for event in events(version.tags)
        )

    def too_late_to_promote(self, version: "Version", champion: "Version | None") -> str | None:
        """Why putting a version in use must change nothing; None if it may."""
        number = version.number
        if champion is not None and champion.number == number:
            return f"version {number} is in use already"
        there = champion.number if champion else 0
        if self.expected is not None and self.expected != there:
            return f"version {number} was to follow {_named(self.expected)}, and {_named(there)} is in use"
        if self._after(version, ROLLED_BACK):
            return f"version {number} was rolled back after this was asked for"
        mine, theirs = _last(version, PROMOTED), champion and _last(champion, PROMOTED)
        if self._after(version, PROMOTED) and mine and theirs and mine < theirs:
            return f"version {number} came into use as asked for, and version {there} after it"
        return None

    def too_late_to_roll_back(self, champion: "Version", expected: "Version") -> str | None:
        """Why taking a version out of use must change nothing; None if it may.

        Args:
            champion: in use.
            expected: the version that is to be taken out of use.
        """
        number = expected.number
        if champion.number != number:
            before = f"was rolled back and {_named(champion.number)} is in use" if expected.rolled_back else None
            return f"version {number} {before or f'is not in use, {_named(champion.number)} is'}"
        if self._after(expected, PROMOTED):
            return f"version {number} came into use after this was asked for"
        return None

    def _after(self, version: "Version", what: str) -> bool:
        last = _last(version, what)
        return self.asked_at is not None and last is not None and last > self.asked_at


@dataclass(frozen=True)
class Change:
    """What came of a wish.

    Attributes:
        in_use: the version that is in use now, if there is one.
        refused: why nothing was changed; None if it was.
    """

    in_use: "Version | None"
    refused: str | None = None


def asked_at(text: str) -> datetime:
    """Read when something was asked for; without an offset it is UTC.

    Raises:
        ChangeError: it is no moment.

    >>> asked_at("2017-11-20T07:00:00+01:00").isoformat()
    '2017-11-20T06:00:00+00:00'
    """
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ChangeError(f"--asked-at: {text[:60]!r} is no moment such as 2017-11-20T06:00:00+00:00") from None


def _last(version: "Version", what: str) -> datetime | None:
    """When a version came into use, or out of it, the last time; None if nobody wrote it down."""
    return max((moment(event.at) for event in events(version.tags) if event.what == what), default=None)


def _named(number: int) -> str:
    return f"version {number}" if number else "nothing"
