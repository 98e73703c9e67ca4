"""Mend the probabilities of groups that a person has accepted as bad."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from onward.errors import DataError

Floats = npt.NDArray[np.float64]

_CAUTION = 10.0  # conversions that a group must bring before half of its own shift is believed
_EDGE = 1e-9
_FURTHEST = 5.0


@dataclass(frozen=True)
class GroupRepair:
    """A shift of the log odds for each accepted group, added up where groups overlap.

    Attributes:
        shifts: by group, `column=value`, in the order in which they were fitted.
    """

    shifts: Mapping[str, float]

    @classmethod
    def fit(
        cls, label: Floats, probability: Floats, slices: Mapping[str, npt.NDArray[Any]], accepted: Sequence[str]
    ) -> Self:
        """Fit the accepted groups one after the other, each on what the ones before it leave.

        A group's shift makes its probabilities add up to its conversions; it is shrunk by positives / (positives +
        10), so that a handful of conversions cannot move a group far.

        Args:
            label: [n] in [0, 1], of customers that no model saw.
            probability: [n] calibrated.
            slices: columns [n].
            accepted: groups as `column=value`.

        Raises:
            DataError: a group that does not exist.
        """
        shifts: dict[str, float] = {}
        for name in accepted:
            rows = _rows(name, slices)
            current = cls(shifts).apply(probability, slices)
            positives = float(label[rows].sum())
            trust = positives / (positives + _CAUTION)
            shifts[name] = trust * _shift(current[rows], positives)
        return cls(shifts)

    def apply(self, probability: Floats, slices: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Return the probabilities [n] with every group's shift; others are left as they are."""
        odds = logit(np.clip(probability, _EDGE, 1.0 - _EDGE))
        moved = np.zeros(len(odds), np.bool_)
        for name, shift in self.shifts.items():
            rows = _rows(name, slices)
            odds[rows] += shift
            moved |= rows
        return np.where(moved, expit(odds), probability)

    def to_dict(self) -> dict[str, float]:
        """Return the shifts, ready for JSON."""
        return dict(self.shifts)


def _rows(name: str, slices: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    column, _, value = name.partition("=")
    if column not in slices:
        raise DataError(f"group repair: {name!r} names no column of {', '.join(sorted(slices))}; see the group report")
    return np.asarray(np.asarray(slices[column]).astype(str) == value, dtype=np.bool_)


def _shift(probability: Floats, positives: float) -> float:
    """Log odds to add so that the probabilities sum to the positives, by bisection."""
    if not len(probability):
        return 0.0
    odds, low, high = logit(np.clip(probability, _EDGE, 1.0 - _EDGE)), -_FURTHEST, _FURTHEST
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if expit(odds + middle).sum() < positives else (low, middle)
    return (low + high) / 2.0
