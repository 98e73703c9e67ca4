"""One line a method on one figure of one data set, how far Onward is ahead of it, and who is first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.form import Cell
from benchmarks.harness.student import half_width
from onward.metrics.intervals import Interval

ONWARD = "Onward"
NOT_RUN, DOES_NOT_APPLY = "not run", "does not apply"


@dataclass(frozen=True)
class Line:
    """A method on one figure.

    Attributes:
        data: set and protocol.
        metric: of the figure; more is better.
        method: who.
        value: with its interval; None where there is none.
        ahead: Onward's figure less this one, paired where it can be.
        setting: picked by validation.
        seeds: trainings behind the figure.
        note: what a reader has to know, or why there is no figure.
    """

    data: str
    metric: str
    method: str
    value: Interval | None
    ahead: Interval | None = None
    setting: str = ""
    seeds: int = 1
    note: str = ""

    def row(self, *, first: bool) -> dict[str, Cell]:
        """As the form of results has it."""
        return {
            "data": self.data, "metric": self.metric, "method": self.method, "first": first,
            **_told("value", self.value), **_told("ahead", self.ahead),
            "setting": self.setting, "seeds": self.seeds if self.value else None, "note": self.note,
        }  # fmt: skip


def _told(name: str, found: Interval | None) -> dict[str, Cell]:
    if found is None:
        return dict.fromkeys((name, f"{name} low", f"{name} high"))
    low, high = (None, None) if found.low == found.high else (_number(found.low), _number(found.high))
    return {name: found.value, f"{name} low": low, f"{name} high": high}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def over_splits(values: Sequence[float]) -> Interval:
    """Mean of a figure over splits with its 95 % interval by Student's t; without width where there is one split.

    >>> found = over_splits([1.0, 3.0])
    >>> found.value, round(found.high - found.value, 2)
    (2.0, 12.71)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, mean, mean)
    half = half_width(float(np.std(values, ddof=1)), len(values))
    return Interval(mean, mean - half, mean + half)


def rows_of(lines: Sequence[Line]) -> list[dict[str, Cell]]:
    """The table; a line says whether it is the first of its figure."""
    leaders = {key: winner(found) for key, found in _figures(lines).items()}
    return [line.row(first=leaders.get((line.data, line.metric)) == line.method) for line in lines]


def claims_of(lines: Sequence[Line]) -> dict[str, float]:
    """On how many figures Onward is first, and on how many for certain: the low end of every lead is above 0."""
    judged = {key: found for key, found in _figures(lines).items() if len(found) > 1}
    first = sum(winner(found) == ONWARD for found in judged.values())
    certain = sum(
        all(line.ahead is not None and line.ahead.low > 0.0 for line in found if line.method != ONWARD)
        for found in judged.values()
    )
    asked = max(1, len(judged))
    return {
        "rows": float(len(judged)),
        "peers_beaten_share": first / asked,
        "peers_beaten_for_certain_share": certain / asked,
        "figures_of_peers": float(sum(len(found) - 1 for found in judged.values())),
        "figures_not_run": float(sum(line.note.startswith(NOT_RUN) for line in lines)),
    }


def winner(lines: Sequence[Line]) -> str:
    """Who has the most, Onward only if nobody has as much."""
    best = max(lines, key=lambda line: (line.value.value if line.value else -1.0, line.method != ONWARD))
    return best.method


def _figures(lines: Sequence[Line]) -> Mapping[tuple[str, str], list[Line]]:
    """Lines that have a value, by figure."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.value is not None:
            found.setdefault((line.data, line.metric), []).append(line)
    return found
