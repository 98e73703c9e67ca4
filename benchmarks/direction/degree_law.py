"""Do degrees follow a power law, and with which exponent: an answer that may be no.

Discrete maximum likelihood with the lower end chosen by the Kolmogorov-Smirnov distance, and a verdict by parametric
bootstrap, after Clauset, Shalizi and Newman, "Power-law distributions in empirical data" (SIAM Review 2009).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from onward.errors import DataError
from onward.graph.product_graph import FloatArray, IntArray

# Fewer degrees say nothing about a tail (Clauset et al., section 3.4).
_LEAST_TAIL = 50
_MOST_LOWER_ENDS = 30
_LARGEST_EXPONENT = 8.0
_RULED_OUT_BELOW = 0.1


@dataclass(frozen=True)
class DegreeLaw:
    """p(d) in proportion to d^-exponent for d >= d_min.

    Attributes:
        exponent: maximum-likelihood estimate.
        standard_error: of the exponent, by the curvature of the likelihood.
        d_min: where the law begins, at least 1.
        distance: largest gap between the empirical and the fitted distribution function from d_min on.
        tail: how many degrees are d_min or more.
        degrees: how many degrees are 1 or more.
        p_value: share of samples of the fitted law that fit it worse than the degrees do; None when it was not asked.
    """

    exponent: float
    standard_error: float
    d_min: int
    distance: float
    tail: int
    degrees: int
    p_value: float | None

    @property
    def verdict(self) -> str:
        """One line for people: whether the law may be believed."""
        reach = f"{self.tail} of {self.degrees} degrees, from {self.d_min} on"
        if self.tail < _LEAST_TAIL:
            return f"too few to tell: {reach}"
        if self.p_value is None:
            return f"not tested: {reach}"
        if self.p_value < _RULED_OUT_BELOW:
            return f"no power law (p = {self.p_value:.2f}): {reach}"
        return f"a power law is not ruled out (p = {self.p_value:.2f}): {reach}"

    def survival(self, degrees: IntArray) -> FloatArray:
        """P(D >= d) under the law, 1 up to d_min."""
        shifted = np.maximum(degrees, self.d_min)
        chances: FloatArray = zeta(self.exponent, shifted) / zeta(self.exponent, self.d_min)
        return chances


def fit_degree_law(degrees: IntArray, d_min: int | None = None, samples: int = 0, seed: int = 0) -> DegreeLaw:
    """Fit a power law to the degrees that are 1 or more.

    Args:
        degrees: [P].
        d_min: where the law begins; None takes the lower end with the smallest distance that leaves 50 degrees.
        samples: bootstrap samples behind the p-value; 0 leaves it out. Its resolution is 1 / samples.
        seed: of the bootstrap.

    Raises:
        DataError: no product has an edge, or d_min is below 1.
    """
    positive = np.sort(degrees[degrees > 0])
    if len(positive) == 0:
        raise DataError("degree law: no product has an edge; lower graph.min_support or graph.min_customers")
    if d_min is not None and d_min < 1:
        raise DataError(f"degree law: d_min = {d_min}, but a power law begins at 1 or later; see Clauset et al. 2009")
    exponent, error, start, distance = _best_fit(positive, d_min)
    tail = positive[positive >= start]
    p_value = None
    if samples > 0:
        rng = np.random.default_rng(seed)
        below = positive[positive < start]
        worse = 0
        for _ in range(samples):
            in_tail = int(rng.binomial(len(positive), len(tail) / len(positive)))
            drawn = _draw(rng, exponent, start, in_tail)
            body = rng.choice(below, len(positive) - in_tail) if len(below) else np.empty(0, dtype=np.int64)
            worse += _best_fit(np.sort(np.concatenate([body, drawn])), d_min)[3] >= distance
        p_value = worse / samples
    return DegreeLaw(exponent, error, start, distance, len(tail), len(positive), p_value)


def _best_fit(positive: IntArray, d_min: int | None) -> tuple[float, float, int, float]:
    """Exponent, its standard error, lower end and distance for ascending degrees."""
    if d_min is not None:
        starts = np.array([d_min])
    else:
        enough = positive[: max(len(positive) - _LEAST_TAIL + 1, 1)]
        starts = np.unique(enough)
        # A few dozen lower ends, close together where degrees are small, find the same fit as all of them.
        starts = starts[np.unique(np.geomspace(1, len(starts), min(len(starts), _MOST_LOWER_ENDS)).astype(int) - 1)]
    fits = [(*_fit_from(positive[np.searchsorted(positive, start) :], int(start)), int(start)) for start in starts]
    exponent, error, distance, start = min(fits, key=lambda fit: fit[2])
    return exponent, error, start, distance


def _fit_from(tail: IntArray, start: int) -> tuple[float, float, float]:
    """Exponent, standard error and distance for ascending degrees that begin at `start` or later."""
    if len(tail) == 0:
        raise DataError(f"degree law: no degree reaches d_min = {start}; choose a smaller one")
    mean_log = float(np.log(tail).mean())
    exponent = float(
        minimize_scalar(
            lambda alpha: alpha * mean_log + np.log(zeta(alpha, start)),
            bounds=(1.0001, _LARGEST_EXPONENT),
            method="bounded",
        ).x
    )
    step = 1e-3
    logs = np.log(zeta(np.array([exponent - step, exponent, exponent + step]).clip(1.00001), start))
    curvature = float((logs[0] - 2 * logs[1] + logs[2]) / step**2)
    values, counts = np.unique(tail, return_counts=True)
    # Both step functions are flat between degrees that occur: the gap is largest at one of them or just before one.
    model = 1.0 - zeta(exponent, np.stack([values, values + 1])) / zeta(exponent, start)
    seen = np.cumsum(counts) / len(tail)
    gap = np.maximum(np.abs(model[1] - seen), np.abs(model[0] - (seen - counts / len(tail))))
    return exponent, float(1.0 / np.sqrt(max(len(tail) * curvature, 1e-12))), float(gap.max())


def _draw(rng: np.random.Generator, exponent: float, start: int, count: int) -> IntArray:
    """Degrees that follow the law exactly: the survival function is bisected on integers."""
    chance = 1.0 - rng.random(count)
    norm = zeta(exponent, start)
    low, high = np.full(count, start, dtype=np.int64), np.full(count, 2 * start, dtype=np.int64)
    while (short := zeta(exponent, high) / norm >= chance).any():
        # Beyond 2^40 no product graph reaches, and the tail's mean may not exist.
        if (high[short] >= 2**40).all():
            break
        low[short], high[short] = high[short], np.minimum(2 * high[short], 2**40)
    while (high - low > 1).any():
        middle = (low + high) // 2
        beyond = zeta(exponent, middle) / norm >= chance
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return low
