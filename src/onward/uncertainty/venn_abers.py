"""Venn–Abers width: how far one more example, of either label, would move the calibrated probability.

An inductive Venn–Abers predictor calibrates twice by isotonic regression, once with the new example as a negative and
once as a positive; one of the two answers is calibrated whatever the law of the data (Vovk and Petej, UAI 2014). The
distance between them is wide where calibration has few examples to go by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.isotonic import IsotonicRegression

from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.sources import Floats, Scored

_CLASSES = 400  # classes of equal mass that stand for the seen examples
_ASKED = 120  # scores at which the width is worked out; between them it is interpolated


@dataclass(frozen=True)
class VennAbersWidth:
    """The source, before it has learnt.

    Attributes:
        groups: classes of evidence, each calibrated on its own. With a single one the width is a function of the
            score, and levels cut from it can tell a boundary nothing that the score does not.
    """

    groups: int

    def fit(self, seen: Scored, expected_label: Floats) -> "FittedWidth":
        """Work out the width over the range of scores, for each class of evidence."""
        groups = UncertaintyLevels.fit(seen.evidence, self.groups)
        member = groups.assign(seen.evidence)
        curves = tuple(
            _width_curve(seen.score[member == group], expected_label[member == group]) for group in range(groups.count)
        )
        return FittedWidth(groups, curves)


@dataclass(frozen=True)
class FittedWidth:
    """Scores and widths, one curve a class of evidence."""

    groups: UncertaintyLevels
    curves: tuple[tuple[Floats, Floats], ...]

    def uncertainty(self, rows: Scored) -> Floats:
        """Upper minus lower probability [n]."""
        member = self.groups.assign(rows.evidence)
        width = np.empty(len(rows.score))
        for group, (score, height) in enumerate(self.curves):
            inside = member == group
            width[inside] = np.interp(rows.score[inside], score, height)
        return width

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        curves = [{"score": score.tolist(), "width": width.tolist()} for score, width in self.curves]
        return {**self.groups.to_dict(), "curves": curves}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave; further keys are left alone."""
        curves = tuple((np.array(curve["score"]), np.array(curve["width"])) for curve in values["curves"])
        return cls(UncertaintyLevels.from_dict({"edges": values["edges"]}), curves)


def _width_curve(score: Floats, label: Floats) -> tuple[Floats, Floats]:
    edges = np.unique(np.quantile(score, np.arange(1, _CLASSES) / _CLASSES))
    code = np.searchsorted(edges, score, side="right")
    used, dense = np.unique(code, return_inverse=True)
    mass = np.bincount(dense).astype(np.float64)
    place = np.bincount(dense, weights=score) / mass
    rate = np.bincount(dense, weights=label) / mass
    asked = np.unique(np.quantile(place, np.linspace(0.0, 1.0, min(_ASKED, len(used)))))
    return asked, np.array([_answer(place, rate, mass, at, 1.0) - _answer(place, rate, mass, at, 0.0) for at in asked])


def _answer(place: Floats, rate: Floats, mass: Floats, at: float, label: float) -> float:
    fitted = IsotonicRegression().fit(np.r_[place, at], np.r_[rate, label], sample_weight=np.r_[mass, 1.0])
    return float(fitted.predict([at])[0])
