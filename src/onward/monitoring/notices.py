"""What people are told besides the answer of the rules: things that nobody would miss by looking at the verdict.

Each notice has its heading in runbook.md, as a rule has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onward.monitoring.alerts import ACTION_NAMES, STARTS, PastAction

ACTION_NOT_STARTED = "action-not-started"
CHALLENGER_REFUSED = "challenger-refused"
CHAMPION_ABANDONED = "champion-abandoned"
OF_ACT = (ACTION_NOT_STARTED, CHALLENGER_REFUSED, CHAMPION_ABANDONED)
"""What `onward act` tells of."""

NO_LOOK = "no-look"
LOOK_FAILED = "look-failed"
FEED_STOPPED = "feed-stopped"
WATCHDOG_BLIND = "watchdog-blind"
OF_WATCHDOG = (NO_LOOK, LOOK_FAILED, FEED_STOPPED, WATCHDOG_BLIND)
"""What `onward watchdog` tells of, from outside Airflow."""

NOTICES = (*OF_ACT, *OF_WATCHDOG)
"""Every name that a notice may have."""


@dataclass(frozen=True)
class Notice:
    """Its name, which is its anchor in runbook.md, and one sentence."""

    name: str
    says: str


def unstarted(past: Sequence[PastAction], version: int) -> PastAction | None:
    """The action that the last decision on a version asked for, if no run has carried it out; None otherwise.

    Args:
        past: the earliest first.
        version: the one in use; what was asked on another does not matter any more.
    """
    decided = [action for action in past if action.version == version]
    # What an earlier look asked for and a later one does not is not missing.
    return decided[-1] if decided and decided[-1].action in STARTS and decided[-1].run is None else None


def not_started(past: Sequence[PastAction], version: int, minutes: int, now: datetime) -> Notice | None:
    """Say that the run that an action asks for does not exist though it should by now.

    Args:
        past: see `unstarted`.
        version: the one in use.
        minutes: in which a run must exist.
        now: with time zone.
    """
    action = unstarted(past, version)
    if action is None or action.asked_at is None or now < action.asked_at + timedelta(minutes=minutes):
        return None
    return Notice(
        ACTION_NOT_STARTED,
        f"{ACTION_NAMES[action.action]} was asked for at {action.asked_at:%Y-%m-%d %H:%M} UTC (version {version} as of "
        f"{action.as_of}), and {minutes} min later no run had begun. Is its DAG paused? `onward status` says so.",
    )
