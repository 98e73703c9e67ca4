"""`onward promote` and `onward rollback`: what a person puts in use, whatever the gate says."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from onward.commands.project import project_registry

if TYPE_CHECKING:
    from onward.deployment.reasons import Reason

_REASON = Annotated[str, typer.Option(help="Why, in one line of 10 to 500 characters; kept with the version.")]
_BY = Annotated[str, typer.Option(help="Who says so; this machine's user if not given.", show_default=False)]
_out = Console()


def promote(
    version: Annotated[int, typer.Argument(help="A registered version.", min=1)],
    reason: _REASON,
    by: _BY = "",
) -> None:
    """Put a version in use by hand, whatever the gate said of it; the reason is kept with the version."""
    promoted = project_registry().promote(version, _reason(reason, by))
    _out.print(f"[green]Version {promoted.number} is in use[/] [dim](bundle {promoted.bundle_sha256[:12]})[/]")


def rollback(reason: _REASON, by: _BY = "") -> None:
    """Return to the version that the champion replaced; the gate will not bring the champion back by itself."""
    earlier = project_registry().rollback(_reason(reason, by))
    _out.print(f"[green]Version {earlier.number} is in use again[/] [dim](bundle {earlier.bundle_sha256[:12]})[/]")


def _reason(reason: str, by: str) -> "Reason":
    from onward.deployment.reasons import Reason

    return Reason.given(reason, by or getpass.getuser())
