"""How many customers bought both of two products, at any time: taste, where baskets and visits say nothing yet.

Each product has one bit a customer, so that a pair costs a few dozen operations and no table of pairs is ever made.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.random_streams import Stream
from onward.ranking.directed_graph import Ints
from onward.ranking.shopping import Shopping

Floats = npt.NDArray[np.float64]

_MOST_CUSTOMERS = 4096
_PAIRS_AT_ONCE = 32_768
_STRENGTH = 10.0


@dataclass(frozen=True)
class SharedCustomers:
    """Customers of products, as bits.

    Attributes:
        bits: [P, words] one bit a customer.
        count: [P] customers of each product among them.
        customers: how many there are.
    """

    bits: npt.NDArray[np.uint64]
    count: Ints
    customers: int

    @classmethod
    def from_pairs(cls, customer: Ints, product: Ints, customers: int, products: int) -> "SharedCustomers":
        """Of distinct pairs of a customer, 0..customers-1, and a product."""
        bits = np.zeros((products, max(1, -(-customers // 64))), dtype=np.uint64)
        np.bitwise_or.at(bits, (product, customer // 64), np.uint64(1) << (customer % 64).astype(np.uint64))
        return cls(bits, np.bitwise_count(bits).sum(axis=1).astype(np.int64), customers)

    def pairs(self) -> tuple[Ints, Ints]:
        """Customers and products that `from_pairs` makes the same bits of, by product."""
        shifts = np.arange(64, dtype=np.uint64)
        product, word = np.nonzero(self.bits)
        row, bit = np.nonzero((self.bits[product, word][:, None] >> shifts) & np.uint64(1))
        return (word[row] * 64 + bit).astype(np.int64), product[row].astype(np.int64)

    @classmethod
    def of(cls, shopping: Shopping, seed: int) -> "SharedCustomers":
        """Of all customers, or of a sample where they are many."""
        customers = np.unique(shopping.log.customer)
        if len(customers) > _MOST_CUSTOMERS:
            generator = np.random.default_rng([seed, Stream.SHARED_CUSTOMERS])
            customers = np.sort(generator.choice(customers, _MOST_CUSTOMERS, replace=False))
        place = np.searchsorted(customers, shopping.log.customer)
        place[place == len(customers)] = 0
        kept = customers[place] == shopping.log.customer if len(customers) else np.zeros(0, dtype=np.bool_)
        return cls.from_pairs(place[kept], shopping.log.product[kept], len(customers), shopping.products)

    def log_lift(self, u: Ints, v: Ints) -> Floats:
        """[n] log of how many times chance customers of u are customers of v, shrunk towards 0."""
        both = np.empty(len(u), dtype=np.float64)
        for start in range(0, len(u), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            both[part] = np.bitwise_count(self.bits[u[part]] & self.bits[v[part]]).sum(axis=1)
        expected = self.count[u] * self.count[v] / max(self.customers, 1)
        lift: Floats = np.log((both + _STRENGTH) / (expected + _STRENGTH))
        return lift
