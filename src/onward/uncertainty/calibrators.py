"""Every way from a score to a probability that Onward knows, all kept as the knots of one rising map.

Whatever was fitted is deployed as an `MonotoneCalibrator`: the rest of the pipeline need not know which method drew
the curve.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from onward.errors import DataError
from onward.uncertainty.calibration import MonotoneCalibrator

Floats = npt.NDArray[np.float64]

_EDGE = 1e-9
_KNOTS = 512  # of a smooth curve; between two of them the straight line is off by less than 1e-4
_STEEPEST = 50.0  # keeps labels that scores separate perfectly from asking for an infinite slope
HISTOGRAM_BINS = 50


def fit_platt(
    score: npt.ArrayLike, expected_label: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> MonotoneCalibrator:
    """Fit logit p = a · logit(score) + c with a ≥ 0 (Platt 1999, on the logit scale of a score that is a probability).

    Args:
        score: [n] in [0, 1].
        expected_label: [n] in [0, 1]; an unfinished label stands in with its conversion probability.
        weight: [n], default 1.

    Raises:
        DataError: fewer than two different scores, or no positives.
    """
    return _smooth(score, expected_label, weight, lambda inside: logit(inside)[:, None])


def fit_beta(
    score: npt.ArrayLike, expected_label: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> MonotoneCalibrator:
    """Fit logit p = a · ln score − b · ln(1 − score) + c with a, b ≥ 0 (Kull, Silva Filho and Flach, AISTATS 2017).

    See `fit_platt` for arguments and errors.
    """
    return _smooth(score, expected_label, weight, lambda inside: np.stack([np.log(inside), -np.log1p(-inside)], axis=1))


def fit_histogram(
    score: npt.ArrayLike,
    expected_label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    bins: int = HISTOGRAM_BINS,
) -> MonotoneCalibrator:
    """Give each of `bins` classes of equal mass its mean label (Zadrozny and Elkan, ICML 2001).

    Neighbouring bins whose means fall are pooled, so that the map rises. Fewer different scores than bins are a bin
    each. See `fit_platt` for arguments and errors.
    """
    scores, labels, weights = _checked(score, expected_label, weight)
    different = np.unique(scores)
    cut = different if len(different) <= bins else np.quantile(scores, np.arange(bins) / bins, method="higher")
    starts = np.unique(np.r_[different[0], cut])
    code = np.searchsorted(starts, scores, side="right") - 1
    mass = np.bincount(code, weights=weights, minlength=len(starts))
    mean = np.bincount(code, weights=weights * labels, minlength=len(starts)) / mass
    rate = _kept_open(isotonic_regression(mean, weights=mass).x, weights)
    # Two knots a step: the last score before it and its first.
    before = np.nextafter(starts[1:], -np.inf)
    inner = before > starts[:-1]
    x = np.r_[starts, before[inner]]
    order = np.argsort(x)
    return MonotoneCalibrator(tuple(x[order].tolist()), tuple(np.r_[rate, rate[:-1][inner]][order].tolist()))


FITS: Mapping[str, Callable[[npt.ArrayLike, npt.ArrayLike], MonotoneCalibrator]] = MappingProxyType(
    {
        "isotonic": MonotoneCalibrator.fit,
        "platt": fit_platt,
        "beta": fit_beta,
        "histogram": fit_histogram,
    }
)


def _smooth(
    score: npt.ArrayLike,
    expected_label: npt.ArrayLike,
    weight: npt.ArrayLike | None,
    describe: Callable[[Floats], Floats],
) -> MonotoneCalibrator:
    scores, labels, weights = _checked(score, expected_label, weight)
    inside = np.clip(scores, _EDGE, 1.0 - _EDGE)
    coefficients = _logistic(describe(inside), labels, weights)
    low, high = logit(inside.min()), logit(inside.max())
    x = np.unique(np.r_[inside.min(), expit(np.linspace(low, high, _KNOTS))[1:-1], inside.max()])
    # A smooth curve pools all examples, so unlike a step it may come nearer to 0 than 1 / (2n + 2).
    rate = np.clip(expit(describe(x) @ coefficients[:-1] + coefficients[-1]), _EDGE, 1.0 - _EDGE)
    return MonotoneCalibrator(tuple(x.tolist()), tuple(np.maximum.accumulate(rate).tolist()))


def _logistic(described: Floats, labels: Floats, weights: Floats) -> Floats:
    """Coefficients [k + 1], slopes before the intercept; slopes from 0 to `_STEEPEST`. The loss is convex."""
    columns = np.column_stack([described, np.ones(len(labels))])
    share = weights / weights.sum()

    def loss(beta: Floats) -> tuple[float, Floats]:
        odds = columns @ beta
        # log(1 + e^odds) − label · odds
        value = share @ (np.logaddexp(0.0, odds) - labels * odds)
        return float(value), columns.T @ (share * (expit(odds) - labels))

    slopes = described.shape[1]
    bounds = [(0.0, _STEEPEST)] * slopes + [(None, None)]
    start = np.r_[np.full(slopes, 1.0 if slopes == 1 else 0.5), 0.0]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)


def _kept_open(rate: npt.NDArray[np.floating], weights: Floats) -> Floats:
    # As in isotonic calibration: n examples cannot tell a rate of 0 from 1 / (2n + 2).
    edge = 1.0 / (2.0 * float(weights.sum()) + 2.0)
    return np.clip(np.asarray(rate, np.float64), edge, 1.0 - edge)


def _checked(
    score: npt.ArrayLike, expected_label: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    scores, labels = np.asarray(score, np.float64), np.asarray(expected_label, np.float64)
    weights = np.ones_like(scores) if weight is None else np.asarray(weight, np.float64)
    different = len(np.unique(scores))
    if different < 2 or float(weights @ labels) <= 0.0:
        raise DataError(
            f"calibration: {len(scores)} examples with {different} different scores and "
            f"{float(weights @ labels):g} positives, need 2 scores and a positive; enlarge splits.calibrate"
        )
    return scores, labels, weights
