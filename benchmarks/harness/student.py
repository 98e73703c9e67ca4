"""Intervals of a mean over a few splits, shops or clocks, by Student's t (1908)."""

from math import sqrt

from scipy.stats import t


def half_width(deviation: float, count: int) -> float:
    """Half of the 95 % interval of a mean of `count` values with this standard deviation (n - 1 below).

    >>> round(half_width(2**0.5, 2), 2)
    12.71
    """
    return float(t.ppf(0.975, count - 1)) * deviation / sqrt(count)
