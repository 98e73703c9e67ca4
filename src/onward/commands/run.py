"""`onward run …` and `onward reproduce`: runs, for people and for Airflow's tasks."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from onward.commands.project import project_registry, run_locations
from onward.redaction import redact

run_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Start a run of the pipeline on a git branch of its own, take it stage by stage, finish it.",
)

_RUN = Annotated[str, typer.Argument(help="Name of the run, as `start` printed it.", metavar="RUN")]


@run_app.callback()
def end_in_order() -> None:
    """Let the end that a scheduler asks for reach what was started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@run_app.command(name="start")
def start_run() -> None:
    """Read one JSON object from standard input, make the run's branch, and print its name as JSON.

    Keys, all optional: source, as_of, precision_target, estimator, search, popularity_weight, degree_power, threads,
    run_from, dry_run, run_id, interval_end, trigger.
    The same run_id finds the same run again. With dry_run nothing is made: it says which stages would run.
    """
    from onward.runs.protocol.names import branch_of
    from onward.runs.protocol.request import MOST_BYTES, parse_asked
    from onward.runs.protocol.start import start

    text = "{}" if sys.stdin.isatty() else sys.stdin.buffer.read(MOST_BYTES + 1).decode("utf-8", "replace")
    request = parse_asked(text)
    started = start(run_locations(), request, _champion, _say, _trained_by)
    if started.plan is not None:
        typer.echo(f"A run as of {started.as_of} would run:" if started.plan else "Nothing would run: nothing changed.")
        for stage, reason in started.plan.items():
            typer.echo(f"  {stage}: {reason}")
    result = {
        "run": started.run,
        "branch": started.run and branch_of(started.run),
        "as_of": started.as_of.isoformat(),
        "dry_run": request.dry_run,
        "started": started.new,
        "would_run": None if started.plan is None else list(started.plan),
    }
    typer.echo(json.dumps(result))


@run_app.command(name="stage")
def take_stage(
    run: _RUN, stages: Annotated[list[str], typer.Argument(help="Of dvc.yaml, in its order.", metavar="STAGE…")]
) -> None:
    """Run one stage of a run, or some, and record each on the run's branch; a stage that is recorded is left alone."""
    from onward.runs.protocol.transaction import run_stage, run_stages

    if len(stages) == 1:
        run_stage(run_locations(), run, stages[0], _say)
    else:
        run_stages(run_locations(), run, stages, _say)


@run_app.command(name="finish")
def finish_run(
    run: _RUN, *, pages: Annotated[bool, typer.Option(help="Whether to render the run's pages.")] = True
) -> None:
    """Render the run's pages, attach them to its version, and record on the branch that it is finished."""
    from onward.runs.protocol.finish import finish
    from onward.runs.protocol.names import branch_of

    finished = finish(run_locations(), run, _say, pages=pages)
    facts = finished.facts
    typer.echo(f"run {run} is finished: branch {branch_of(run)}")
    if "version" in facts:
        typer.echo(f"version {facts['version']}: {facts['reasons'][0]}; in use is version {facts['champion']}")
    if "version" in facts and pages:
        typer.echo(f"pages: with version {facts['version']} in the registry, folder runs/{run}")


def reproduce_run(
    run: _RUN,
    folder: Annotated[
        Path | None, typer.Option(help="Where to; without it a folder beside the workspaces.", show_default=False)
    ] = None,
) -> None:
    """Restore a past run's code, settings and outputs, and compare every output's hash with its dvc.lock."""
    from onward.runs.history.reproduce import reproduce

    restored = reproduce(run_locations(), run, folder, _say)
    for path, digest in restored.wrong.items():
        typer.echo(f"DIFFERENT {path}: recorded {restored.outs[path]}, found {digest or 'nothing'}")
    right = len(restored.outs) - len(restored.wrong)
    typer.echo(f"{right} of {len(restored.outs)} outputs are byte for byte those of run {run}, in {restored.folder}")
    if restored.wrong:
        raise typer.Exit(1)


def _say(line: str) -> None:
    typer.echo(redact(line))


def _trained_by() -> str | None:
    champion = project_registry().champion()
    return None if champion is None else champion.tags.get("run")


def _champion() -> int | None:
    champion = project_registry().champion()
    return None if champion is None else champion.number
