"""Assess a version as of a day, and keep the assessment as one folder."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from onward.artifacts import PARTIAL, replacing_directory, write_json, write_table
from onward.daily.named_folders import skip
from onward.daily.places import ReadEvents, read_events
from onward.deployment.registry import Registry
from onward.errors import MonitoringError, OnwardError
from onward.monitoring.assessment import (
    AssessmentSettings,
    assess,
    daily_table,
    failed_document,
    verdict_document,
)
from onward.monitoring.decision_log import SERVED, check_schema, day_and_version, logged_days
from onward.monitoring.event_join import join_events
from onward.params import Params

HISTORY_DAYS = 140
"""Decisions that an assessment reads at most: longer ago, and a year's seasons are compared with each other."""


def assessment_folder(folder: Path, version: int, as_of: date) -> Path:
    """Folder of one assessment."""
    return folder / f"version={version}" / f"as_of={as_of.isoformat()}"


def assess_version(
    root: Path,
    params: Params,
    version: int,
    decisions: Path,
    assessments: Path,
    as_of: date,
    *,
    replaced: bool = False,
    read: ReadEvents = read_events,
) -> dict[str, Any]:
    """Assess a version as of a day, and write what was found; the same day again gives the same bytes.

    An assessment that cannot be computed is written too, as failed with its reason.

    Args:
        root: of the project.
        params: of the source and the monitor.
        version: whose decisions.
        decisions: folder of the decision log.
        assessments: folder of the assessments.
        as_of: the first day that is not known.
        replaced: the version no longer decides; its log may end before as_of, and its labels go on to mature.
        read: how conversions and engagements are read.

    Returns:
        What verdict.json holds.
    """
    facts: dict[str, Any] = {"source": params.run.source, "version": version, "decisions": _said_of([])}
    settings = AssessmentSettings(**params.monitoring.model_dump())
    daily = None
    try:
        files = logged_files(decisions, version, as_of, replaced=replaced)
        facts["decisions"] = _said_of([Path(path).is_relative_to(decisions / SERVED) for _, path in files])
        events = read(root, params, files[0][0], as_of)
        statistics = join_events(files, events, as_of, params.run.attribution_days, params.run.threads)
        assessment = assess(statistics, settings)
        verdict = verdict_document(assessment, facts)
        daily = daily_table(assessment, settings)
    except Exception as error:  # noqa: BLE001 - a look that broke off must not seem one that nobody has taken
        verdict = failed_document(as_of, facts, _why(error))
    _write(assessments, verdict, as_of, daily)
    return verdict


@contextmanager
def failure_recorded(assessments: Path, version: int, as_of: date) -> Iterator[None]:
    """Record an assessment as failed if what has to come before it breaks, whatever it is.

    Raises:
        MonitoringError: it broke; the message holds the reason that was recorded.
    """
    try:
        yield
    except Exception as error:
        reason = _why(error)
        facts = {"source": "", "version": version, "decisions": _said_of([])}
        _write(assessments, failed_document(as_of, facts, reason), as_of, None)
        raise MonitoringError(f"version {version} as of {as_of} cannot be assessed: {reason}") from error


def _write(assessments: Path, verdict: dict[str, Any], as_of: date, daily: pa.Table | None) -> None:
    with replacing_directory(assessment_folder(assessments, verdict["version"], as_of)) as folder:
        write_json(folder / "verdict.json", verdict)
        if daily is not None:
            write_table(folder / "daily.parquet", daily)


def _why(error: Exception) -> str:
    """One line: the message of an error that was meant, and of any other what and where it was."""
    if isinstance(error, OnwardError):
        return str(error)
    where = extract_tb(error.__traceback__)[-1]
    told = " ".join(str(error).split())
    return (
        f"{type(error).__name__}: {told[:300]} ({Path(where.filename).name}, line {where.lineno}); mend the input that "
        "it names, or report it as a defect"
    )


def logged_files(folder: Path, version: int, as_of: date, *, replaced: bool = False) -> list[tuple[date, str]]:
    """Day and path of the files that an assessment reads: what was served where anything was, else the batch's.

    Raises:
        MonitoringError: there is none, a day is missing, or a file does not hold decisions.
    """
    first_kept = as_of - timedelta(days=HISTORY_DAYS)
    logged: dict[date, Path] = {}
    # What was served comes last, so it is what stays.
    for place in (folder, folder / SERVED):
        names = (path.relative_to(place).as_posix() for path in place.glob("day=*/version=*.parquet"))
        logged |= {day: place / name for day, name in logged_days(names, version).items() if first_kept <= day < as_of}
    logged = dict(sorted(logged.items()))
    if not logged:
        raise MonitoringError(
            f"no data: {folder} holds no decision of version {version} before {as_of}; run `onward score --day …`"
        )
    first = min(logged)
    end = max(logged) + timedelta(days=1) if replaced else as_of
    gaps = [day for number in range((end - first).days) if (day := first + timedelta(days=number)) not in logged]
    if gaps:
        raise MonitoringError(
            f"no data: {len(gaps)} days of version {version} are not in the decision log, the first {gaps[0]}; "
            f"run `onward score --day {gaps[0]} --to {gaps[-1]}`"
        )
    for path in logged.values():
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise MonitoringError(f"decision log: {path} is not Parquet ({error}); restore it") from error
        check_schema(path.relative_to(folder).as_posix(), schema)
    return [(day, str(path)) for day, path in logged.items()]


def still_maturing(folder: Path, version: int, as_of: date, window_days: int) -> list[int]:
    """Return the versions other than this one that decided within the attribution window before a day.

    They decide no more, but their labels go on to arrive, and what is shown of their days follows.

    Args:
        folder: of the decision log.
        version: the one in use.
        as_of: the first day that is not known.
        window_days: W.
    """
    # What was shown late on a day has matured a window and a day after it began: then comes the last assessment.
    first = as_of - timedelta(days=window_days + 1)
    decided = {number for day, number in _logged(folder) if first <= day < as_of}
    return sorted(decided - {version})


def first_logged(folder: Path, versions: Collection[int], as_of: date) -> date:
    """Return the first day that an assessment of one of these versions reads, as_of where there is none."""
    since = as_of - timedelta(days=HISTORY_DAYS)
    return min((day for day, version in _logged(folder) if version in versions and since <= day), default=as_of)


def _said_of(served: Sequence[bool]) -> dict[str, int]:
    """How many days were read of which log."""
    return {"served_days": sum(served), "batch_days": len(served) - sum(served)}


def _logged(folder: Path) -> Iterator[tuple[date, int]]:
    """Yield day and version of each file of the decision log."""
    for place in (folder, folder / SERVED):
        for path in sorted(place.glob("day=*/*")):
            logged = day_and_version(path.relative_to(place).as_posix())
            if logged is not None:
                yield logged
            elif not path.name.endswith(PARTIAL):
                skip(path, "it is no file of the decision log")


def version_in_use(registry: Registry) -> int:
    """Number of the champion.

    Raises:
        MonitoringError: nothing is deployed.
    """
    champion = registry.champion()
    if champion is None:
        raise MonitoringError("nothing is deployed, so nothing can be watched; run the pipeline, see `onward status`")
    return champion.number
