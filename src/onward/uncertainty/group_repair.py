"""Mend the scores of groups that a person has accepted as bad."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

from onward.errors import DataError

Floats = npt.NDArray[np.float64]

_CAUTION = 10.0  # conversions that a group must bring before half of its own shift is believed
_EDGE = 1e-9
_FURTHEST = 5.0
_FLATTEST = 0.1  # scores that order nothing must not blow shifts up


@dataclass(frozen=True)
class GroupRepair:
    """A shift of the log odds for each accepted group, added up where groups overlap.

    Attributes:
        shifts: by group, `column=value`.
    """

    shifts: Mapping[str, float]

    @classmethod
    def fit(
        cls, label: Floats, probability: Floats, slices: Mapping[str, npt.NDArray[Any]], accepted: Sequence[str]
    ) -> Self:
        """Fit the shifts of all accepted groups together, beside a slope and an intercept that everybody shares.

        What is wrong with everybody is the calibrator's: without the shared part a large bad group would drag the
        rest along and be blamed for half of its own error only. A normal prior holds shifts to 0. It is worth 10
        conversions, so that a shift is shrunk by about positives / (positives + 10), and a handful of conversions
        cannot move a group far.

        Args:
            label: [n] in [0, 1], of customers that no model saw.
            probability: [n], calibrated or not.
            slices: columns [n].
            accepted: groups as `column=value`.

        Raises:
            DataError: a group whose column does not exist.
        """
        if not accepted:
            return cls({})
        odds = logit(np.clip(probability, _EDGE, 1.0 - _EDGE))
        member = np.column_stack([_rows(name, slices) for name in accepted]).astype(np.float64)
        design = np.column_stack([odds, np.ones(len(odds)), member])

        def loss(beta: Floats) -> tuple[float, Floats]:
            predicted = design @ beta
            held = np.r_[0.0, 0.0, _CAUTION * beta[2:]]
            value = (np.logaddexp(0.0, predicted) - label * predicted).sum() + 0.5 * float(held @ beta)
            return float(value) / len(odds), (design.T @ (expit(predicted) - label) + held) / len(odds)

        start = np.r_[1.0, np.zeros(1 + len(accepted))]
        bounds = [(_FLATTEST, None), (None, None), *[(-_FURTHEST, _FURTHEST)] * len(accepted)]
        options = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}
        fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        # The slope belongs to the calibrator, which comes after: here a shift is in units of the score's own odds.
        return cls({name: float(shift / fitted[0]) for name, shift in zip(accepted, fitted[2:], strict=True)})

    def apply(self, probability: Floats, slices: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Return the probabilities [n] with every group's shift; others are left as they are, to the last bit.

        Raises:
            DataError: a group that does not exist.
        """
        if not self.shifts:
            return probability
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

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Self:
        """Rebuild what `to_dict` gave."""
        return cls({str(name): float(shift) for name, shift in values.items()})


NO_REPAIR = GroupRepair({})


def _rows(name: str, slices: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    column, _, value = name.partition("=")
    if column not in slices:
        raise DataError(f"group repair: {name!r} names no column of {', '.join(sorted(slices))}; see the group report")
    return np.asarray(np.asarray(slices[column]).astype(str) == value, dtype=np.bool_)
