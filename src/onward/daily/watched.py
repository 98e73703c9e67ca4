"""What the daily monitor left on disk, and what was done about it: looks, and one small file an action.

A look is a folder that `onward monitor` wrote; an action is what the rules made of a look. Both are named by version
and as_of, so that the same day asked again is the same file, and machines that share the folders agree.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from onward.artifacts import read_json, read_table, write_json
from onward.errors import MonitoringError
from onward.monitoring.alerts import Decision, Taken
from onward.monitoring.daily_series import require_columns


def dashboards_folder(environ: Mapping[str, str], project: Path) -> Path:
    """The Evidently workspace that the pages of all runs and looks of a machine go to, wherever they are rendered."""
    return Path(environ.get("ONWARD_DASHBOARDS") or project / "monitoring" / "workspace")


@dataclass(frozen=True)
class Look:
    """One look: which version, by which clock, where it lies, and its verdict."""

    version: int
    as_of: date
    folder: Path
    verdict: Mapping[str, Any]

    @property
    def last_day(self) -> date:
        """The last day that the look knew."""
        return self.as_of - timedelta(days=1)

    def daily(self) -> pd.DataFrame | None:
        """Return the look's figures by day and level, or None after a look that failed.

        Raises:
            MonitoringError: the table is not what the contract says.
            ArtifactError: it is missing though the look did not fail.
        """
        if self.verdict["verdict"] == "failed":
            return None
        return require_columns(read_table(self.folder / "daily.parquet"))


@dataclass(frozen=True)
class Watched:
    """The folders of looks and actions, read from the environment here and nowhere else.

    Attributes:
        looks: below it `version=N/as_of=YYYY-MM-DD/`.
        actions: below it `version=N/as_of=YYYY-MM-DD.json`.
    """

    looks: Path
    actions: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], project: Path) -> "Watched":
        """Read ONWARD_LOOKS and ONWARD_ACTIONS; by default both lie in the project's monitoring/."""
        given = {key: value for key, value in environ.items() if value}
        root = Path(given.get("ONWARD_PROJECT", project))
        return cls(
            root / given.get("ONWARD_LOOKS", "monitoring/looks"),
            root / given.get("ONWARD_ACTIONS", "monitoring/actions"),
        )

    def versions(self) -> list[int]:
        """Return the versions that somebody has looked at."""
        return sorted(int(folder.name.partition("=")[2]) for folder in self.looks.glob("version=*"))

    def of_version(self, version: int) -> list[Look]:
        """Return the looks at a version, the first first."""
        found = []
        for folder in sorted((self.looks / f"version={version}").glob("as_of=????-??-??")):
            day = date.fromisoformat(folder.name.partition("=")[2])
            found.append(Look(version, day, folder, read_json(folder / "verdict.json")))
        return found

    def last(self, version: int) -> Look:
        """Return the last look at a version.

        Raises:
            MonitoringError: nobody has looked.
        """
        found = self.of_version(version)
        if not found:
            raise MonitoringError(
                f"{self.looks}: no look at version {version} yet; `onward score`, then `onward monitor --as-of D`"
            )
        return found[-1]

    def daily(self, version: int) -> pd.DataFrame | None:
        """Return each day of a version as the last look that holds it saw it; None if no look succeeded."""
        tables = [table for look in self.of_version(version) if (table := look.daily()) is not None]
        if not tables:
            return None
        return pd.concat(tables).drop_duplicates(["day", "level"], keep="last").sort_values(
            ["day", "level"], ignore_index=True
        )  # fmt: skip

    def taken(self) -> list[Taken]:
        """Return what was decided on every look so far, the first first."""
        found = []
        for path in self.actions.glob("version=*/as_of=????-??-??.json"):
            known = read_json(path)
            found.append(Taken(
                date.fromisoformat(known["as_of"]), known["version"], known["rule"], known["action"]
            ))  # fmt: skip
        return sorted(found, key=lambda each: (each.as_of, each.version))

    def record(self, version: int, as_of: date, decision: Decision) -> None:
        """Keep what was decided on a look; the same look decided again is the same file."""
        until = decision.rests_until
        write_json(self.actions / f"version={version}" / f"as_of={as_of}.json", {
            "version": version, "as_of": as_of.isoformat(), **asdict(decision),
            "rests_until": None if until is None else until.isoformat(),
        })  # fmt: skip
