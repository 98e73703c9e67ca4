"""What people are told of the version in use, besides what it decides: it grows stale, or nothing leads back to it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from onward.deployment.provenance import MADE_BY_RUN
from onward.deployment.reasons import PROMOTED, events, moment
from onward.deployment.refusals import refused_since, weeks_of
from onward.deployment.registry import Version
from onward.monitoring.notices import CHALLENGER_REFUSED, CHAMPION_ABANDONED, Notice


def refused(champion: Version, versions: Sequence[Version], weeks: int) -> Notice | None:
    """Say that the gate has refused every challenger for so many weeks in a row.

    Args:
        champion: in use.
        versions: all that are registered.
        weeks: from which on people are told.
    """
    row = refused_since(versions, champion)
    number = weeks_of(row)
    if not row or number < weeks:
        return None
    last = row[0]
    return Notice(
        CHALLENGER_REFUSED,
        f"For {number} weeks in a row every challenger was refused, the last one version {last.number} as of "
        f"{last.tags['as_of']}; version {champion.number}, in use, knows the log until {champion.tags['as_of']}. "
        f"`onward lineage {last.number}` gives the gate's reasons.",
    )


def abandoned(champion: Version, minutes: int, now: datetime, unpushed: Callable[[str], str | None]) -> Notice | None:
    """Say that the run that put the version in use has never said so on its branch.

    Args:
        champion: in use.
        minutes: from its coming into use, in which its run must have pushed.
        now: with time zone.
        unpushed: asked of the run only where it was not finished; see `MonitoredProject`.
    """
    tags = champion.tags
    # A run that is finished tags its version; what `dvc repro` made by hand has no run to come back to.
    if MADE_BY_RUN not in tags or "run" in tags:
        return None
    since = max((moment(event.at) for event in events(tags) if event.what == PROMOTED), default=None)
    if since is not None and now < since + timedelta(minutes=minutes):
        return None
    run = tags[MADE_BY_RUN]
    lacks = unpushed(run)
    if lacks is None:
        return None
    when = "" if since is None else f" at {since:%Y-%m-%d %H:%M} UTC"
    return Notice(
        CHAMPION_ABANDONED,
        f"Version {champion.number} was put in use{when} by run {run}, and {lacks}: nothing leads back to what made "
        f"it. Go on with `onward run stage {run} deploy`, or take it out of use: `onward rollback --expected "
        f"{champion.number} --reason=…`.",
    )
