"""What the rules asked for, and which run carried it out: one small file for each, named by version and as_of.

An action counts as done from the moment on which the run that carries it out exists, and not when it was asked for: an
event that nobody takes, a paused DAG's for one, starts nothing, and must not rest for its cool-down.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from onward.artifacts import read_json, write_json
from onward.daily.named_folders import by_day, by_version, skip
from onward.errors import ArtifactError, MonitoringError
from onward.monitoring.alerts import STARTS, Action, Decision, PastAction

_NOT_KNOWN = "not recorded"
"""The run of an action that an earlier release kept, which recorded none."""


@dataclass(frozen=True)
class Started:
    """An action and the run that carries it out."""

    version: int
    as_of: date
    action: Action
    run: str

    @classmethod
    def of(cls, event: Mapping[str, Any], run: str) -> "Started":
        """Read what `onward act` printed, or an event that was made of it.

        Raises:
            MonitoringError: it names no action that starts something.
        """
        try:
            action = event["action"]
            if action in STARTS:
                return cls(int(event["version"]), date.fromisoformat(event["as_of"]), action, run)
        except (KeyError, TypeError, ValueError):
            pass
        raise MonitoringError(
            f"act: standard input must name version, as_of and action ({', '.join(STARTS)}); pass on what `onward act` "
            "printed last"
        )


@dataclass(frozen=True)
class ActionLog:
    """A folder: below it `version=N/as_of=YYYY-MM-DD.json` of what was asked, and the same in `started`."""

    folder: Path

    def past(self) -> list[PastAction]:
        """Return what was decided on every assessment so far, and what was started, the earliest first."""
        started = {(record["version"], record["as_of"]): record for record in _records(self.folder / "started", "run")}
        actions = [
            PastAction(
                date.fromisoformat(record["as_of"]), record["version"], record["rule"], record["action"],
                run=record["run"], asked_at=None,
            )
            for record in started.values()
        ]  # fmt: skip
        for record in _records(self.folder):
            begun = started.get((record["version"], record["as_of"]))
            if begun is not None and begun["action"] == record["action"]:
                continue
            asked_at = record.get("asked_at")
            actions.append(
                PastAction(
                    date.fromisoformat(record["as_of"]), record["version"], record["rule"], record["action"],
                    run=None if "asked_at" in record else _NOT_KNOWN,
                    asked_at=None if asked_at is None else datetime.fromisoformat(asked_at),
                )
            )  # fmt: skip
        return sorted(actions, key=lambda action: (action.as_of, action.version))

    def record(self, version: int, as_of: date, decision: Decision, now: datetime, minutes_to_start: int) -> bool:
        """Keep what was decided on an assessment; the same one decided again is the same file.

        Args:
            version: that was assessed.
            as_of: the assessment's clock.
            decision: of the rules.
            now: with time zone.
            minutes_to_start: after so many minutes without a run, the action is asked for anew.

        Returns:
            Whether the action had been asked for on this assessment before, in vain.
        """
        path = self._path(self.folder, version, as_of)
        before = read_json(path) if path.is_file() else {}
        same = before.get("action") == decision.action and before.get("asked_at") is not None
        in_vain = same and not self._path(self.folder / "started", version, as_of).is_file() and (
            (now - datetime.fromisoformat(before["asked_at"])).total_seconds() >= 60 * minutes_to_start
        )  # fmt: skip
        starts = decision.action in STARTS
        asked_at = before["asked_at"] if same and not in_vain else now.isoformat(timespec="seconds")
        until = decision.rests_until
        write_json(
            path,
            {
                "version": version,
                "as_of": as_of.isoformat(),
                **asdict(decision),
                "rests_until": None if until is None else until.isoformat(),
                "asked_at": asked_at if starts else None,
            },
        )
        return in_vain

    def start(self, started: Started, now: datetime) -> None:
        """Keep that a run carries an action out; the first run that says so stays."""
        path = self._path(self.folder / "started", started.version, started.as_of)
        if path.is_file():
            return
        asked = self._path(self.folder, started.version, started.as_of)
        write_json(
            path,
            {
                **asdict(started),
                "as_of": started.as_of.isoformat(),
                "rule": read_json(asked)["rule"] if asked.is_file() else "",
                "at": now.isoformat(timespec="seconds"),
            },
        )

    def run_of(self, version: int, as_of: date) -> str | None:
        """The run that carries out what was asked on an assessment; None if none does."""
        path = self._path(self.folder / "started", version, as_of)
        return str(read_json(path)["run"]) if path.is_file() else None

    def _path(self, folder: Path, version: int, as_of: date) -> Path:
        return folder / f"version={version}" / f"as_of={as_of}.json"


def _records(folder: Path, *more: str) -> Iterator[dict[str, Any]]:
    """The actions that lie in a folder; what is none is skipped by name."""
    for _, of_version in by_version(folder):
        for _, path in by_day(of_version, "as_of", ".json"):
            try:
                record = read_json(path)
            except ArtifactError as error:
                skip(path, str(error))
                continue
            missing = [name for name in ("version", "as_of", "rule", "action", *more) if name not in record]
            if missing:
                skip(path, f"it holds no action: {missing[0]} is missing")
            else:
                yield record
