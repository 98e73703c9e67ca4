"""`onward …`: every command of Onward, by the panel of the help page that it stands on.

Every heavy import is local to the command that needs it, so that `onward --help` answers at once.
"""

import sys
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from onward.commands.alerts import acknowledge, tell, watchdog
from onward.commands.backup import backup, restore
from onward.commands.daily import feedback, monitor, score
from onward.commands.diagnose import diagnose
from onward.commands.gc import gc
from onward.commands.history import find, lineage, runs
from onward.commands.oncall import act, oncall
from onward.commands.pipeline import check_params, repro
from onward.commands.promotion import promote, rollback
from onward.commands.recommend import recommend
from onward.commands.replay import replay
from onward.commands.report import report
from onward.commands.run import reproduce_run, run_app
from onward.commands.services import airflow, dashboards, serve
from onward.commands.status import status
from onward.errors import FAILED, OnwardError

_EXAMPLES = (
    "Examples:  [cyan]onward recommend milk[/]   [cyan]onward status[/]   [cyan]onward report[/]   "
    "[dim]The pipeline itself runs with[/] [cyan]dvc repro[/] [dim]or[/] [cyan]onward airflow[/][dim].[/]"
)

app = typer.Typer(
    name="onward", no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
    help="Related products that know [b]direction[/b], [b]delay[/b] and [b]doubt[/b]. Run it in the project's folder.",
    epilog=_EXAMPLES,
)  # fmt: skip

_PANELS = {
    "Ask the deployed model": (recommend, status, report, diagnose),
    "Change what is deployed": (promote, rollback, check_params),
    "Watch and run": (
        repro,
        dashboards,
        serve,
        airflow,
        score,
        monitor,
        feedback,
        act,
        oncall,
        acknowledge,
        tell,
        watchdog,
        replay,
    ),
    "Find what exists": (runs, lineage, find, gc, backup, restore),
}
# `onward repro` hands every option and stage on to DVC.
_FOR_DVC = {"allow_extra_args": True, "ignore_unknown_options": True}

for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel, context_settings=_FOR_DVC if command is repro else None)(command)
app.add_typer(run_app, name="run", rich_help_panel="Watch and run")
app.command(name="reproduce", rich_help_panel="Watch and run")(reproduce_run)


def main() -> None:
    """Run the command line; an error that a user can mend becomes one line and a status that says if a retry helps."""
    try:
        app()
    except OnwardError as error:
        _fail(str(error), error.status)
    except OSError as error:
        # A folder that may not be written, a full disk, a file that is a folder: the system's own words say which.
        _fail(f"{error.filename or error.__class__.__name__}: {error.strerror or error}; see to it and try again")


def _fail(line: str, status: int = FAILED) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(line)}", soft_wrap=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
