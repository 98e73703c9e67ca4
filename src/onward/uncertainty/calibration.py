"""From a raw score to a probability that means what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from onward.errors import DataError


@dataclass(frozen=True)
class MonotoneCalibrator:
    """A non-decreasing, piecewise linear map from score to probability, stored as its knots.

    Isotonic regression (Zadrozny and Elkan, KDD 2002) asks only that a higher score means no lower a rate.
    Calibrating an already calibrated score on the same examples changes nothing.

    Attributes:
        x: knots [k], strictly increasing scores.
        y: probability at each knot [k], non-decreasing and inside (0, 1).
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        knots, rates = np.asarray(self.x), np.asarray(self.y)
        shaped = knots.ndim == 1 and knots.shape == rates.shape and len(knots) > 0
        if not (shaped and (np.diff(knots) > 0).all() and (np.diff(rates) >= 0).all()):
            raise DataError(f"calibrator: {len(self.x)} knots do not form a non-decreasing map; fit it again")

    @classmethod
    def fit(cls, score: npt.ArrayLike, expected_label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Self:
        """Fit on examples that neither the heads nor their early stopping saw.

        Args:
            score: [n].
            expected_label: [n] in [0, 1]; an unfinished label stands in with its conversion probability.
            weight: [n], default 1.

        Raises:
            DataError: fewer than two different scores, or no positives.
        """
        scores = np.asarray(score, dtype=np.float64)
        labels = np.asarray(expected_label, dtype=np.float64)
        weights = np.ones_like(scores) if weight is None else np.asarray(weight, dtype=np.float64)
        remedy = "enlarge splits.calibrate or run.training_days"
        different = len(np.unique(scores))
        if different < 2:
            raise DataError(f"calibration: {len(scores)} examples with {different} different scores, need 2; {remedy}")
        if float(weights @ labels) <= 0.0:
            raise DataError(f"calibration: no positives among {len(scores)} examples; {remedy}")
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(scores, labels, sample_weight=weights)
        # n examples cannot tell a rate of 0 from 1 / (2n + 2); claiming 0 would make one surprise cost infinity.
        edge = 1.0 / (2.0 * float(weights.sum()) + 2.0)
        rates = np.clip(fitted.y_thresholds_, edge, 1.0 - edge)
        return cls(tuple(fitted.X_thresholds_.tolist()), tuple(rates.tolist()))

    def apply(self, score: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map scores [n] to probabilities [n]; beyond the outermost knots the map is flat."""
        return np.asarray(np.interp(np.asarray(score, dtype=np.float64), self.x, self.y), dtype=np.float64)

    def to_dict(self) -> dict[str, list[float]]:
        """Return the knots as plain lists, ready for JSON."""
        return {"x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[float]]) -> Self:
        """Rebuild what `to_dict` gave."""
        return cls(tuple(map(float, values["x"])), tuple(map(float, values["y"])))
