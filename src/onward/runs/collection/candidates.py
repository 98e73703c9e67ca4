"""Which runs and versions may go: none that is in use, that was in use before, that is young, or that is going on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onward.deployment.registry import Version
from onward.runs.history.records import RunRecord

# A run that has not moved on for so long is not going to.
_ABANDONED = timedelta(days=7)
_GOING_ON = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What is asked to stay.

    Attributes:
        keep: so many of the latest runs, and of the latest versions.
        before: only what is older goes; in UTC.
        now: in UTC.
    """

    keep: int
    before: datetime
    now: datetime


def in_lineage(champion: Version | None, versions: Iterable[Version], named: Iterable[Version]) -> set[int]:
    """Numbers of versions that never go: those that aliases name, and the one that the champion replaced.

    Args:
        champion: the version in use.
        versions: all.
        named: those that other aliases name.
    """
    known = {version.number for version in versions}
    before = set() if champion is None or champion.replaced is None else {champion.replaced}
    return ({version.number for version in named} | before | (set() if champion is None else {champion.number})) & known


def going_on(records: Iterable[RunRecord], now: datetime) -> list[str]:
    """Runs that have begun within a day and have not finished."""
    return [record.name for record in records if record.manifest.finished is None and now - started(record) < _GOING_ON]


def runs_to_collect(records: Sequence[RunRecord], protected: set[str], wanted: Wanted) -> list[RunRecord]:
    """Runs that may go, the earliest first.

    Args:
        records: all, the latest first.
        protected: names of runs that made versions which stay.
        wanted: see there.
    """
    stays = {record.name for record in records[: wanted.keep]} | protected
    stays |= {record.name for record in records if not _may_go(record, wanted)}
    # A model that a run kept was recorded by another run, which is part of its lineage.
    by_name = {record.name: record for record in records}
    waiting = list(stays)
    while waiting:
        record = by_name.get(waiting.pop())
        more = set() if record is None else set(record.manifest.kept.values()) - stays
        stays |= more
        waiting += more
    return [record for record in reversed(records) if record.name not in stays]


def versions_that_stay(
    versions: Sequence[Version], lineage: set[int], registered_at: Mapping[int, datetime], wanted: Wanted
) -> set[int]:
    """Numbers of versions that stay whatever becomes of their runs, which therefore have to stay too.

    Args:
        versions: all, in order of their numbers.
        lineage: numbers that never go.
        registered_at: when each version was registered; in UTC.
        wanted: see there.
    """
    young = {version.number for version in versions if registered_at[version.number] >= wanted.before}
    return lineage | young | {version.number for version in versions[-wanted.keep :]}


def versions_to_collect(versions: Sequence[Version], stays: set[int], staying: Sequence[RunRecord]) -> list[Version]:
    """Versions that may go, the earliest first: no run that stays registered them.

    Args:
        versions: all, in order of their numbers.
        stays: numbers of those that stay anyhow, see `versions_that_stay`.
        staying: runs that stay.
    """
    names = {record.name for record in staying}
    stays = stays | {record.version for record in staying if record.version is not None}
    return [
        version
        for version in versions
        if version.number not in stays and not ("run" in version.tags and version.tags["run"] in names)
    ]


def started(record: RunRecord) -> datetime:
    """When a run was started, in UTC."""
    return datetime.fromisoformat(record.manifest.started_at)


def _may_go(record: RunRecord, wanted: Wanted) -> bool:
    abandoned = record.manifest.finished is not None or wanted.now - started(record) > _ABANDONED
    return abandoned and started(record) < wanted.before
