"""The undirected relation: what the same customers buy on the same day."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
from ibis import _

from onward.graph.product_graph import IntArray


def together_counts(
    purchases: ibis.Table, before: datetime, min_support: int, shrinkage: float, neighbours_per_product: int
) -> ibis.Table:
    """Unexecuted pairs of products that customers bought on one day, strongest neighbours of each product.

    Columns left, right, support, expected, score, ordered by (left, right). With n customers of each product and H in
    all, expected = n_left n_right / H and score = (support + 1) / (expected + shrinkage): both are the same both ways,
    but a pair may be kept from one side only.

    Args:
        purchases: customer, product, purchased_at (naive local time).
        before: only purchases strictly earlier count.
        min_support: customers behind a pair.
        shrinkage: added to the expected support.
        neighbours_per_product: how many each product keeps.
    """
    known = purchases.filter(_.purchased_at < ibis.literal(before))
    days = known.select("customer", "product", day=_.purchased_at.date()).distinct()
    customers = days.group_by("product").aggregate(customers=_.customer.nunique())
    everybody = days.customer.nunique().as_scalar()
    others = days.select("customer", "day", right=_.product)
    pairs = (
        days.select("customer", "day", left=_.product)
        .inner_join(others, ["customer", "day"])
        .filter(_.left != _.right)
        .select("customer", "left", "right")
        .distinct()
        .group_by("left", "right")
        .aggregate(support=_.count())
        .filter(_.support >= min_support)
        .inner_join(customers.select(left=_.product, n_left=_.customers), "left")
        .inner_join(customers.select(right=_.product, n_right=_.customers), "right")
        .mutate(expected=_.n_left.cast("float64") * _.n_right.cast("float64") / everybody.cast("float64"))
        .mutate(score=(_.support + 1).cast("float64") / (_.expected + shrinkage))
    )
    best_first = ibis.window(group_by=pairs.left, order_by=[ibis.desc(pairs.score), pairs.right])
    kept = pairs.mutate(rank=ibis.row_number().over(best_first)).filter(_.rank < neighbours_per_product)
    return kept.select("left", "right", "support", "expected", "score").order_by("left", "right")


def together_neighbours(products: int, pairs: pd.DataFrame) -> IntArray:
    """[P, k] neighbours of each product, -1 after the last; k is the most that any product has, at least 1.

    Args:
        products: P.
        pairs: columns left and right, products 0..P-1, each pair at most once.
    """
    left, right = (pairs[name].to_numpy(np.int64) for name in ("left", "right"))
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    counts = np.bincount(left, minlength=products)
    place = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((products, max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
    table[left, place] = right
    return table


def pairs_within(neighbours: IntArray, nodes: IntArray) -> IntArray:
    """[2, j] pairs (neighbour, node), by position in `nodes`, whose both ends are among them.

    >>> pairs_within(np.array([[1, 2], [0, -1], [0, -1]]), np.array([2, 0])).tolist()
    [[1, 0], [0, 1]]

    Args:
        neighbours: [P, k], see `together_neighbours`.
        nodes: [n] distinct products.
    """
    place = np.full(len(neighbours) + 1, -1, dtype=np.int64)  # the last stands for -1
    place[nodes] = np.arange(len(nodes))
    others = place[neighbours[nodes]]
    row, column = np.nonzero(others >= 0)
    return np.stack([others[row, column], row])
