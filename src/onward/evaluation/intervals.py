"""Intervals that respect who the rows belong to.

Rows of one customer move together, so a customer is drawn whole: the bootstrap resamples customers, never rows.
Because every metric here is a ratio of sums, only one sum per customer is kept and a resample is a matrix product.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.uncertainty.reliability import wilson_interval

Floats = npt.NDArray[np.float64]

_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON form; what cannot be computed (0/0) is null, never NaN."""
        return {name: _number(value) for name, value in (("value", self.value), ("low", self.low), ("high", self.high))}


@dataclass(frozen=True)
class CustomerBootstrap:
    """Resamples of customers that are the same for every metric, so that differences are paired.

    Attributes:
        codes: [n] dense customer number of each row, 0..customers-1.
        customers: how many distinct customers there are.
        samples: number of resamples.
        seed: of the multinomial draws.
    """

    codes: npt.NDArray[np.int64]
    customers: int
    samples: int
    seed: int

    @classmethod
    def of(cls, customer: np.ndarray, samples: int, seed: int) -> "CustomerBootstrap":
        """Number the customers of [n] rows."""
        known, codes = np.unique(customer, return_inverse=True)
        return cls(codes.astype(np.int64), len(known), samples, seed)

    def weights(self) -> Iterator[Floats]:
        """Yield blocks [b, customers] of how often each customer is drawn; every call yields the same blocks."""
        generator = np.random.default_rng([self.seed, 0xB007])
        share = np.full(self.customers, 1.0 / self.customers)
        block = max(1, _BLOCK_CELLS // self.customers)
        for start in range(0, self.samples, block):
            size = min(block, self.samples - start)
            yield generator.multinomial(self.customers, share, size=size).astype(np.float64)

    def ratio(self, numerator: np.ndarray, denominator: np.ndarray) -> Interval:
        """Interval of sum(numerator) / sum(denominator) over [n] rows."""
        return self.ratio_difference(numerator, denominator, np.zeros(len(numerator)), np.ones(len(numerator)))

    def ratio_difference(
        self, numerator: np.ndarray, denominator: np.ndarray, other_numerator: np.ndarray, other_denominator: np.ndarray
    ) -> Interval:
        """Interval of one ratio of sums minus another on the same rows, drawn together."""
        rows = np.stack([numerator, denominator, other_numerator, other_denominator], axis=1)
        total, drawn = self.sums(rows)
        return interval_of(float(_difference(total[None])[0]), _difference(drawn))

    def sums(self, columns: np.ndarray) -> tuple[Floats, Floats]:
        """[m] sums of columns [n, m] over all rows, and [samples, m] over the rows of each resample."""
        each = [np.bincount(self.codes, weights=column, minlength=self.customers) for column in columns.T]
        by_customer = np.stack(each, axis=1)
        return by_customer.sum(axis=0), np.concatenate([block @ by_customer for block in self.weights()])


def interval_of(value: float, resampled: np.ndarray) -> Interval:
    """95 % percentile interval; resamples in which the metric does not exist are left out."""
    known = resampled[np.isfinite(resampled)]
    if not len(known) or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


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


def _difference(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        difference: Floats = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    return difference


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
