"""Onward's own figures as its benchmarks recorded them, and the check that a split of this benchmark is the same one.

Onward's blends take hours, so they are not fitted here again. Instead a baseline that is cheap is fitted and judged
here and has to have the very figure that the same benchmark recorded for it: split and judge are then the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.form import RESULTS
from benchmarks.harness.student import half_width
from onward.errors import OnwardError
from onward.metrics.intervals import Interval


class PublishedError(OnwardError):
    """A file of results lacks a row that is asked for."""


@dataclass(frozen=True)
class Published:
    """One file of results.

    Attributes:
        name: of the file.
        rows: the table.
        commit: that it ran on.
    """

    name: str
    rows: tuple[Mapping[str, Any], ...]
    commit: str

    @classmethod
    def of(cls, name: str) -> "Published":
        """Read it."""
        record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        return cls(name, tuple(record["rows"]), record["commit"])

    def row(self, **where: str) -> Mapping[str, Any]:
        """The row with these cells.

        Raises:
            PublishedError: there is none.
        """
        for row in self.rows:
            if all(row.get(column) == value for column, value in where.items()):
                return row
        raise PublishedError(f"{self.name}.json has no row with {where}: run its benchmark first")

    def figure(self, metric: str, **where: str) -> Interval:
        """A figure with its interval, without width where none was recorded."""
        row = self.row(**where)
        value = float(row[metric])
        low, high = (row.get(f"{metric} {end}") for end in ("low", "high"))
        return Interval(value, float(low), float(high)) if low is not None and high is not None else _bare(value)

    def over_splits(self, **where: str) -> Interval:
        """A mean over splits with its 95 % interval by Student's t."""
        row = self.row(**where)
        mean, splits, deviation = float(row["mean"]), int(row["splits"]), row["sd"]
        if deviation is None:
            return _bare(mean)
        half = half_width(float(deviation), splits)
        return Interval(mean, mean - half, mean + half)

    @property
    def note(self) -> str:
        """Where the figure stands."""
        return f"{self.name}.json of {self.commit[:7]}"


def _bare(value: float) -> Interval:
    return Interval(value, value, value)


def has_width(found: Interval) -> bool:
    """Whether an interval was recorded."""
    return found.high > found.low


def lead(onward: Interval, other: Interval) -> Interval:
    """Onward less another, whose errors are taken for independent ones; nan at its ends where Onward's has no width.

    >>> lead(Interval(3.0, 2.0, 4.0), Interval(1.0, 1.0, 1.0)).low
    2.0
    """
    value = onward.value - other.value
    if not has_width(onward):
        return Interval(value, float("nan"), float("nan"))
    down = float(np.hypot(onward.value - onward.low, other.high - other.value))
    up = float(np.hypot(onward.high - onward.value, other.value - other.low))
    return Interval(value, value - down, value + up)


@dataclass(frozen=True)
class Control:
    """A baseline's figure as it was recorded, and as it came out here.

    Attributes:
        data: set and protocol.
        method: whose figure.
        recorded: by the benchmark of that set.
        here: on this benchmark's split, by its judge.
    """

    data: str
    method: str
    recorded: float
    here: float

    @property
    def gap(self) -> float:
        """How far they are apart; 0 if the split and the judge are the same."""
        return abs(self.recorded - self.here)
