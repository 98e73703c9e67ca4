"""What customers bought before a clock, as rows of baskets and visits: the form that relations are counted from."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import scipy.sparse as sp

from onward.ranking.directed_graph import Ints
from onward.ranking.purchase_log import PurchaseLog, customers_of

DAY = "datetime64[D]"


@dataclass(frozen=True)
class Shopping:
    """Purchases before a clock.

    Attributes:
        baskets: [B, P] products of each order.
        basket_customer: [B].
        basket_day: [B] days since 1970-01-01.
        log: distinct (customer, product, day), and what was new to the customer.
        visits: [W, P] products of each customer's shopping days, by customer and day.
        fresh: [W, P] those of them that were new to the customer.
        visit_customer: [W].
        visit_day: [W].
    """

    baskets: sp.csr_matrix
    basket_customer: Ints
    basket_day: Ints
    log: PurchaseLog
    visits: sp.csr_matrix
    fresh: sp.csr_matrix
    visit_customer: Ints
    visit_day: Ints

    @property
    def products(self) -> int:
        """Number of products P, bought or not."""
        return int(self.baskets.shape[1])

    @property
    def customers(self) -> Ints:
        """[P] how many customers bought each product."""
        return customers_of(self.log.customer, self.log.product, self.products)


def read_shopping(purchases: pd.DataFrame, products: int, before: datetime, fresh_days: int) -> Shopping:
    """Put purchases into rows.

    Args:
        purchases: customer, order, product, purchased_at; any order, later rows do no harm.
        products: P.
        before: only earlier purchases count.
        fresh_days: a product is new to a customer who has not bought it for so many days.
    """
    past_purchases = purchases[(purchases["purchased_at"] < before).to_numpy(bool)]
    customer, order, product = (past_purchases[name].to_numpy(np.int64) for name in ("customer", "order", "product"))
    day = past_purchases["purchased_at"].to_numpy(DAY).astype(np.int64)
    orders, first, row = np.unique(order, return_index=True, return_inverse=True)
    log = PurchaseLog.of(customer, product, day, products, fresh_days)
    starts = np.r_[True, (np.diff(log.customer) != 0) | (np.diff(log.day) != 0)][: len(log.customer)]
    visit = np.cumsum(starts) - 1
    return Shopping(
        baskets=incidence(row, product, (len(orders), products)),
        basket_customer=customer[first],
        basket_day=day[first],
        log=log,
        visits=incidence(visit, log.product, (int(starts.sum()), products)),
        fresh=incidence(visit[log.fresh], log.product[log.fresh], (int(starts.sum()), products)),
        visit_customer=log.customer[starts],
        visit_day=log.day[starts],
    )


def incidence(rows: Ints, columns: Ints, shape: tuple[int, int]) -> sp.csr_matrix:
    """[n, m] 1 where a row holds a column, however often the pair is repeated."""
    matrix = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def day_of(moment: datetime) -> int:
    """Days since 1970-01-01.

    >>> day_of(datetime(1970, 1, 3))
    2
    """
    return int(np.datetime64(moment, "D").astype(np.int64))
