"""Held-out edges and non-edges of a graph: what scores are tuned, blended and judged on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree

from onward.errors import DataError
from onward.random_streams import Stream
from onward.ranking.directed_graph import Bools, DirectedGraph, Ints


@dataclass(frozen=True)
class Fold:
    """A graph, edges that were taken out of it, and pairs that are no edges anywhere.

    Attributes:
        graph: knows nothing of `held_out`.
        held_out: [h, 2] true edges.
        absent: [a, 2] pairs without an edge in the graph or among `held_out`; never loops.
    """

    graph: DirectedGraph
    held_out: Ints
    absent: Ints


def hold_out(edges: Ints, nodes: int, count: int, generator: np.random.Generator) -> Bools:
    """[m] which edges to hold out: `count` at random, or fewer so that no node loses touch with its component.

    A random spanning forest of the undirected graph stays, as in DirLinkBench (arXiv 2502.05724).
    """
    weight = generator.random(len(edges)) + 0.1
    low, high = edges.min(axis=1), edges.max(axis=1)
    _, first = np.unique(low * nodes + high, return_index=True)
    forest = minimum_spanning_tree(sp.csr_matrix((weight[first], (low[first], high[first])), shape=(nodes, nodes)))
    kept = sp.coo_matrix(forest)
    bound = np.zeros(len(edges), dtype=np.bool_)
    bound[first] = np.isin((low * nodes + high)[first], kept.row.astype(np.int64) * nodes + kept.col)
    chosen = np.zeros(len(edges), dtype=np.bool_)
    chosen[generator.permutation(np.flatnonzero(~bound))[:count]] = True
    return chosen


def draw_absent(graph: DirectedGraph, count: int, generator: np.random.Generator) -> Ints:
    """[count, 2] uniform ordered pairs of distinct nodes that are no edges of the graph, repeats allowed.

    Raises:
        DataError: the graph is too dense to draw from.
    """
    batches: list[Ints] = []
    drawn = 0
    for _ in range(100):
        pairs = generator.integers(0, graph.nodes, (2 * (count - drawn) + 16, 2))
        pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & ~graph.has(pairs)]
        batches.append(pairs)
        drawn += len(pairs)
        if drawn >= count:
            return np.concatenate(batches)[:count]
    raise DataError(f"absent pairs: a graph of {graph.nodes} nodes is too dense for {count}; ask for fewer")


def cross_fit(graph: DirectedGraph, rounds: int, share: float, absent: int, seed: int) -> Iterator[Fold]:
    """Yield `rounds` folds, each with `share` of the edges held out and `absent` non-edges for every held-out edge.

    Features of a fold's pairs are to be computed on the fold's own graph: an edge then never helps to score itself.
    """
    for number in range(rounds):
        generator = np.random.default_rng([seed, number, Stream.HELD_OUT_FOLDS])
        out = hold_out(graph.edges, graph.nodes, round(share * len(graph.edges)), generator)
        held = graph.edges[out]
        yield Fold(graph.with_edges(graph.edges[~out]), held, draw_absent(graph, absent * len(held), generator))
