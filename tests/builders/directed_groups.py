"""A small world whose relations and their directions are known, for encoders."""

import numpy as np

from onward.graph.pair_support import PairSupport, graph_of_pairs
from onward.graph.product_graph import ProductGraph
from onward.model.product_inputs import ProductInputs


def pairs_of(counted):
    """Of a mapping of (u, v) to support."""
    ends = np.array(sorted(counted), dtype=np.int64)
    return PairSupport(ends[:, 0], ends[:, 1], np.array([counted[u, v] for u, v in ends.tolist()], dtype=np.float64))


def make_directed_groups() -> tuple[tuple[PairSupport, PairSupport], ProductGraph, ProductInputs]:
    """Group g leads to group g + 1, the last to the first, never back; groups share baskets; attributes tell groups."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(5), 16)
    after, together = {}, {}
    for u in range(80):
        for _ in range(12):
            after[u, int(rng.choice(np.flatnonzero(group == (group[u] + 1) % 5)))] = int(rng.integers(1, 4))
            v = int(rng.choice(np.flatnonzero((group == group[u]) & (np.arange(80) != u))))
            together[u, v] = together[v, u] = int(rng.integers(1, 4))
    relations = pairs_of(together), pairs_of(after)
    codes = np.concatenate([group + 1, [1, 2, 3, 0]])[:, None]
    return relations, graph_of_pairs(84, *relations), ProductInputs(codes, (6,), np.zeros((84, 1), np.float32))
