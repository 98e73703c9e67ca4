"""Counts, sums and recency of past events, for millions of questions at once.

An `EventIndex` sorts events by entity and second. The events of one entity in [t - days, t) are then one stretch of
the sorted array: two binary searches give its ends, and a difference of running totals gives any sum over it.

Nothing at or after t can reach an answer, not even by rounding: seconds are rounded down on both sides of the
strict comparison, and running totals are whole numbers, for which (a + b) - a is exactly b.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd

DAY_SECONDS = 86_400
# Amounts are summed as whole ten-thousandths; 1e9 rows of 1e5 still fit in 64 bits.
FIXED_POINT = 10_000


def to_seconds(times: pd.Series) -> np.ndarray:
    """Naive timestamps as whole seconds since 1970, rounded down, int64 [n]."""
    return times.to_numpy().astype("datetime64[s]").astype(np.int64)


def ascending(major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Positions that sort whole numbers by `major`, then `minor`; equal ones in any order, [n]."""
    if not len(major):
        return np.zeros(0, np.intp)
    first, low = int(major.min()), int(minor.min())
    span = int(minor.max()) - low + 1
    if (int(major.max()) - first + 1) * span >= 2**63:
        return np.lexsort((minor, major))
    # One number for both is sorted several times faster.
    return np.argsort((major.astype(np.int64) - first) * span + (minor - low))


@dataclass(frozen=True)
class EventIndex:
    """Events sorted by entity, then second; build it with `EventIndex.of`."""

    entities: np.ndarray  # distinct entities, ascending, [entities]
    starts: np.ndarray  # where each entity's events begin, and their number, [entities + 1]
    keys: np.ndarray  # rank of the entity * stride + seconds since origin, ascending, [events]
    origin: int
    stride: int
    totals: Mapping[str, np.ndarray]  # running totals in fixed point, [events + 1] each

    @classmethod
    def of(cls, entity: np.ndarray, second: np.ndarray, amounts: Mapping[str, np.ndarray] | None = None) -> Self:
        """Index events given in any order.

        Args:
            entity: whose event it is, any integers, [events].
            second: when it happened, [events].
            amounts: columns whose sums will be asked for, [events] each.
        """
        origin = int(second.min()) if len(second) else 0
        stride = int(second.max()) - origin + 2 if len(second) else 1
        order = ascending(entity, second)
        ordered = entity[order].astype(np.int64)
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
        starts = np.r_[first, len(ordered)]
        # Ranks instead of entities keep the key within 64 bits, however large the ids of pairs are.
        rank = np.repeat(np.arange(len(first)), np.diff(starts))
        totals = {}
        for name, values in (amounts or {}).items():
            fixed = np.rint(values[order].astype(np.float64) * FIXED_POINT).astype(np.int64)
            totals[name] = np.r_[0, np.cumsum(fixed)]
        return cls(ordered[first], starts, rank * stride + (second[order] - origin), origin, stride, totals)

    def before(self, entity: np.ndarray, second: np.ndarray) -> "Past":
        """What is known of each entity strictly before a second, [questions]."""
        rank = np.searchsorted(self.entities, entity)
        has_events = rank < len(self.entities)
        has_events[has_events] = self.entities[rank[has_events]] == entity[has_events]
        # An entity without events asks about the first one's at the origin, before which nothing happened.
        rank = np.where(has_events, rank, 0)
        elapsed = np.where(has_events, second - self.origin, 0)
        # Ascending questions walk through the array instead of jumping: several times fewer cache misses.
        order = np.argsort(rank * self.stride + np.clip(elapsed, 0, self.stride - 1))
        return Past(self, rank[order], elapsed[order], order)


@dataclass(frozen=True)
class Past:
    """Answers about the events before each question; made by `EventIndex.before`."""

    index: EventIndex
    rank: np.ndarray  # in ascending order of the key, as is `elapsed`
    elapsed: np.ndarray
    order: np.ndarray  # the question that each belongs to
    positions: dict[int, np.ndarray] = field(default_factory=dict)  # found before, by seconds ago

    def count(self, days: int | None = None) -> np.ndarray:
        """Number of events, of the last `days` if given; float64 [questions]."""
        return self._answer((self._ends() - self._begins(days)).astype(np.float64))

    def total(self, name: str, days: int | None = None) -> np.ndarray:
        """Sum of an amount, of the last `days` if given; float64 [questions]."""
        running = self.index.totals[name]
        return self._answer((running[self._ends()] - running[self._begins(days)]) / FIXED_POINT)

    def days_since_last(self, earlier_than_days: int = 0) -> np.ndarray:
        """Days since the last event that is more than `earlier_than_days` old, NaN without one; float64 [questions]."""
        ends = self._position(earlier_than_days * DAY_SECONDS)
        last = np.r_[0, self.index.keys][ends] - self.rank * self.index.stride
        return self._answer(np.where(ends > self._begins(None), (self.elapsed - last) / DAY_SECONDS, np.nan))

    def days_since_first(self) -> np.ndarray:
        """Days since the first event, NaN without one; float64 [questions]."""
        begins = self._begins(None)
        first = np.r_[self.index.keys, 0][begins] - self.rank * self.index.stride
        return self._answer(np.where(self._ends() > begins, (self.elapsed - first) / DAY_SECONDS, np.nan))

    def _ends(self) -> np.ndarray:
        return self._position(0)

    def _begins(self, days: int | None) -> np.ndarray:
        return self.index.starts[self.rank] if days is None else self._position(days * DAY_SECONDS)

    def _position(self, seconds_ago: int) -> np.ndarray:
        if seconds_ago not in self.positions:
            within = np.clip(self.elapsed - seconds_ago, 0, self.index.stride - 1)
            self.positions[seconds_ago] = np.searchsorted(self.index.keys, self.rank * self.index.stride + within)
        return self.positions[seconds_ago]

    def _answer(self, ordered: np.ndarray) -> np.ndarray:
        answer = np.empty_like(ordered)
        answer[self.order] = ordered
        return answer
