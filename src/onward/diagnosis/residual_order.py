"""The order of pairs beyond what seasons and frequency expect, and the same order in shuffled logs.

For each pair of items and each customer who first bought both on different days, the residual is 1[u first] minus its
expectation. What is left of one strength an item (Bradley and Terry's) is taken out, customers' group by group. If
pairs have an order of their own, the residuals of different customers agree: K_gh = Σ_pairs S_g S_h / V over groups
g ≠ h of customers has mean Σ V d² where d is the log-odds of a pair's own order, and mean 0 where there is none.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array
from scipy.special import ndtr

from onward.diagnosis.first_purchases import FirstPurchases, Ints
from onward.diagnosis.seasons import Floats, Seasons

Counts = npt.NDArray[np.int32]
Sums = npt.NDArray[np.float32]

_GROUPS = 32
_LEAST_EVENTS = 10
_FALSE_DISCOVERIES = 0.05
_SWEEPS = 5


@dataclass(frozen=True)
class ResidualOrder:
    """What the pairs of one log say together.

    Attributes:
        pairs: pairs of items that at least ten customers first bought on different days.
        agreement: Σ K_gh over g ≠ h.
        error: its standard error.
        information: Σ V over pairs; agreement / information estimates the mean square of d.
        ordered_pairs: pairs whose own residual is beyond chance, at most 5 % of them falsely (Benjamini and Hochberg).
    """

    pairs: int
    agreement: float
    error: float
    information: float
    ordered_pairs: int


def measure_order(
    first: FirstPurchases, seasons: Seasons, within_days: int, *, strengths: bool = True
) -> ResidualOrder:
    """Measure the residual order of all pairs first bought within so many days of each other.

    Args:
        first: the first purchases.
        seasons: what is expected of them.
        within_days: the farthest that two days may lie apart.
        strengths: whether one strength an item is taken out.
    """
    groups = min(_GROUPS, first.customers)
    # Customers are in no order that means anything but their number: neighbours go to different groups.
    group = np.arange(first.customers, dtype=np.int64) % max(groups, 1)
    events = np.zeros(first.items**2, np.int32)
    _count(first.starts, first.item, first.day, within_days, first.items, events)
    kept = np.flatnonzero(events >= _LEAST_EVENTS)
    if len(kept) < 2 or groups < 4:
        return ResidualOrder(len(kept), 0.0, 0.0, 0.0, 0)
    place = np.full(first.items**2, -1, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    sums = np.zeros((len(kept), groups), np.float32)
    weight = np.zeros(len(kept))
    _accumulate(
        first.starts,
        first.item,
        first.day,
        seasons.cell,
        seasons.rate,
        group,
        within_days,
        first.items,
        place,
        sums,
        weight,
    )
    residual = sums.astype(np.float64)
    u, v = kept // first.items, kept % first.items
    if strengths:
        residual = _without_strengths(residual, weight, u, v, first.items)
    together = (residual / weight[:, None]).T @ residual
    agreement, error = _agreement(together)
    surprise = 2.0 * ndtr(-np.abs(residual.sum(axis=1)) / np.sqrt(weight))
    return ResidualOrder(len(kept), agreement, error, float(weight.sum()), _discoveries(surprise))


def shuffle_days(first: FirstPurchases, seasons: Seasons, seed: int) -> FirstPurchases:
    """Deal each customer's items anew to the same days, in proportion to the items' rates on those days.

    Metropolis steps exchange two items of a customer at a time, from a uniform shuffle on; how many items fall on a
    day, each item's season and its frequency stay as they are, any order between items is gone.
    """
    item = first.item.copy()
    _deal(first.starts, item, seasons.cell, seasons.rate, seed, _SWEEPS)
    return first.with_items(item)


def _without_strengths(residual: Floats, weight: Floats, u: Ints, v: Ints, items: int) -> Floats:
    pairs = np.arange(len(u))
    signs = csr_array(
        (np.r_[np.ones(len(u)), -np.ones(len(u))], (np.r_[u, v], np.r_[pairs, pairs])), shape=(items, len(u))
    )
    laplacian = (signs @ (diags_array(weight) @ signs.T)).toarray()
    # Strengths are known but for a constant, and items without a pair have none: a little ridge settles both.
    laplacian[np.diag_indices(items)] += 1e-6 * max(float(weight.mean()), 1e-12)
    strength = cho_solve(cho_factor(laplacian), signs @ residual)
    left: Floats = residual - weight[:, None] * (strength[u] - strength[v])
    return left


def _agreement(together: Floats) -> tuple[float, float]:
    """Sum of the off-diagonal of a symmetric [g, g] and its error, from pairs of groups and from groups."""
    groups = len(together)
    apart = np.where(np.eye(groups, dtype=np.bool_), 0.0, together)
    total = float(apart.sum())
    mean = total / (groups * (groups - 1))
    pairs = float(((apart - mean) ** 2).sum()) - groups * mean**2
    rows = float(((apart.sum(axis=1) - total / groups) ** 2).sum())
    return total, float(np.sqrt(2.0 * pairs + max(0.0, 4.0 * (rows - pairs))))


def _discoveries(p_values: Floats) -> int:
    ordered = np.sort(p_values)
    under = np.flatnonzero(ordered <= _FALSE_DISCOVERIES * np.arange(1, len(ordered) + 1) / len(ordered))
    return int(under[-1]) + 1 if len(under) else 0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _count(starts: Ints, item: Ints, day: Ints, within_days: int, items: int, events: Counts) -> None:
    for customer in range(len(starts) - 1):
        for i in range(starts[customer], starts[customer + 1]):
            u = item[i]
            for j in range(i + 1, starts[customer + 1]):
                apart = day[j] - day[i]
                if apart > within_days:
                    break
                if apart > 0:
                    v = item[j]
                    events[min(u, v) * items + max(u, v)] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _accumulate(
    starts: Ints,
    item: Ints,
    day: Ints,
    cell: Ints,
    rate: Floats,
    group: Ints,
    within_days: int,
    items: int,
    place: Counts,
    sums: Sums,
    weight: Floats,
) -> None:
    for customer in range(len(starts) - 1):
        own = group[customer]
        for i in range(starts[customer], starts[customer + 1]):
            u = item[i]
            for j in range(i + 1, starts[customer + 1]):
                apart = day[j] - day[i]
                if apart > within_days:
                    break
                v = item[j]
                pair = place[min(u, v) * items + max(u, v)]
                if apart == 0 or pair < 0:
                    continue
                odds = rate[u, cell[i]] - rate[u, cell[j]] + rate[v, cell[j]] - rate[v, cell[i]]
                expected = 1.0 / (1.0 + np.exp(-odds))
                sums[pair, own] += 1.0 - expected if u < v else expected - 1.0
                weight[pair] += expected * (1.0 - expected)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _deal(starts: Ints, item: Ints, cell: Ints, rate: Floats, seed: int, sweeps: int) -> None:
    np.random.seed(seed)  # noqa: NPY002 - numba's own generator
    for customer in range(len(starts) - 1):
        start, size = starts[customer], starts[customer + 1] - starts[customer]
        for i in range(size - 1, 0, -1):
            j = np.random.randint(0, i + 1)  # noqa: NPY002
            item[start + i], item[start + j] = item[start + j], item[start + i]
        for _ in range(sweeps * size):
            i, j = start + np.random.randint(0, size), start + np.random.randint(0, size)  # noqa: NPY002
            u, v = item[i], item[j]
            gain = rate[u, cell[j]] + rate[v, cell[i]] - rate[u, cell[i]] - rate[v, cell[j]]
            if gain >= 0.0 or np.random.random() < np.exp(gain):  # noqa: NPY002
                item[i], item[j] = v, u
