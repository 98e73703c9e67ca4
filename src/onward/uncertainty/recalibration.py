"""A score recalibrated by its own uncertainty: at equal uncertainty its order stays, between uncertainties it may not.

Where a scorer is wrong in a way that its uncertainty tells, bending its log odds and cutting once does what a cut a
level would do, and the probabilities that people are told get better too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KNOTS = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Quantiles of uncertainty."""
# How far offset and slope may move from one knot to the next, as the standard deviation of a prior (log odds; 1).
_OFFSET_STEP, _SLOPE_STEP = 0.5, 0.2
_FLATTEST = 0.02
_EDGE = 1e-7


@dataclass(frozen=True)
class Recalibration:
    """Log odds of a score, bent by uncertainty: offset(u) + slope(u) · (log odds − centre).

    Offset and slope are straight between knots and level beyond the outermost.

    Attributes:
        knots: [k] uncertainties, strictly increasing.
        offsets: [k] log odds at `centre`.
        slopes: [k], above 0, so that the order at equal uncertainty stays.
        centre: mean log odds of the score that it was fitted to.
    """

    knots: tuple[float, ...]
    offsets: tuple[float, ...]
    slopes: tuple[float, ...]
    centre: float

    @classmethod
    def fit(cls, score: Floats, uncertainty: Floats, expected: Floats) -> Self:
        """Fit by penalised maximum likelihood; the penalty is on differences between neighbouring knots only.

        Args:
            score: [n] in (0, 1).
            uncertainty: [n].
            expected: [n] labels in [0, 1].
        """
        knots = np.unique(np.quantile(uncertainty, KNOTS))
        odds = _log_odds(score)
        centre = float(odds.mean())
        weight = _between(knots, uncertainty)
        columns = np.concatenate([weight, weight * (odds - centre)[:, None]], axis=1)
        k = len(knots)
        scale = np.r_[np.full(k - 1, _OFFSET_STEP), np.full(k - 1, _SLOPE_STEP)]
        steps = np.zeros((2 * (k - 1), 2 * k))
        for part in range(2):
            for place in range(k - 1):
                steps[part * (k - 1) + place, part * k + place : part * k + place + 2] = -1.0, 1.0
        steps /= scale[:, None]
        n = len(score)

        def loss(beta: Floats) -> tuple[float, Floats]:
            said = columns @ beta
            rough = steps @ beta
            value = np.logaddexp(0.0, said).sum() - expected @ said + 0.5 * rough @ rough
            gradient = columns.T @ (expit(said) - expected) + steps.T @ rough
            return float(value) / n, gradient / n

        rate = float(np.clip(expected.mean(), _EDGE, 1.0 - _EDGE))
        start = np.r_[np.full(k, logit(rate)), np.ones(k)]
        bounds = [(None, None)] * k + [(_FLATTEST, None)] * k
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
        return cls(tuple(knots.tolist()), tuple(found[:k].tolist()), tuple(found[k:].tolist()), centre)

    def apply(self, score: Floats, uncertainty: Floats) -> Floats:
        """[n] recalibrated probabilities of scores [n] with uncertainties [n]."""
        offset = _between(np.asarray(self.knots), uncertainty) @ np.asarray(self.offsets)
        slope = _between(np.asarray(self.knots), uncertainty) @ np.asarray(self.slopes)
        bent = offset + slope * (_log_odds(score) - self.centre)
        return np.asarray(expit(bent), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave."""
        knots, offsets, slopes = (tuple(map(float, values[name])) for name in ("knots", "offsets", "slopes"))
        return cls(knots, offsets, slopes, float(values["centre"]))


def cross_fitted(score: Floats, uncertainty: Floats, expected: Floats, fold: Ints) -> Floats:
    """[n] recalibrated scores, each by a recalibration that saw no row of its fold [n]."""
    found = score.copy()
    for number in np.unique(fold):
        held = fold == number
        if held.all():
            continue
        fitted = Recalibration.fit(score[~held], uncertainty[~held], expected[~held])
        found[held] = fitted.apply(score[held], uncertainty[held])
    return found


def _between(knots: Floats, uncertainty: Floats) -> Floats:
    """[n, k] how much each knot counts at each uncertainty: rows sum to 1."""
    if len(knots) == 1:
        return np.ones((len(uncertainty), 1))
    inside = np.clip(uncertainty, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
    share = (inside - knots[left]) / (knots[left + 1] - knots[left])
    weight = np.zeros((len(uncertainty), len(knots)))
    rows = np.arange(len(uncertainty))
    weight[rows, left] = 1.0 - share
    weight[rows, left + 1] += share
    return weight


def _log_odds(score: Floats) -> Floats:
    return np.asarray(logit(np.clip(score, _EDGE, 1.0 - _EDGE)), np.float64)
