"""`onward check-params` and `onward repro`: the pipeline's settings, and the pipeline itself."""

import typer
from rich.console import Console

from onward.commands.project import project_layout

_out = Console()


def check_params() -> None:
    """Check params.yaml without running anything."""
    from onward.params import read_params

    run = read_params(project_layout().params).run
    _out.print(
        f"[green]params.yaml is fine[/]: source {run.source}, as_of {run.as_of}, W = {run.attribution_days} days"
    )


def repro(context: typer.Context) -> None:
    """Run `dvc repro` with the options and stages given, after mending a dvc.lock that a kill has cut off."""
    from onward.stages.lockfile import become_repro, mend

    root = project_layout().root
    mended = mend(root)
    if mended:
        _out.print(f"[yellow]{mended}[/]")
    become_repro(root, context.args)
