"""What a shop sold, over the products that related lists may name: lines of orders, and purchases by day.

Candidates are numbered 0..C-1; what is bought together is a matter of orders, what is bought later one of days.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from onward.data.contract import NO_CATEGORY
from onward.evaluation.window_counts import share_of, share_of_purchases
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.purchase_log import Bools, Ints, PurchaseLog, customers_of


@dataclass(frozen=True)
class RelatedLog:
    """Distinct lines of orders, sorted by order and product, and the same purchases by customer and day.

    Attributes:
        customer: [n] inside customer number of each line.
        order: [n] order number; an order has one customer.
        product: [n] candidate number.
        day: [n] days since 1970-01-01.
        purchases: one a customer, product and day; it knows what was new.
    """

    customer: Ints
    order: Ints
    product: Ints
    day: Ints
    purchases: PurchaseLog

    @classmethod
    def of(
        cls,
        customer: np.ndarray,
        order: np.ndarray,
        product: np.ndarray,
        day: np.ndarray,
        products: int,
        fresh_days: int,
    ) -> "RelatedLog":
        """Sort [n] lines and drop repeats within an order.

        Args:
            customer: who bought.
            order: of which order the line is.
            product: candidate number.
            day: since 1970-01-01.
            products: number of candidates C.
            fresh_days: a purchase is new when the customer had none of the product for so long.
        """
        columns = [np.asarray(column, dtype=np.int64) for column in (customer, order, product, day)]
        sort = np.lexsort((columns[2], columns[1]))
        customer, order, product, day = (column[sort] for column in columns)
        again = np.zeros(len(order), dtype=np.bool_)
        again[1:] = (order[1:] == order[:-1]) & (product[1:] == product[:-1])
        purchases = PurchaseLog.of(customer, product, day, products, fresh_days)
        return cls(customer[~again], order[~again], product[~again], day[~again], purchases)

    @property
    def products(self) -> int:
        """Number of candidates C."""
        return self.purchases.products

    def before(self, day: int) -> "RelatedLog":
        """What was known at the midnight that begins a day."""
        keep = self.day < day
        return RelatedLog(
            self.customer[keep], self.order[keep], self.product[keep], self.day[keep], self.purchases.before(day)
        )

    def order_share(self) -> Floats:
        """[C] P(v): lines of each candidate over all lines, so that they add up to 1."""
        return share_of(self.product, self.products)

    def new_share(self) -> Floats:
        """[C] P(v) among new purchases; those of the log's first days, which nobody can call new, do not count."""
        return share_of_purchases(self.purchases, None, fresh_only=True)


def candidates_known(customer: np.ndarray, product: np.ndarray, products: int, min_customers: int) -> Ints:
    """[C] products, ascending, that at least `min_customers` customers bought.

    Args:
        customer: [n] who bought, of purchases before the clock.
        product: [n] what, 0..products-1.
        products: P.
        min_customers: fewer are too few to say anything about a product.

    >>> candidates_known(np.array([1, 1, 2]), np.array([0, 0, 2]), 3, 1).tolist()
    [0, 2]
    """
    return np.flatnonzero(customers_of(customer.astype(np.int64), product, products) >= min_customers)


def log_of_lines(purchases: pd.DataFrame, candidates: Ints, products: int, fresh_days: int) -> RelatedLog:
    """Lines of candidates only; columns customer, order, product and purchased_at, product 0..products-1."""
    number = np.full(products, -1, dtype=np.int64)
    number[candidates] = np.arange(len(candidates))
    coded = number[purchases["product"].to_numpy(np.int64)]
    kept: Bools = coded >= 0
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    customer, order = (purchases[name].to_numpy(np.int64) for name in ("customer", "order"))
    return RelatedLog.of(customer[kept], order[kept], coded[kept], day[kept], len(candidates), fresh_days)


def type_numbers(category: pd.Series) -> Ints:
    """[C] number of each product's type, its whole category path; a product without a path is its own type.

    >>> type_numbers(pd.Series(["FOOD > MILK", None, "FOOD > MILK", "?"])).tolist()
    [0, 1, 0, 2]
    """
    category = category.mask(category == NO_CATEGORY)
    typed = category.notna().to_numpy()
    codes, paths = pd.factorize(category)
    codes = codes.astype(np.int64)
    codes[~typed] = len(paths) + np.arange((~typed).sum())
    return codes
