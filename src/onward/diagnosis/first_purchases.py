"""When each customer first bought each item: all that the order of pairs is judged by."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from onward.random_streams import Stream

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FirstPurchases:
    """First purchases of items by customers, sorted by customer, day and item.

    Attributes:
        customer: [n], 0 .. customers - 1.
        item: [n], 0 .. items - 1; a product or a type.
        day: [n] days since any fixed day.
        items: how many items there are.
    """

    customer: Ints
    item: Ints
    day: Ints
    items: int

    @classmethod
    def of(cls, customer: npt.ArrayLike, item: npt.ArrayLike, day: npt.ArrayLike) -> Self:
        """Keep the first day on which each customer bought each item, given purchases [n].

        Examples:
            >>> FirstPurchases.of([5, 5, 5], [9, 8, 9], [3, 4, 1]).day.tolist()
            [1, 4]
        """
        customers = np.unique(np.asarray(customer), return_inverse=True)[1]
        kinds, items = np.unique(np.asarray(item), return_inverse=True)
        days = np.asarray(day, np.int64)
        if not len(days):
            return cls(days, days, days, 0)
        first = int(days.min())
        span = int(np.ptp(days)) + 1
        # One number a purchase, sorted once: of each (customer, item) the first has the earliest day.
        key = np.sort((customers * len(kinds) + items) * span + (days - first))
        key = key[np.r_[True, np.diff(key // span) != 0]]
        pair = key // span
        return cls._sorted(pair // len(kinds), pair % len(kinds), key % span + first, len(kinds))

    @classmethod
    def _sorted(cls, customer: Ints, item: Ints, day: Ints, items: int) -> Self:
        order = np.lexsort((item, day, customer))
        customers = np.unique(customer[order], return_inverse=True)[1].astype(np.int64)
        return cls(customers, item[order].astype(np.int64), day[order].astype(np.int64), items)

    @property
    def starts(self) -> Ints:
        """[customers + 1] where each customer's purchases begin and, last, where all end."""
        begin = np.searchsorted(self.customer, np.arange(self.customers))
        return np.asarray(np.r_[begin, len(self.customer)], np.int64)

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return int(self.customer[-1]) + 1 if len(self.customer) else 0

    @property
    def age(self) -> Ints:
        """[n] days since the customer's first purchase of all."""
        starts = self.starts
        return self.day - np.repeat(self.day[starts[:-1]], np.diff(starts))

    def most_bought(self, items: int) -> Self:
        """Keep the items that most customers bought, at most `items`, numbered anew by how many."""
        bought = np.bincount(self.item, minlength=self.items)
        chosen = np.argsort(-bought, kind="stable")[: min(items, int(np.count_nonzero(bought)))]
        number = np.full(self.items, -1, np.int64)
        number[chosen] = np.arange(len(chosen))
        kept = number[self.item] >= 0
        return self._sorted(self.customer[kept], number[self.item[kept]], self.day[kept], len(chosen))

    def followers(self, within_days: int) -> Ints:
        """[n] how many other items the customer first bought later, but within so many days."""
        if not len(self.day):
            return self.day
        # One number that sorts as (customer, day) does; days of two customers lie farther apart than any window.
        width = int(np.ptp(self.day)) + within_days + 1
        moment = self.customer * width + (self.day - self.day.min())
        until = np.searchsorted(moment, moment + within_days, side="right")
        return np.asarray(until - np.searchsorted(moment, moment, side="right"), np.int64)

    def sample(self, pairs: int, within_days: int, seed: int) -> Self:
        """Keep customers drawn at random until they hold `pairs` pairs of items, bought within so many days."""
        held = np.bincount(self.customer, self.followers(within_days), self.customers)
        order = np.random.default_rng([seed, Stream.FIRST_PURCHASES]).permutation(self.customers)
        drawn = np.zeros(self.customers, np.bool_)
        drawn[order[: int(np.searchsorted(np.cumsum(held[order]), pairs)) + 1]] = True
        kept = drawn[self.customer]
        return self._sorted(self.customer[kept], self.item[kept], self.day[kept], self.items)

    def with_items(self, item: Ints) -> Self:
        """Put other items [n] on the same days of the same customers."""
        return replace(self, item=item)
