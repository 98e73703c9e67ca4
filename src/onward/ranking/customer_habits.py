"""Pairs that look related because one customer keeps buying both: a habit of one is no pattern of the shop.

The lifts rank such pairs high, and rightly for that customer: who bought two things in twenty baskets buys them in the
next one too. But a list is shown to everybody.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from onward.ranking.directed_graph import Ints

Bools = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]

# Two baskets of one customer say as little as any two.
_LEAST_BASKETS = 3
_SHARE = 2 / 3


@dataclass(frozen=True)
class CustomerHabits:
    """Pairs of products of whose common baskets more than two thirds are one customer's.

    Attributes:
        pair: [n] u · P + v with u < v, ascending.
        products: P.
    """

    pair: Ints
    products: int

    @classmethod
    def of(cls, baskets: sp.csr_matrix, customer: Ints, together: sp.csr_matrix, candidates: Ints) -> "CustomerHabits":
        """Find them.

        Args:
            baskets: [B, P] which products each basket holds.
            customer: [B] whose it is.
            together: [C, C] how many baskets hold both of two candidates, columns sorted; 0 where that is of no weight.
            candidates: [C] the products that are counted, ascending.
        """
        held = sp.csr_matrix(baskets[:, candidates])
        held.sort_indices()
        by_customer = np.argsort(customer, kind="stable")
        most = _most_of_one_customer(
            together.indptr, together.indices, held.indptr, held.indices, by_customer, customer[by_customer]
        )
        u, v = together.nonzero()
        habit = (u < v) & (together.data >= _LEAST_BASKETS) & (most > _SHARE * together.data)
        products = int(baskets.shape[1])
        return cls(candidates[u[habit]] * products + candidates[v[habit]], products)

    def hold(self, u: Ints, v: Ints) -> Bools:
        """[n] whether a pair of products is one customer's habit, in either order."""
        if not len(self.pair):
            return np.zeros(len(u), np.bool_)
        asked = np.minimum(u, v) * self.products + np.maximum(u, v)
        place = np.minimum(np.searchsorted(self.pair, asked), len(self.pair) - 1)
        return np.asarray(self.pair[place] == asked, np.bool_)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _most_of_one_customer(
    offsets: Int32s, columns: Int32s, basket_offsets: Int32s, items: Int32s, baskets: Ints, customer: Ints
) -> Int32s:
    """Of each count, the most that a single customer adds to it; of pairs u < v only.

    Baskets are walked customer by customer, so that each count needs to remember no more than the last one.
    """
    whose = np.full(len(columns), -1, np.int64)
    own = np.zeros(len(columns), np.int32)
    most = np.zeros(len(columns), np.int32)
    for place in range(len(baskets)):
        basket = baskets[place]
        end_of_basket = basket_offsets[basket + 1]
        for first in range(basket_offsets[basket], end_of_basket):
            start, end = offsets[items[first]], offsets[items[first] + 1]
            for second in range(first + 1, end_of_basket):
                # Items of a basket ascend, and so do the columns of a row: what follows stands further on.
                low, high = start, end
                while low < high:
                    middle = (low + high) // 2
                    if columns[middle] < items[second]:
                        low = middle + 1
                    else:
                        high = middle
                start = low
                if low == end or columns[low] != items[second]:
                    continue
                if whose[low] != customer[place]:
                    whose[low] = customer[place]
                    own[low] = 0
                own[low] += 1
                most[low] = max(most[low], own[low])
    return most
