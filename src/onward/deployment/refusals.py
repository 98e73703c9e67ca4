"""Versions that never came into use, in a row: a gate that refuses week after week lets the champion grow stale."""

from collections.abc import Sequence
from datetime import date

from onward.deployment.reasons import PROMOTED, events
from onward.deployment.registry import Version


def refused_since(versions: Sequence[Version], champion: Version) -> list[Version]:
    """Return the challengers that know more than the champion and never came into use, the newest first.

    One that was in use for a while ends the row: the gate had let it in.

    Args:
        versions: all that are registered.
        champion: in use; challengers of another source are not compared with it.
    """
    tags = champion.tags
    newer = [version for version in versions if version.tags["source"] == tags["source"]]
    newer = [version for version in newer if version.tags["as_of"] > tags["as_of"]]
    row = []
    for version in sorted(newer, key=lambda version: (version.tags["as_of"], version.number), reverse=True):
        if any(event.what == PROMOTED for event in events(version.tags)):
            break
        row.append(version)
    return row


def weeks_of(versions: Sequence[Version]) -> int:
    """In how many calendar weeks of the log's clock these were trained."""
    return len({date.fromisoformat(version.tags["as_of"]).isocalendar()[:2] for version in versions})
