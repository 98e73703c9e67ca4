"""When the monitor looked, by the wall's clock, and what it saw: one small file a look, for who watches the watcher.

A verdict knows the log's clock only, and a file's own time changes when it is copied. The files lie in `taken`, beside
the looks, named by their moment. That a version has decided nothing yet, on its first day in use, is a look too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from onward.artifacts import read_json, write_json
from onward.daily.named_folders import skip
from onward.errors import ArtifactError

NOTHING_YET = "nothing to assess yet"
_FOLDER = "taken"
_WHEN = "%Y-%m-%dT%H%M%S.%fZ"
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}\.[0-9]{6}Z\.json")


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        at: when it ended, with time zone.
        version: that was assessed.
        as_of: the first day that it did not know.
        verdict: what it said, a verdict or `NOTHING_YET`.
        reason: in a sentence.
    """

    at: datetime
    version: int
    as_of: date
    verdict: str
    reason: str


def record_look(looks: Path, verdict: Mapping[str, Any], now: datetime) -> None:
    """Keep that there was a look.

    Args:
        looks: folder of the assessments.
        verdict: with version, as_of, verdict and reason.
        now: with time zone.
    """
    at = now.astimezone(UTC)
    kept = {name: verdict[name] for name in ("version", "as_of", "verdict", "reason")}
    write_json(looks / _FOLDER / f"{at.strftime(_WHEN)}.json", {"at": at.isoformat(), **kept})


def looks_taken(looks: Path) -> Iterator[Look]:
    """Yield the looks, the last first; what is none is skipped by name."""
    for path in sorted((looks / _FOLDER).glob("*.json"), reverse=True):
        if not _NAME.fullmatch(path.name):
            skip(path, "it is not named after the moment of a look")
            continue
        try:
            record = read_json(path)
            yield Look(
                datetime.fromisoformat(record["at"]),
                int(record["version"]),
                date.fromisoformat(record["as_of"]),
                str(record["verdict"]),
                str(record["reason"]),
            )
        except (ArtifactError, KeyError, TypeError, ValueError) as error:
            skip(path, f"it holds no look ({' '.join(str(error).split())[:200]})")


def last_look(looks: Path, now: datetime) -> Look | None:
    """The last look before a moment; None where there is none."""
    return next((look for look in looks_taken(looks) if look.at <= now), None)
