"""Directed counts from ordered baskets: how often v comes within so many places after u."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from onward.ranking.directed_graph import DirectedGraph, Ints


def count_followers(
    sequences: Sequence[Ints], items: int, window: int, decay: float, attributes: np.ndarray | None = None
) -> DirectedGraph:
    """The graph whose edge u -> v weighs the sum of k^-decay over all v that come k <= window places after u.

    Args:
        sequences: items in order, one array a customer.
        items: N; items are 0..N-1.
        window: how many places after u still count.
        decay: 0 counts all places alike, 1 is the usual 1/k.
        attributes: [N, F] vectors of the items.

    >>> graph = count_followers([np.array([0, 1, 2])], 3, window=2, decay=1.0)
    >>> graph.adjacency.toarray().tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    flat = np.concatenate([*sequences, np.zeros(0, dtype=np.int64)])
    owner = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    adjacency = sp.csr_matrix((items, items), dtype=np.float32)
    for gap in range(1, min(window, max(map(len, sequences), default=1) - 1) + 1):
        same = (owner[gap:] == owner[:-gap]) & (flat[gap:] != flat[:-gap])
        pair = (flat[:-gap][same], flat[gap:][same])
        weight = np.full(len(pair[0]), gap**-decay, dtype=np.float32)
        adjacency = adjacency + sp.csr_matrix((weight, pair), shape=(items, items))
    baskets = sp.csr_matrix((np.ones(len(flat), np.float32), (owner, flat)), shape=(max(len(sequences), 1), items))
    return DirectedGraph(sp.csr_matrix(adjacency), baskets, attributes)


def histories(sequences: Sequence[Ints], items: int, decay: float) -> sp.csr_matrix:
    """[Q, N] each customer's items, the last weighing 1 and each earlier one `decay` times the next.

    >>> histories([np.array([2, 0])], 3, 0.5).toarray().tolist()
    [[1.0, 0.0, 0.5]]
    """
    owner = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    weight = np.concatenate([decay ** np.arange(len(sequence))[::-1] for sequence in sequences]).astype(np.float32)
    shape = (len(sequences), items)
    return sp.csr_matrix((weight, (owner, np.concatenate(sequences))), shape=shape)
