"""`onward score`, `onward monitor` and `onward feedback`: what runs every day beside the pipeline."""

import getpass
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from onward.commands.day_option import day_option
from onward.commands.project import project_layout, project_registry, project_settings
from onward.errors import MonitoringError, MonitoringInputError, RegistryError

VERDICT_COLOURS = {"ok": "green", "inconclusive": "yellow", "drifted": "bold red", "failed": "bold red"}
_out = Console()


def score(
    day: Annotated[datetime | None, day_option(help="Whose impressions are decided on.")] = None,
    to: Annotated[datetime | None, day_option(help="Last of several days, included.")] = None,
    as_of: Annotated[datetime | None, day_option(help="Instead: every day before it that is not logged yet.")] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Decide anew on days that are logged; the old files are kept aside.")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="Why they are replaced, in one line of 10 to 500 characters.", show_default=False),
    ] = None,
    by: Annotated[str, typer.Option(help="Who says so; this machine's user if not given.", show_default=False)] = "",
) -> None:
    """Log what the version in use decides on a day's impressions; a day that is logged stays as it is.

    A day is logged once the source is complete for it: impressions and purchases have gone past it, or the file
    `complete_through` in the source's folder names it. Later days are refused.
    """
    from onward.daily.completeness import complete_until
    from onward.daily.look_log import NOTHING_YET, record_look
    from onward.daily.places import with_project
    from onward.daily.revisions import REVISIONS, Revision
    from onward.daily.score import Scored, score_days
    from onward.daily.shared_folders import SharedFolder, days_from, nothing
    from onward.deployment.bundle_files import read_bundle
    from onward.deployment.reasons import Reason
    from onward.params import read_params

    if replace != (reason is not None) or (replace and day is None):
        raise MonitoringInputError(
            "score: --replace needs --day (with --to for several) and --reason; neither goes alone"
        )
    if (day is None) == (as_of is None) or (to is not None and day is None):
        raise MonitoringInputError("score: say either --day (with --to for several), or --as-of")
    settings = project_settings()
    registry = project_registry()
    params = with_project(read_params(project_layout().params), settings.project)
    now = datetime.now(UTC)
    revision = None if reason is None else Revision(Reason.given(reason, by or getpass.getuser()), now)
    champion = registry.champion()
    if champion is None:
        raise RegistryError("nothing is deployed, so nothing can decide; run the pipeline, see `onward status`")
    bundle = read_bundle(registry.folder(champion))
    learnt = date.fromisoformat(str(bundle.facts["as_of"]))
    first = day.date() if day else learnt
    last = as_of.date() - timedelta(days=1) if as_of else (to.date() if to else first)
    done, complete = Scored({}, ()), None
    if day or last >= first:
        complete = complete_until(params, now)
        with SharedFolder.of(settings, "decisions").shared(days_from(first)):
            done = score_days(params, bundle, champion.number, settings.decisions, first, last, complete, revision)
    for scored_day, rows in done.rows.items():
        _out.print(f"{scored_day}: {rows:,} decisions of version {champion.number}")
    if done.revised:
        aside = settings.decisions / REVISIONS
        _out.print(f"{len(done.revised)} days had been logged before; the old files are in {aside}", soft_wrap=True)
    if done.kept:
        _out.print(f"[dim]{len(done.kept)} days had been logged before and stay as they are[/]")
    if complete is None and as_of is not None:
        # It came into use on that very day, so there is nothing to assess; somebody has looked all the same.
        seen = {"version": champion.number, "as_of": as_of.date().isoformat(), "verdict": NOTHING_YET}
        with SharedFolder.of(settings, "looks").shared(nothing):
            record_look(settings.looks, {**seen, "reason": f"it decides from {first} on"}, now)
    if complete is not None:
        # After those that are: each of them is logged for good.
        complete.require(first, last)
    typer.echo(
        json.dumps(
            {
                "version": champion.number,
                "from": first.isoformat(),
                "to": last.isoformat(),
                "rows": sum(done.rows.values()),
                "days": len(done.rows),
                "kept": len(done.kept),
                "revised": len(done.revised),
            }
        )
    )


def monitor(
    as_of: Annotated[datetime, day_option(help="The first day that is not known.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="Another than the one in use; its log may have ended.", show_default=False)
    ] = None,
) -> None:
    """Assess the version in use as of a day, the last line as JSON; exit 1 when that cannot be done.

    Versions that it replaced are assessed too while their labels mature, so that the pages show what came of them.
    """
    from onward.daily.list_watch import ListWatch
    from onward.daily.look_log import record_look
    from onward.daily.monitor import (
        HISTORY_DAYS,
        assess_version,
        assessment_folder,
        days_and_versions,
        failure_recorded,
        first_logged,
        still_maturing,
        version_in_use,
    )
    from onward.daily.places import read_once
    from onward.daily.served_decisions import write_served_days
    from onward.daily.shared_folders import SharedFolder, days_from, nothing
    from onward.data.shop_clock import ShopClock
    from onward.params import read_params
    from onward.serving.served_folders import ServedFolders

    settings = project_settings()
    day = as_of.date()
    root = settings.project
    decisions = settings.decisions
    assessments = settings.looks
    number = version or version_in_use(project_registry())
    log, looks = SharedFolder.of(settings, "decisions"), SharedFolder.of(settings, "looks")
    with looks.shared(nothing):
        with failure_recorded(assessments, number, day, in_use=version is None):
            params = read_params(project_layout().params)
            today = ShopClock(params.shop.time_zone).now().date()
            with log.shared(days_from(day - timedelta(days=HISTORY_DAYS))):
                write_served_days(ServedFolders(settings.served), decisions, min(day, today))
            others = still_maturing(decisions, number, day, params.run.attribution_days) if version is None else []
            logged = tuple(days_and_versions(decisions))
            # All versions since then speak together where the one in use cannot speak for itself.
            read = read_once(first_logged(decisions, {number for _, number in logged}, day))
            lists = ListWatch(root, params, project_registry(), assessments, logged)
        verdict = assess_version(
            root, params, number, decisions, assessments, day, replaced=version is not None, read=read, lists=lists
        )
        if version is None:
            # Of the version in use alone: an assessment of another one is no sign that somebody watches.
            record_look(assessments, verdict, datetime.now(UTC))
        for other in others:
            # Their labels go on to mature for the pages; nothing is decided on them, so a failure is theirs alone.
            assess_version(root, params, other, decisions, assessments, day, replaced=True, read=read)
    if verdict["verdict"] == "failed":
        raise MonitoringError(f"version {number} as of {day} cannot be assessed: {verdict['reason']}")
    cause = f" ({verdict['cause']})" if verdict["cause"] else ""
    coloured = f"[{VERDICT_COLOURS[verdict['verdict']]}]{verdict['verdict']}[/]"
    _out.print(f"{coloured}{cause} for version {number} as of {day}: {escape(verdict['reason'])}")
    read_of = verdict["decisions"]
    _out.print(
        f"  decisions of {read_of['served_days']} days as served, of {read_of['batch_days']} as the batch logged"
    )
    for level in verdict["levels"]:
        _out.print(f"  level {level['level']}: {level['verdict']}, {escape(level['reason'])}", soft_wrap=True)
    for signal in verdict["signals"]:
        _out.print(f"  {signal['name']}: {signal['verdict']}, {escape(signal['reason'])}", soft_wrap=True)
    _out.print(f"[dim]{assessment_folder(assessments, number, day)}[/]", soft_wrap=True)
    typer.echo(json.dumps(verdict))


def feedback(
    to: Annotated[
        Path | None, typer.Option(help="Folder of the source; that of params.yaml if it is not given.")
    ] = None,
) -> None:
    """Hand the feedback of days that are over to the log that ingest reads, the last line as JSON."""
    from onward.daily.feedback_parts import write_feedback_parts
    from onward.data.shop_clock import ShopClock
    from onward.params import read_params
    from onward.serving.served_folders import ServedFolders

    settings = project_settings()
    folder = to
    params = read_params(project_layout().params)
    if folder is None:
        if params.run.source != "parquet":
            raise MonitoringError(
                f"feedback: source {params.run.source} reads no folder; set run.source to parquet, or say --to FOLDER"
            )
        folder = settings.project / params.sources.parquet.folder
    today = ShopClock(params.shop.time_zone).now().date()
    written = write_feedback_parts(ServedFolders(settings.served).feedback, folder, today)
    _out.print(", ".join(f"{rows:,} {table}" for table, rows in written.items()), f"in {folder}", soft_wrap=True)
    typer.echo(json.dumps(written))
