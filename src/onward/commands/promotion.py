"""`onward promote` and `onward rollback`: what a person puts in use, whatever the gate says."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from onward.commands.project import project_registry

if TYPE_CHECKING:
    from datetime import datetime

    from onward.deployment.change_request import Change
    from onward.deployment.reasons import Reason

_REASON = Annotated[str, typer.Option(help="Why, in one line of 10 to 500 characters; kept with the version.")]
_BY = Annotated[str, typer.Option(help="Who says so; this machine's user if not given.", show_default=False)]
_EXPECTED = "The version in use now{}; is it another when this is carried out, nothing is changed."
_ASKED_AT = Annotated[
    str | None,
    typer.Option(
        help="When this was asked for, such as 2017-11-20T06:00:00+00:00: what was changed later stays, and the same "
        "asked twice is done once.",
        show_default=False,
    ),
]
_out = Console()


def promote(
    version: Annotated[int, typer.Argument(help="A registered version.", min=1)],
    reason: _REASON,
    by: _BY = "",
    expected: Annotated[int | None, typer.Option(help=_EXPECTED.format(", 0 for none"), min=0)] = None,
    asked_at: _ASKED_AT = None,
) -> None:
    """Put a version in use by hand, whatever the gate said of it; the reason is kept with the version."""
    _say(
        project_registry().promote(version, _reason(reason, by), expected=expected, asked_at=_moment(asked_at)),
        "is in use",
    )


def rollback(
    reason: _REASON,
    by: _BY = "",
    expected: Annotated[int | None, typer.Option(help=_EXPECTED.format(", to be taken out of use"), min=1)] = None,
    asked_at: _ASKED_AT = None,
) -> None:
    """Return to the version that the champion replaced; the gate will not bring the champion back by itself."""
    _say(
        project_registry().rollback(_reason(reason, by), expected=expected, asked_at=_moment(asked_at)),
        "is in use again",
    )


def _say(change: "Change", done: str) -> None:
    in_use = change.in_use
    if change.refused is not None:
        stays = "nothing is deployed" if in_use is None else f"version {in_use.number} stays in use"
        _out.print(f"[yellow]Nothing is changed[/]: {change.refused}; {stays}", soft_wrap=True)
    elif in_use is not None:
        _out.print(f"[green]Version {in_use.number} {done}[/] [dim](bundle {in_use.bundle_sha256[:12]})[/]")


def _reason(reason: str, by: str) -> "Reason":
    from onward.deployment.reasons import Reason

    return Reason.given(reason, by or getpass.getuser())


def _moment(text: str | None) -> "datetime | None":
    from onward.deployment.change_request import asked_at

    return None if text is None else asked_at(text)
