"""A figure with its 95 % interval, from resamples or, for a share of independent rows, from Wilson's formula."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]

Z95 = 1.959963984540054
"""Standard errors on each side of a 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON form; what cannot be computed (0/0) is null, never NaN."""
        return {name: _number(value) for name, value in (("value", self.value), ("low", self.low), ("high", self.high))}


def interval_of(value: float, resampled: np.ndarray) -> Interval:
    """95 % percentile interval; resamples in which the metric does not exist are left out."""
    known = resampled[np.isfinite(resampled)]
    if not len(known) or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def wilson_interval(positives: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a rate (JASA 1927); positives may be fractional, n must be at least 1.

    Examples:
        >>> low, high = wilson_interval([1.0], [10])
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.018], [0.404])
    """
    count = np.asarray(n, dtype=np.float64)
    rate = np.asarray(positives, dtype=np.float64) / count
    z2 = float(ndtri(0.5 + confidence / 2.0)) ** 2
    centre = (rate + z2 / (2.0 * count)) / (1.0 + z2 / count)
    reach = np.sqrt(z2 * rate * (1.0 - rate) / count + (z2 / (2.0 * count)) ** 2) / (1.0 + z2 / count)
    # Rounding must not push an end past the rate itself, where the rate is 0 or 1.
    return np.clip(centre - reach, 0.0, rate), np.clip(centre + reach, rate, 1.0)


def wilson(positives: float, total: float, confidence: float = 0.95) -> Interval:
    """Score interval of a share (Wilson, 1927); of nothing, everything is possible.

    >>> wilson(0, 0).to_dict()
    {'value': None, 'low': 0.0, 'high': 1.0}
    >>> bounds = wilson(5, 100)
    >>> round(bounds.low, 4), round(bounds.high, 4)
    (0.0215, 0.1118)
    """
    if total <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    low, high = wilson_interval(positives, total, confidence)
    return Interval(positives / total, float(low), float(high))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
