"""What the page for on-call says of the watching itself, read from files, disks and the registry's tags."""

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from onward.daily.alert_log import AlertLog
from onward.daily.assessment_history import StoredAssessment
from onward.daily.feeds import feeds
from onward.daily.look_log import looks_taken
from onward.deployment.reasons import PROMOTED, events, moment
from onward.deployment.registry import Version
from onward.errors import OnwardError
from onward.layout import PARAMS_FILE
from onward.monitoring.alerts import Notices
from onward.params import read_params
from onward.reporting.oncall_watch import Disk, FeedAge, OpenAlert, Watch


def watch_of(
    project: Path,
    champion: Version,
    last: StoredAssessment,
    looks: Path,
    log: AlertLog,
    limits: Notices,
    places: Mapping[str, Path],
    now: datetime,
) -> Watch:
    """Gather what says whether the page can be believed.

    Args:
        project: with params.yaml.
        champion: the version in use.
        last: its last assessment.
        looks: folder of the assessments.
        log: of the alerts.
        limits: of alerts.yaml.
        places: folders whose disks must not be full, by what people call them.
        now: with time zone.
    """
    problem, fed = None, []
    try:
        fed = feeds(read_params(project / PARAMS_FILE), project, now)
    except OnwardError as error:
        problem = str(error)
    promoted = [moment(event.at) for event in events(champion.tags) if event.what == PROMOTED]
    return Watch(
        made_at=now,
        looked_at=_looked_at(last, looks),
        hours_to_look=limits.hours_to_look,
        in_use_since=max(promoted, default=None),
        learnt_until=date.fromisoformat(champion.tags["as_of"]),
        known_until=last.as_of,
        feeds=[FeedAge(feed.name, feed.until, feed.stopped(limits.hours_to_feed)) for feed in fed],
        feeds_problem=problem,
        disks=disks(places),
        alerts=[
            OpenAlert(
                alert.key, alert.name, alert.severity, alert.since, str(alert.said["summary"]), alert.acknowledged
            )
            for alert in log.open()
        ],
    )


def disks(places: Mapping[str, Path]) -> list[Disk]:
    """The disks of some places, each once, the fullest first; a folder that is not there yet lies where it will."""
    found: dict[int, tuple[list[str], Path]] = {}
    for name, place in places.items():
        there = next(folder for folder in (place, *place.parents) if folder.exists())
        found.setdefault(there.stat().st_dev, ([], there))[0].append(name)
    used = [(names, shutil.disk_usage(place)) for names, place in found.values()]
    return sorted(
        (Disk(tuple(names), usage.free, usage.total) for names, usage in used), key=lambda disk: disk.free / disk.total
    )


def _looked_at(last: StoredAssessment, looks: Path) -> datetime | None:
    """When an assessment was made; that of an earlier release, or of the stage, when its file was written."""
    for look in looks_taken(looks):
        if (look.version, look.as_of) == (last.version, last.as_of) and not last.before_use:
            return look.at
    verdict = last.folder / "verdict.json"
    return datetime.fromtimestamp(verdict.stat().st_mtime, UTC) if verdict.is_file() else None
