"""Assess a version as of a day, and keep the assessment as one folder."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from onward.artifacts import PARTIAL, replacing_directory, write_json, write_table
from onward.daily.look_log import record_look
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
from onward.monitoring.decision_log import place as place_of
from onward.monitoring.event_join import join_events
from onward.params import Params

# Whoever only looks a file up here does not wait for the libraries that judging lists needs.
if TYPE_CHECKING:
    from onward.daily.list_watch import ListWatch

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
    lists: "ListWatch | None" = None,
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
        lists: what watching the lists needs; without it nothing is said of them.

    Returns:
        What verdict.json holds.
    """
    facts: dict[str, Any] = {"source": params.run.source, "version": version, "decisions": _said_of([])}
    settings = AssessmentSettings(**params.monitoring.model_dump())
    daily = None
    weeks = None
    try:
        files = logged_files(decisions, version, as_of, replaced=replaced)
        facts["decisions"] = _said_of([Path(path).is_relative_to(decisions / SERVED) for _, path in files])
        together = [] if replaced else files_of_all_versions(decisions, version, as_of)
        events = read(root, params, min(files[0][0], together[0][0]) if together else files[0][0], as_of)
        window, threads = params.run.attribution_days, params.run.threads
        statistics = join_events(files, events, as_of, window, threads)
        all_versions = join_events(together, events, as_of, window, threads) if together else None
        assessment = assess(statistics, settings, all_versions)
        verdict = verdict_document(assessment, facts)
        daily = daily_table(assessment, settings)
        if lists is not None:
            watched = lists.look(version, as_of, events)
            verdict, weeks = watched.added_to(verdict), watched.weeks
    except Exception as error:  # noqa: BLE001 - a look that broke off must not seem one that nobody has taken
        verdict, daily = failed_document(as_of, facts, _why(error)), None
    _write(assessments, verdict, as_of, daily, weeks)
    return verdict


@contextmanager
def failure_recorded(assessments: Path, version: int, as_of: date, *, in_use: bool = True) -> Iterator[None]:
    """Record an assessment as failed if what has to come before it breaks, whatever it is.

    Args:
        assessments: their folder.
        version: that was to be assessed.
        as_of: the first day that is not known.
        in_use: the version decides, so a look has failed too; see `onward.daily.look_log`.

    Raises:
        MonitoringError: it broke; the message holds the reason that was recorded.
    """
    try:
        yield
    except Exception as error:
        reason = _why(error)
        facts = {"source": "", "version": version, "decisions": _said_of([])}
        failed = failed_document(as_of, facts, reason)
        _write(assessments, failed, as_of)
        if in_use:
            record_look(assessments, failed, datetime.now(UTC))
        raise MonitoringError(f"version {version} as of {as_of} cannot be assessed: {reason}") from error


def _write(
    assessments: Path,
    verdict: dict[str, Any],
    as_of: date,
    daily: pa.Table | None = None,
    weeks: pa.Table | None = None,
) -> None:
    with replacing_directory(assessment_folder(assessments, verdict["version"], as_of)) as folder:
        write_json(folder / "verdict.json", verdict)
        if daily is not None:
            write_table(folder / "daily.parquet", daily)
        if weeks is not None:
            write_table(folder / "lists.parquet", weeks)


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


def files_of_all_versions(folder: Path, version: int, as_of: date) -> list[tuple[date, str]]:
    """Day and path of what was in use day by day up to as_of, whichever version; empty if it was always this one.

    A day that two versions have a file of counts with the first of them: the other was asked about it afterwards. After
    a day without any decision the series begins anew.
    """
    since = as_of - timedelta(days=HISTORY_DAYS)
    chosen: dict[date, tuple[int, Path]] = {}
    for place in (folder, folder / SERVED):
        here: dict[date, int] = {}
        for day, number in _logged_in(place):
            if since <= day < as_of:
                here[day] = min(number, here[day]) if day in here else number
        # What was served comes last, so it is what stays.
        chosen |= {day: (number, place / place_of(day, number)) for day, number in here.items()}
    days, day = list[tuple[date, str]](), as_of - timedelta(days=1)
    while day in chosen:
        days.insert(0, (day, str(chosen[day][1])))
        day -= timedelta(days=1)
    in_use = {chosen[day][0] for day, _ in days}
    return days if in_use - {version} else []


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
    decided = {number for day, number in days_and_versions(folder) if first <= day < as_of}
    return sorted(decided - {version})


def first_logged(folder: Path, versions: Collection[int], as_of: date) -> date:
    """Return the first day that an assessment of one of these versions reads, as_of where there is none."""
    since = as_of - timedelta(days=HISTORY_DAYS)
    days = (day for day, version in days_and_versions(folder) if version in versions and since <= day)
    return min(days, default=as_of)


def _said_of(served: Sequence[bool]) -> dict[str, int]:
    """How many days were read of which log."""
    return {"served_days": sum(served), "batch_days": len(served) - sum(served)}


def days_and_versions(folder: Path) -> Iterator[tuple[date, int]]:
    """Yield day and version of each file of the decision log."""
    for place in (folder, folder / SERVED):
        yield from _logged_in(place)


def _logged_in(place: Path) -> Iterator[tuple[date, int]]:
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
