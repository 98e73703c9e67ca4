"""Peers beside Onward: methods of other hands on the splits, candidates, ties and filters of Onward's own benchmarks.

A peer runs in .venv-peers (`make peers`): it reads what it may know from a temporary folder, picks its setting by
validation alone and writes scores back, which are judged here. Onward's figures are those that its own benchmarks
recorded on the same splits; a baseline that is fitted here again shows that split and judge are the same.

What was judged is kept in artifacts/benchmarks/peers; --finished asks nobody and calls what is missing "not run".
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.direction.datasets import data_folder
from benchmarks.harness.form import Finding, publish
from benchmarks.peers import beauty, gifts, graphs, journey
from benchmarks.peers.published import Control
from benchmarks.peers.sittings import PYTHON, Room
from benchmarks.peers.standings import ONWARD, Line, claims_of, rows_of

Found = tuple[list[Line], list[Control]]


def _beauty(folder: Path, room: Room, seeds: int) -> Found:
    data = beauty.Beauty.of(folder)
    return beauty.lines(data, room, seeds), data.controls()


def _gifts(folder: Path, room: Room, seeds: int) -> Found:
    data = gifts.Gifts.of(folder)
    return gifts.lines(data, room, seeds), [data.control()]


def _journey(_folder: Path, room: Room, seeds: int) -> Found:
    return journey.lines(room, seeds), []


def _graphs(folder: Path, room: Room, _seeds: int) -> Found:
    """Splits stand for seeds."""
    tasks = graphs.tasks(folder)
    return [line for task in tasks for line in graphs.lines(task, room)], [task.control() for task in tasks]


PARTS: Mapping[str, Callable[[Path, Room, int], Found]] = {
    "beauty": _beauty, "graphs": _graphs, "journey": _journey, "gifts": _gifts,
}  # fmt: skip


def main() -> None:
    """Let peers sit what is missing, and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_folder(arguments)
    arguments.add_argument("--part", choices=tuple(PARTS), nargs="+", default=list(PARTS))
    arguments.add_argument("--seeds", type=int, default=1, help="trainings of what was picked")
    arguments.add_argument("--minutes", type=float, default=5.0, help="longest training of a setting in validation")
    arguments.add_argument("--finished", action="store_true", help="only what was judged before")
    arguments.add_argument("--python", type=Path, default=PYTHON, help="of the peers' environment")
    asked = arguments.parse_args()
    room = Room(asked.python, asked.minutes, asked.finished)
    lines: list[Line] = []
    controls: list[Control] = []
    for part in asked.part:
        found, checked = PARTS[part](asked.data, room, asked.seeds)
        lines, controls = lines + found, controls + checked
    claims = (
        claims_of(lines)
        | _beauty_claims(lines)
        | {"control_gap": max((control.gap for control in controls), default=0.0)}
    )
    publish(Finding("peers", list(range(asked.seeds)), rows_of(lines), claims))


def _beauty_claims(lines: list[Line]) -> dict[str, float]:
    """Onward's figures on Beauty that have a target."""
    named = {
        "beauty_hr10": "hr@10, previous item", "beauty_hr50": "hr@50, previous item",
        "beauty_history_hr10": "hr@10, history",
    }  # fmt: skip
    own = {line.metric: line.value for line in lines if (line.data, line.method) == (beauty.NAME, ONWARD)}
    return {claim: value.value for claim, metric in named.items() if (value := own.get(metric)) is not None}


if __name__ == "__main__":
    main()
