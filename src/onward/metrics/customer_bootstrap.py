"""Intervals that respect who the rows belong to.

Rows of one customer move together, so a customer is drawn whole: the bootstrap resamples customers, never rows.
Because every metric here is a ratio of sums, only one sum per customer is kept and a resample is a matrix product.
Where only the error of one sum is asked, the same sums give it without a resample.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onward.metrics.intervals import Interval, interval_of
from onward.random_streams import Stream

Floats = npt.NDArray[np.float64]

_BLOCK_CELLS = 4_000_000


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
        if self.samples * self.customers <= _BLOCK_CELLS:
            yield self._only_block
        else:
            yield from self._drawn()

    @cached_property
    def _only_block(self) -> Floats:
        """What fits into one block is drawn once and kept: every metric asks for it."""
        return np.concatenate([np.zeros((0, self.customers)), *self._drawn()])

    def _drawn(self) -> Iterator[Floats]:
        generator = np.random.default_rng([self.seed, Stream.CUSTOMER_BOOTSTRAP])
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
        by_customer = _sums(self.codes, columns, self.customers)
        return by_customer.sum(axis=0), np.concatenate([block @ by_customer for block in self.weights()])


def sum_by_customer(customer: npt.ArrayLike, values: Floats) -> Floats:
    """Sum rows [n, k] over each customer [n]: [customers, k].

    >>> sum_by_customer([7, 3, 7], np.array([[1.0], [2.0], [3.0]])).tolist()
    [[2.0], [4.0]]
    """
    customers, codes = np.unique(np.asarray(customer), return_inverse=True)
    return _sums(codes, values, len(customers))


def error_of_sum(customer: npt.ArrayLike, contribution: Floats) -> float:
    """Standard error of Σ contribution [n] whose expectation is 0, by customer [n] (Liang and Zeger 1986)."""
    sums = sum_by_customer(customer, contribution[:, None])[:, 0]
    return float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))


def deal_customers(
    customer: npt.NDArray[np.int64], folds: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """[n] fold of each row's customer [n]; a customer has one, and folds hold as many customers each, or one more."""
    known, code = np.unique(customer, return_inverse=True)
    return np.asarray(generator.permutation(len(known))[code] % folds, np.int64)


def _sums(codes: npt.NDArray[np.int64], columns: np.ndarray, customers: int) -> Floats:
    return np.stack([np.bincount(codes, weights=column, minlength=customers) for column in columns.T], axis=1)


def _difference(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        difference: Floats = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    return difference
