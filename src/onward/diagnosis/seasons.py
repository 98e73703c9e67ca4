"""When an item tends to be bought for the first time: its season, and how soon a new customer comes to it.

A customer c's first purchase of item p falls on day t in proportion to w_c(t) · exp(S_p(month of t) + A_p(age of c
at t)): the customer's own activity w, the item's season S and its frequency A, since what is bought often is bought
early. Given the two days on which c bought u and v, w cancels, and the odds that u came first are Bradley and Terry's
(Biometrika 1952) with strengths that move with time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from onward.diagnosis.first_purchases import FirstPurchases, Ints

Floats = npt.NDArray[np.float64]

_MONTH = 30  # days of a bin of the season
_AGE_BINS = 6
_MOST_SEASONS = 36
_PRIOR = 3.0  # expected purchases that every bin of an item is given in advance
_ROUNDS = 3


@dataclass(frozen=True)
class Seasons:
    """The bins of first purchases and each item's rates in them.

    Attributes:
        cell: [n] month and customer's age at each first purchase, as one number.
        rate: [items, cells] S + A, log rate against the buyers' own activity.
    """

    cell: Ints
    rate: Floats

    def flat(self) -> "Seasons":
        """Return the same bins with the same rate in each: no season and no frequency."""
        return Seasons(self.cell, np.zeros_like(self.rate))


def fit_seasons(first: FirstPurchases) -> Seasons:
    """Fit S and A in turn, each as observed over expected counts; bins hold as many first purchases each."""
    span = int(first.day.max() - first.day.min()) + 1
    month, months = _equal_bins(first.day, min(max(2, round(span / _MONTH)), _MOST_SEASONS))
    age, ages = _equal_bins(first.age, _AGE_BINS)
    cell = month * ages + age
    cells = months * ages
    sizes = np.diff(first.starts)
    share = csr_array((1.0 / sizes[first.customer], (first.customer, cell)), shape=(first.customers, cells))
    bought = csr_array((np.ones(len(cell)), (first.item, first.customer)), shape=(first.items, first.customers))
    # [items, cells] first purchases that the buyers' own activity would lead one to expect.
    expected = (bought @ share).toarray()
    seen_month = _table(first.item, month, first.items, months)
    seen_age = _table(first.item, age, first.items, ages)
    total = seen_month.sum(axis=1, keepdims=True)
    by_month = np.zeros((first.items, months))
    by_age = np.zeros((first.items, ages))
    for _ in range(_ROUNDS):
        for axis, seen, table in ((2, seen_month, by_month), (1, seen_age, by_age)):
            rate = expected.reshape(-1, months, ages) * np.exp(by_month[:, :, None] + by_age[:, None, :])
            due = rate.sum(axis=axis)
            due *= total / np.maximum(due.sum(axis=1, keepdims=True), 1e-12)
            table[:] += np.log((seen + _PRIOR) / (due + _PRIOR))
    return Seasons(cell, (by_month[:, :, None] + by_age[:, None, :]).reshape(first.items, cells))


def _equal_bins(values: Ints, bins: int) -> tuple[Ints, int]:
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="higher"))
    edges = edges[edges > values.min()]
    return np.searchsorted(edges, values, side="right").astype(np.int64), len(edges) + 1


def _table(row: Ints, column: Ints, rows: int, columns: int) -> Floats:
    return np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
