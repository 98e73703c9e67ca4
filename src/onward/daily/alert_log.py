"""The alerts that were raised: one small file an event, beside the actions, so that any store of files will do.

Below the folder lie `key=<key>/<number>/`, one for each time that the trouble came up, and there:

    triggered.json                  who is in trouble, how badly, since when
    again-<day>.json                a later look finds it still
    acknowledged.json               somebody has taken it on: nobody is told again
    resolved.json                   it is over
    told/<event>.<channel>.json     a channel has taken the message of that event

A file that is there is never written again: what was asked twice leaves the same bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

from onward.artifacts import read_json, write_json
from onward.channels.message import KEY, Severity, State
from onward.daily.named_folders import skip
from onward.errors import ArtifactError, MonitoringInputError
from onward.monitoring.open_alerts import Trouble

FOLDER = "alerts"
"""Beside the actions."""

_NUMBER = "{:04}"
_AGAIN = "again-"
_TRIGGERED, _ACKNOWLEDGED, _RESOLVED = "triggered", "acknowledged", "resolved"


@dataclass(frozen=True)
class Alert:
    """One time that a trouble came up.

    Attributes:
        folder: of its files.
        key: the dedup key.
        name: of the rule or notice.
        version: that it is about, or None.
        severity: how bad it is.
        since: when it was found first.
        day: what it was found by first: the look's as_of, or the watchdog's date.
        event: the last thing that happened to it, by the name of its file.
        said: summary, text and details, as the last look that found it has them.
        acknowledged: by whom and why, in a line, or None.
        resolved: why it is over, or None.
        last: the day of the last event that has one.
        at: of the last event.
    """

    folder: Path
    key: str
    name: str
    version: int | None
    severity: Severity
    since: datetime
    day: date
    event: str
    said: dict[str, Any]
    acknowledged: str | None
    resolved: str | None
    last: date
    at: datetime

    @property
    def state(self) -> State:
        """What has become of it."""
        if self.resolved is not None:
            return "resolved"
        return "triggered" if self.acknowledged is None else "acknowledged"

    @property
    def told(self) -> set[tuple[str, str]]:
        """Which channel has taken the message of which event."""
        return {
            (event, channel)
            for path in self.folder.glob("told/*.json")
            for event, _, channel in [path.name.removesuffix(".json").partition(".")]
        }


@dataclass(frozen=True)
class AlertLog:
    """The folder of alerts."""

    folder: Path

    def alerts(self) -> list[Alert]:
        """The last time that each trouble came up, by key; what is no alert is skipped by name."""
        found = []
        for place in sorted(self.folder.glob("key=*")):
            key = place.name.removeprefix("key=")
            times = _times(place)
            if not re.fullmatch(KEY, key) or not times:
                skip(place, "it holds no alert")
                continue
            try:
                found.append(_read(max(times), key))
            except (ArtifactError, KeyError, TypeError, ValueError) as error:
                skip(max(times), f"it holds no alert ({' '.join(str(error).split())[:200]})")
        return found

    def open(self) -> list[Alert]:
        """What is not resolved, the worst and the oldest first."""
        worst: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}
        alerts = [alert for alert in self.alerts() if alert.resolved is None]
        return sorted(alerts, key=lambda alert: (worst[alert.severity], alert.since, alert.key))

    def find(self, trouble: Trouble, day: date, now: datetime) -> None:
        """Keep that a look, or the watchdog, found a trouble; a look of an earlier day than the last changes nothing.

        Args:
            trouble: that was found.
            day: of the look: its as_of, or the watchdog's date.
            now: with time zone.
        """
        last = next((alert for alert in self.alerts() if alert.key == trouble.key), None)
        if last is not None and day < last.last:
            return
        known = last is not None and last.resolved is None
        said = {"summary": trouble.summary, "text": trouble.text, "details": dict(trouble.details)}
        if last is None or not known:
            place = self.folder / f"key={trouble.key}"
            # By the folders, not by the last alert that can be read: a kill may have left a number without one.
            number = 1 + max((int(path.name) for path in _times(place)), default=0)
            folder = place / _NUMBER.format(number)
            about = {"name": trouble.name, "version": trouble.version, "severity": trouble.severity}
            _keep(folder / f"{_TRIGGERED}.json", {**about, **said, "day": day.isoformat()}, now)
        elif trouble.repeats and last.acknowledged is None and day > last.last:
            _keep(last.folder / f"{_AGAIN}{day}.json", said, now)

    def resolve(self, alert: Alert, why: str, day: date, now: datetime) -> None:
        """Keep that a trouble is over; a look of an earlier day than the last that found it cannot say so."""
        if alert.resolved is None and day >= alert.last:
            _keep(alert.folder / f"{_RESOLVED}.json", {"why": why, "day": day.isoformat()}, now)

    def acknowledge(self, key: str, by: str, reason: str, now: datetime) -> Alert:
        """Keep that somebody has taken a trouble on; the first who does so stays.

        Raises:
            MonitoringInputError: no alert of that key is open.
        """
        alerts = {alert.key: alert for alert in self.open()}
        if key not in alerts:
            names = ", ".join(alerts) or "none"
            raise MonitoringInputError(
                f"acknowledge: no alert {key[:80]!r} is open; open now: {names}; see `onward status`"
            )
        _keep(alerts[key].folder / f"{_ACKNOWLEDGED}.json", {"by": by, "reason": reason}, now)
        return _read(alerts[key].folder, key)

    def keep_told(self, alert: Alert, channel: str, now: datetime) -> None:
        """Keep that a channel has taken the message of an alert's last event."""
        _keep(alert.folder / "told" / f"{alert.event}.{channel}.json", {}, now)


def _times(place: Path) -> list[Path]:
    return [path for path in place.glob("[0-9]*") if path.is_dir() and path.name.isdecimal()]


def _keep(path: Path, record: dict[str, Any], now: datetime) -> None:
    if not path.is_file():
        write_json(path, {**record, "at": now.isoformat(timespec="seconds")})


def _read(folder: Path, key: str) -> Alert:
    first = read_json(folder / f"{_TRIGGERED}.json")
    event, last, said = _TRIGGERED, date.fromisoformat(first["day"]), first
    for day, path in _again(folder):
        event, last, said = f"{_AGAIN}{day}", day, read_json(path)
    newest, acknowledged, resolved = said, None, None
    if (folder / f"{_ACKNOWLEDGED}.json").is_file():
        event, newest = _ACKNOWLEDGED, read_json(folder / f"{_ACKNOWLEDGED}.json")
        acknowledged = f"{newest['by']}: {newest['reason']}"
    if (folder / f"{_RESOLVED}.json").is_file():
        event, newest = _RESOLVED, read_json(folder / f"{_RESOLVED}.json")
        resolved, last = str(newest["why"]), date.fromisoformat(newest["day"])
    if first["severity"] not in {"critical", "warning", "info"}:
        raise ValueError(f"severity {first['severity']!r}")
    return Alert(
        folder=folder,
        key=key,
        name=str(first["name"]),
        version=first["version"],
        severity=cast("Severity", first["severity"]),
        since=datetime.fromisoformat(first["at"]),
        day=date.fromisoformat(first["day"]),
        event=event,
        said={name: said[name] for name in ("summary", "text", "details")},
        acknowledged=acknowledged,
        resolved=resolved,
        last=last,
        at=datetime.fromisoformat(newest["at"]),
    )


def _again(folder: Path) -> Iterator[tuple[date, Path]]:
    for path in sorted(folder.glob(f"{_AGAIN}*.json")):
        yield date.fromisoformat(path.name.removeprefix(_AGAIN).removesuffix(".json")), path
