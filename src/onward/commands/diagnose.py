"""`onward diagnose`: what the log at hand says to the three questions, and what follows from it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onward.commands.project import project_layout

if TYPE_CHECKING:
    from onward.diagnosis.answer import Answer
    from onward.layout import Layout

_ASKED = {
    "direction": "Does the log have direction?",
    "delay": "Does delay hurt?",
    "doubt": "Does doubt pay?",
}
_out = Console()


def diagnose(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object: direction, delay, doubt.")] = False
) -> None:
    """Say whether this log has direction, whether delay hurts and whether doubt pays, with test and consequence."""
    answers = read_answers(project_layout())
    if as_json:
        typer.echo(json.dumps({answer.question: answer.to_dict() for answer in answers}, indent=2, sort_keys=True))
        return
    for answer in answers:
        colour = "green" if answer.yes else "yellow"
        _out.print(f"[bold]{_ASKED[answer.question]}[/] [bold {colour}]{'yes' if answer.yes else 'no'}[/]")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        for name, text in _lines(answer):
            grid.add_row(f"  {name}", escape(text))
        _out.print(grid)


def read_answers(layout: "Layout") -> "list[Answer]":
    """Read the answers that the stages of the pipeline wrote: direction, delay, doubt.

    Raises:
        ArtifactError: a stage has not run yet.
    """
    from onward.artifacts import read_json
    from onward.diagnosis.answer import Answer

    files = (layout.direction_answer, layout.delay_answer, layout.doubt_answer)
    return [Answer.from_dict(read_json(path)) for path in files]


def _lines(answer: "Answer") -> list[tuple[str, str]]:
    size = f"{_points(answer.effect)} [{_points(answer.low)}, {_points(answer.high)}] points of 100: {answer.measure}"
    return [
        ("answer", answer.sentence),
        ("effect", size),
        ("p-value", "< 0.0001" if answer.p_value < 1e-4 else f"{answer.p_value:.4f}"),
        ("so", answer.consequence),
    ]


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
