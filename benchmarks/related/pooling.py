"""Figures of one clock and means over clocks, with intervals over households that are asked at several of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onward.evaluation.related_quality import Outcome, columns_of, metric_of
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval, interval_of


@dataclass(frozen=True)
class Sums:
    """What is summed to make a metric.

    Attributes:
        total: [K, 6] by clock; see `columns_of`.
        drawn: [samples, K, 6] of resampled households, drawn once for all clocks.
    """

    total: Floats
    drawn: Floats

    def of_clocks(self, name: str) -> tuple[Floats, Floats]:
        """[K] the metric at each clock, and [samples, K] its resamples."""
        return metric_of(self.total, name), metric_of(self.drawn, name)

    def interval(self, name: str, clock: int | Sequence[int] | None) -> Interval:
        """The metric at one clock, or its mean over some, or over all when `clock` is None."""
        value, drawn = self.of_clocks(name)
        return _chosen(value, drawn, clock)

    def gain(self, other: "Sums", name: str, clock: int | None) -> Interval:
        """The same of the difference to another method, paired."""
        (value, drawn), (less, less_drawn) = self.of_clocks(name), other.of_clocks(name)
        return _chosen(value - less, drawn - less_drawn, clock)


@dataclass(frozen=True)
class Pool:
    """The queries of all clocks, one after another; a household is drawn whole, with its queries at every clock.

    Attributes:
        bootstrap: of the households of all queries.
        clock: [q] clock of each query.
        clocks: how many there are.
    """

    bootstrap: CustomerBootstrap
    clock: np.ndarray
    clocks: int

    @classmethod
    def of(cls, households: Sequence[np.ndarray], samples: int, seed: int) -> "Pool":
        """Join the households of each clock's queries."""
        clock = np.repeat(np.arange(len(households)), [len(each) for each in households])
        return cls(CustomerBootstrap.of(np.concatenate(households), samples, seed), clock, len(households))

    def sums(self, outcomes: Sequence[Outcome]) -> Sums:
        """Sum one method's outcomes, one a clock."""
        columns = np.concatenate([columns_of(each) for each in outcomes])
        width = columns.shape[1]
        apart = np.zeros((len(columns), self.clocks, width))
        apart[np.arange(len(columns)), self.clock] = columns
        total, drawn = self.bootstrap.sums(apart.reshape(len(columns), -1))
        return Sums(total.reshape(self.clocks, width), drawn.reshape(len(drawn), self.clocks, width))


def claims_of(name: str, interval: Interval) -> dict[str, float]:
    """An interval as three claims."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _chosen(value: Floats, drawn: Floats, clock: int | Sequence[int] | None) -> Interval:
    at = slice(None) if clock is None else np.atleast_1d(clock)
    return interval_of(float(value[at].mean()), drawn[:, at].mean(axis=1))
