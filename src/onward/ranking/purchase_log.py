"""Who bought what on which day, and whether it was new to them: the form in which ranking reads purchases."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def distinct(numbers: Ints) -> Ints:
    """[m] the different ones of [n], ascending; numpy's `unique` hashes whole numbers, which takes far longer.

    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered = np.sort(numbers)
    kept: Ints = ordered[np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]]
    return kept


def customers_of(customer: Ints, product: Ints, products: int) -> Ints:
    """[P] how many customers bought each product, of purchases [n] by customer and product."""
    pair = distinct(customer * products + product)
    return np.bincount(pair % products, minlength=products).astype(np.int64)


@dataclass(frozen=True)
class PurchaseLog:
    """Distinct purchases, one a customer, product and day, sorted by customer, day and product.

    Attributes:
        customer: [n] inside customer number.
        product: [n] candidate number, 0..products-1.
        day: [n] days since 1970-01-01.
        fresh: [n] the customer had not bought the product in the last `fresh_days` days. False within the first
            `fresh_days` days of the log, when nobody can tell.
        products: number of candidates.
    """

    customer: Ints
    product: Ints
    day: Ints
    fresh: Bools
    products: int

    @classmethod
    def of(
        cls, customer: np.ndarray, product: np.ndarray, day: np.ndarray, products: int, fresh_days: int
    ) -> "PurchaseLog":
        """Drop repeats within a day, mark what is new and sort."""
        columns = (customer.astype(np.int64), product.astype(np.int64), day.astype(np.int64))
        if not len(columns[0]):
            return cls(*columns, np.zeros(0, dtype=np.bool_), products)
        order = np.lexsort((columns[2], columns[1], columns[0]))
        customer, product, day = (column[order] for column in columns)
        same_pair = np.r_[False, (customer[1:] == customer[:-1]) & (product[1:] == product[:-1])]
        gap = np.r_[0, np.diff(day)]
        distinct = ~(same_pair & (gap == 0))
        fresh = ~(same_pair & (gap <= fresh_days)) & (day >= day.min() + fresh_days)
        customer, product, day, fresh = customer[distinct], product[distinct], day[distinct], fresh[distinct]
        order = np.lexsort((product, day, customer))
        return cls(customer[order], product[order], day[order], fresh[order], products)

    def where(self, keep: Bools) -> "PurchaseLog":
        """The purchases under a mask; what was new stays new, since it looks back only."""
        return PurchaseLog(self.customer[keep], self.product[keep], self.day[keep], self.fresh[keep], self.products)

    def before(self, day: int) -> "PurchaseLog":
        """The purchases of earlier days."""
        return self.where(self.day < day)

    def visit(self) -> Ints:
        """[n] number of the customer's shopping day, counted from the customer's first."""
        if not len(self.day):
            return np.zeros(0, dtype=np.int64)
        first = np.r_[True, self.customer[1:] != self.customer[:-1]]
        new_day = np.r_[True, self.day[1:] != self.day[:-1]] | first
        count = np.cumsum(new_day) - 1
        return np.asarray(count - np.maximum.accumulate(np.where(first, count, 0)), dtype=np.int64)
