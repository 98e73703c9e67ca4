"""`onward gc`: what old runs left behind goes; what is in use, and what was before it, stays."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from onward.commands.project import project_registry, project_settings, run_locations
from onward.redaction import redact


def gc(
    *,
    keep: Annotated[int, typer.Option(min=1, help="So many of the latest runs stay, and of the latest versions.")],
    older: Annotated[int, typer.Option(min=0, max=36_500, help="Only what is older than so many days goes.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Collect old runs: branches, outputs in DVC's cache and remote, versions, figures, Airflow's records.

    The version in use, the one before it, and all that made them never go. The last line is JSON.
    """
    from onward.runs.collection.candidates import Wanted
    from onward.runs.collection.collect import collect
    from onward.services.airflow_cleaning import clean_airflow

    now = datetime.now(UTC)
    wanted = Wanted(keep, now - timedelta(days=older), now)
    settings = project_settings()
    went = collect(run_locations(), project_registry(), wanted, _say, dry_run=dry_run)
    days = _drop_figures(went.versions, settings.dashboards, dry_run=dry_run)
    word = "would go" if dry_run else "go"
    if days:
        _say(f"{days} days of their figures {word} from Evidently's workspace")
    airflow = clean_airflow(settings.project, wanted.before, dry_run=dry_run)
    if airflow:
        _say(f"Airflow's records from before {wanted.before:%Y-%m-%d} {word}")
    typer.echo(
        json.dumps(
            {
                "dry_run": dry_run,
                "runs": list(went.runs),
                "versions": list(went.versions),
                "outputs": went.outputs,
                "bundles": went.bundles,
                "partial": went.partial,
                "strays": went.strays,
                "evidently_days": days,
                "airflow": airflow,
            }
        )
    )


def _drop_figures(versions: tuple[int, ...], dashboards: Path, *, dry_run: bool) -> int:
    if not versions or not dashboards.is_dir():
        return 0
    # Evidently takes seconds to import.
    from onward.reporting.evidently_pages import drop_versions

    return drop_versions(versions, dashboards, dry_run=dry_run)


def _say(line: str) -> None:
    typer.echo(redact(line))
