"""What customers newly bought after a day."""

import numpy as np

from onward.ranking.purchase_log import Ints, PurchaseLog


def newly_bought_after(log: PurchaseLog, customer: Ints, day: Ints, follow_days: int) -> tuple[Ints, Ints]:
    """(query, product) of what each customer newly bought after a day and within `follow_days` of it.

    Args:
        log: all purchases that may answer.
        customer: [q] who asks.
        day: [q] when.
        follow_days: the last day that counts is so much later.
    """
    new = log.where(log.fresh)
    key = _key(new.customer, new.day)
    low = np.searchsorted(key, _key(customer, day), side="right")
    high = np.searchsorted(key, _key(customer, day + follow_days), side="right")
    query, row = spread(low, high)
    return query, new.product[row]


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Number of the range, and place, of every place in [q] ranges low <= place < high.

    >>> [each.tolist() for each in spread(np.array([4, 0, 7]), np.array([6, 0, 8]))]
    [[0, 0, 2], [4, 5, 7]]
    """
    count = high - low
    number = np.repeat(np.arange(len(low)), count)
    return number, np.repeat(low - np.r_[0, np.cumsum(count)[:-1]], count) + np.arange(count.sum())


def _key(customer: Ints, day: Ints) -> Ints:
    # A day number stays below 2**20 until the year 4840.
    return np.asarray(customer * 2**20 + day, dtype=np.int64)
