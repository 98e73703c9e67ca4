"""The dead-man's switch: is anybody looking? It reads files alone, so that it runs where Airflow does not."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from onward.artifacts import read_text
from onward.daily.alert_log import AlertLog
from onward.daily.feeds import Feed, feeds
from onward.daily.look_log import Look, last_look
from onward.errors import OnwardError
from onward.monitoring.alerts import Notices, parse_rules
from onward.monitoring.notices import FEED_STOPPED, LOOK_FAILED, NO_LOOK, OF_WATCHDOG, WATCHDOG_BLIND, Notice
from onward.monitoring.open_alerts import Trouble
from onward.monitoring.verdict import Verdict
from onward.params import read_params

_Read = TypeVar("_Read")
_ALERTS = "monitoring/alerts.yaml"
_REMEDIES: Mapping[str, str] = {
    NO_LOOK: "is Airflow up and its DAG `monitor` unpaused? By hand: `onward score --as-of D`, then `onward monitor "
    "--as-of D`",
    LOOK_FAILED: "mend what it names, and assess the same day again with `onward monitor --as-of D`",
    FEED_STOPPED: "see to the export of the shop's log",
    WATCHDOG_BLIND: "mend what it names",
}


def watch(
    project: Path, params_file: Path, looks: Path, log: AlertLog, hours: float | None, now: datetime
) -> list[Trouble]:
    """Say what is wrong with the watching itself, and keep it as alerts; what is over is kept as resolved.

    Args:
        project: with the rules.
        params_file: of the source.
        looks: folder of the assessments.
        log: of the alerts.
        hours: in which there must be a look; None for that of alerts.yaml.
        now: with time zone.
    """
    blind: list[str] = []
    told = _seen(lambda: parse_rules(read_text(project / _ALERTS), _ALERTS).notices, blind)
    limits = Notices() if told is None else told
    fed = _seen(lambda: feeds(read_params(params_file), project, now), blind)
    last = last_look(looks, now)
    notices = [
        *no_look(last, looks, limits.hours_to_look if hours is None else hours, now),
        *look_failed(last),
        *feed_stopped(fed or [], limits.hours_to_feed),
        *(Notice(WATCHDOG_BLIND, f"The watchdog cannot see everything: {'; '.join(blind)}") for _ in blind[:1]),
    ]
    found = [_trouble(notice, limits) for notice in notices]
    day = now.date()
    for trouble in found:
        log.find(trouble, day, now)
    # Of feeds that it cannot read, nobody knows that they go on again.
    lasting = {trouble.name for trouble in found} | ({FEED_STOPPED} if fed is None else set())
    for alert in log.open():
        if alert.name in OF_WATCHDOG and alert.name not in lasting:
            log.resolve(alert, "the watchdog does not find it any more", day, now)
    return found


def no_look(last: Look | None, looks: Path, hours: float, now: datetime) -> list[Notice]:
    """Say that nobody has looked for too long."""
    if last is None:
        return [Notice(NO_LOOK, f"No look is recorded in {looks}; {_REMEDIES[NO_LOOK]}")]
    if now - last.at <= timedelta(hours=hours):
        return []
    ago = (now - last.at) / timedelta(hours=1)
    return [
        Notice(
            NO_LOOK,
            f"The last look ended at {last.at:%Y-%m-%d %H:%M} UTC, {ago:.0f} h ago (version "
            f"{last.version} as of {last.as_of}); more than {hours:g} h is too long; {_REMEDIES[NO_LOOK]}",
        )
    ]


def look_failed(last: Look | None) -> list[Notice]:
    """Say that the last look saw nothing."""
    if last is None or last.verdict != Verdict.FAILED:
        return []
    return [
        Notice(
            LOOK_FAILED,
            f"The last look, at {last.at:%Y-%m-%d %H:%M} UTC (version {last.version} as of {last.as_of}), failed: "
            f"{last.reason}; {_REMEDIES[LOOK_FAILED]}",
        )
    ]


def feed_stopped(seen: Sequence[Feed], hours: float) -> list[Notice]:
    """Say that what days are decided from does not go on."""
    stopped = [
        f"{feed.name} is empty" if feed.until is None else f"{feed.name} ends at {feed.until:%Y-%m-%d %H:%M}"
        for feed in seen
        if feed.stopped(hours)
    ]
    if not stopped:
        return []
    return [
        Notice(
            FEED_STOPPED,
            f"The log has stopped: {', '.join(stopped)} by the shop's clock; more than {hours:g} h ago is too long; "
            f"{_REMEDIES[FEED_STOPPED]}",
        )
    ]


def _seen(read: Callable[[], _Read], blind: list[str]) -> _Read | None:
    """What is read; None if it cannot be, whatever the reason, which is kept."""
    try:
        return read()
    except OnwardError as error:
        blind.append(str(error))
    except Exception as error:  # noqa: BLE001 - a switch that breaks off in silence is none
        blind.append(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return None


def _trouble(notice: Notice, limits: Notices) -> Trouble:
    severity = limits.severity.of(notice.name)
    summary = f"{notice.name}: {' '.join(notice.says.split())[:300]}"
    return Trouble(notice.name, None, severity, summary, notice.says, {"rule": notice.name, "action": "none"})
