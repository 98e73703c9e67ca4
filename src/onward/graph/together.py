"""The undirected relation, what is bought together, as a table of neighbours; counted by `counts.together_counts`."""

import numpy as np
import pandas as pd

from onward.graph.product_graph import IntArray


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
