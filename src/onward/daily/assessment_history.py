"""The assessments that lie on disk, and what was done about each: one folder an assessment, one small file an action.

The pipeline's stage `monitor` writes the first assessment of a version, from test customers, before the version decides
anything; it speaks for the version until `onward monitor` has written a daily one. An action is what the rules made of
an assessment. Daily assessments and actions are named by version and as_of, so that the same day asked again is the
same file, and machines that share the folders agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from onward.artifacts import read_json, read_table
from onward.daily.action_log import ActionLog
from onward.daily.alert_log import FOLDER, AlertLog
from onward.daily.named_folders import by_day, by_version, skip
from onward.errors import ArtifactError, MonitoringError
from onward.monitoring.assessment import SCHEMA
from onward.monitoring.daily_series import require_columns
from onward.monitoring.verdict import Verdict


@dataclass(frozen=True)
class StoredAssessment:
    """One assessment: of which version, by which clock, where it lies, and its verdict.

    Attributes:
        version: that was assessed.
        as_of: the first day that was not known.
        folder: with verdict.json and, unless it failed, daily.parquet.
        verdict: what verdict.json holds.
        before_use: it is the stage's, from test customers, before the version decided anything.
    """

    version: int
    as_of: date
    folder: Path
    verdict: Mapping[str, Any]
    before_use: bool = False

    @property
    def last_day(self) -> date:
        """The last day that the assessment knew."""
        return self.as_of - timedelta(days=1)

    def daily(self) -> pd.DataFrame | None:
        """Return the figures by day and level, or None of an assessment that failed.

        Raises:
            MonitoringError: the table is not what the contract says.
            ArtifactError: it is missing though the assessment did not fail.
        """
        if self.verdict["verdict"] == Verdict.FAILED:
            return None
        return require_columns(read_table(self.folder / "daily.parquet"))


@dataclass(frozen=True)
class AssessmentHistory:
    """The folders of assessments and actions.

    Attributes:
        assessments: below it `version=N/as_of=YYYY-MM-DD/`.
        actions: see `ActionLog`.
        first: what the stage `monitor` wrote about the version that the last run made; need not be there.
    """

    assessments: Path
    actions: Path
    first: Path

    def of_version(self, version: int) -> list[StoredAssessment]:
        """Return the daily assessments of a version, the earliest first; the stage's one while there is none.

        Raises:
            MonitoringError: a verdict was written by another release.
        """
        stored = []
        for day, folder in by_day(self.assessments / f"version={version}", "as_of"):
            try:
                stored.append(StoredAssessment(version, day, folder, _read_verdict(folder)))
            except ArtifactError as error:
                skip(folder, str(error))
        if stored:
            return stored
        first = self.before_use()
        return [first] if first is not None and first.version == version else []

    def before_use(self) -> StoredAssessment | None:
        """Return the stage's assessment, of whatever version the last run made; None where there is none."""
        if not (self.first / "verdict.json").is_file():
            return None
        verdict = _read_verdict(self.first)
        as_of = date.fromisoformat(verdict["as_of"])
        return StoredAssessment(verdict["version"], as_of, self.first, verdict, before_use=True)

    def watched_versions(self) -> list[int]:
        """Return the versions that have a daily assessment."""
        return [version for version, _ in by_version(self.assessments)]

    def last(self, version: int) -> StoredAssessment:
        """Return the last assessment of a version.

        Raises:
            MonitoringError: there is none.
        """
        stored = self.of_version(version)
        if not stored:
            raise MonitoringError(
                f"{self.assessments}: no assessment of version {version} yet; `onward score`, then "
                "`onward monitor --as-of D`"
            )
        return stored[-1]

    def daily(self, version: int) -> pd.DataFrame | None:
        """Return each day of a version as its last assessment that holds it saw it; None if none succeeded."""
        tables = [table for assessment in self.of_version(version) if (table := assessment.daily()) is not None]
        if not tables:
            return None
        days = pd.concat(tables).drop_duplicates(["day", "level"], keep="last")
        return days.sort_values(["day", "level"], ignore_index=True)

    def first_decided(self, version: int) -> date | None:
        """Return the first day on which a version decided by the log's clock; None where nobody knows."""
        if version not in self.watched_versions():
            return None
        daily = self.daily(version)
        first: date | None = None if daily is None else daily["day"].min().date()
        return first

    @property
    def action_log(self) -> ActionLog:
        """What the rules asked for, and which run carried it out."""
        return ActionLog(self.actions)

    @property
    def alert_log(self) -> AlertLog:
        """The alerts that were raised, beside the actions."""
        return AlertLog(self.actions / FOLDER)


def _read_verdict(folder: Path) -> Mapping[str, Any]:
    verdict = read_json(folder / "verdict.json")
    if verdict.get("schema") != SCHEMA:
        raise MonitoringError(
            f"{folder}: verdict.json has schema {verdict.get('schema')}, not {SCHEMA}; make it again with "
            "`dvc repro monitor` or `onward monitor --as-of D`"
        )
    return verdict
