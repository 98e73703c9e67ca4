"""Directed graphs without attributes, every source asked for one target it has lost, and a third of the sources young.

Every source of an edge is a query: one of its targets is hidden and asked for. A third of the sources are made young:
of what else they lead to, one to five targets are kept, and the other edges are dropped. Test, validation and training
sources are parted at random and ask alike: a training source keeps the edge it is asked for in the graph, and its walks
leave it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.direction.datasets import beauty, photo
from benchmarks.direction.shops import FOLLOW_DAYS, FRESH_DAYS, online_retail
from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules
from onward.ranking.directed_graph import Bools, DirectedGraph, Ints

YOUNG_SHARE = 1 / 3
MOST_KEPT = 5
MOST_TEST, MOST_VALIDATION = 2500, 2000
WINDOW = 5
NODES, GROUPS = 120_000, 2_000
NOISE = 0.3
"""Share of a simulated source's edges that lead to products of any group."""
_SPLIT, _WORLD = 0xADA, 0xADB


@dataclass(frozen=True)
class Question:
    """Sources and what each is asked for.

    Attributes:
        source: [q] each once.
        answer: [q] the target that was hidden.
        young: [q] whether edges of the source may have been dropped.
    """

    source: Ints
    answer: Ints
    young: Bools


@dataclass(frozen=True)
class ThinnedGraph:
    """What is observed, and three disjoint sets of sources.

    Attributes:
        observed: the graph that walks read.
        known: every edge of the data: what does not compete.
        learn: sources whose answers are still in `observed`.
        validation: sources whose answers are not, as in `test`.
        test: sources that are judged.
    """

    observed: DirectedGraph
    known: DirectedGraph
    learn: Question
    validation: Question
    test: Question


def thinned(edges: Ints, nodes: int, seed: int) -> ThinnedGraph:
    """Hide an edge of every source of [m, 2] edges, thin a third of the sources, and part them."""
    generator = np.random.default_rng([seed, _SPLIT])
    edges = edges[generator.permutation(len(edges))]
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    source, begin, count = np.unique(edges[:, 0], return_index=True, return_counts=True)
    young = generator.random(len(source)) < YOUNG_SHARE
    most = np.where(young, generator.integers(1, MOST_KEPT, len(source), endpoint=True), len(edges))
    part = generator.permutation(len(source))
    tested, validated = min(MOST_TEST, int(0.4 * len(source))), min(MOST_VALIDATION, int(0.2 * len(source)))
    learns = np.zeros(len(source), bool)
    learns[part[tested + validated :]] = True
    # The first edge of a source is the one that is asked for.
    place = np.arange(len(edges)) - np.repeat(begin, count)
    seen = (place <= np.repeat(most, count)) & ((place > 0) | np.repeat(learns, count))
    test, validation, learn = (
        Question(source[which], edges[begin[which], 1], young[which])
        for which in np.split(part, [tested, tested + validated])
    )
    observed, known = (DirectedGraph.from_edges(each, nodes) for each in (edges[seen], edges))
    return ThinnedGraph(observed, known, learn, validation, test)


def photo_links(folder: Path) -> tuple[Ints, int]:
    """Amazon Photo: v was bought also."""
    edges, nodes, _ = photo(folder)
    return edges, nodes


def beauty_links(folder: Path) -> tuple[Ints, int]:
    """Amazon Beauty: v was among the next five that some user reviewed after u."""
    found = beauty(folder)
    pairs = [
        np.stack([user[:-ahead], user[ahead:]], axis=1)
        for user in found.users
        for ahead in range(1, min(WINDOW, len(user) - 1) + 1)
    ]
    edges = np.unique(np.concatenate(pairs), axis=0)
    return edges[edges[:, 0] != edges[:, 1]], found.items


def uci_links(folder: Path) -> tuple[Ints, int]:
    """UCI Online Retail: v was bought new within 30 days after u by four customers; all such v, however many."""
    log = online_retail(folder).log
    bought = pa.table(
        {
            "customer": log.customer,
            "product": log.product,
            "purchased_at": (log.day.astype("datetime64[D]")).astype("datetime64[us]"),
        }
    )
    rules = CountRules(10, 4, FRESH_DAYS, FOLLOW_DAYS, 5.0, log.products)
    edges, _ = count_in_process(bought, datetime(2012, 1, 1), rules, 1)
    return edges[["source", "target"]].to_numpy(np.int64), log.products


def simulated_links(nodes: int = NODES, groups: int = GROUPS) -> tuple[Ints, int]:
    """A power-law graph: groups of products lead to two other groups each, popular products are led to more often.

    Out-degrees and popularity have Pareto tails of index 1.2 (exponent 2.2), sizes of groups of 1.5. Three edges in ten
    lead to products of any group, so that hubs are everywhere.
    """
    generator = np.random.default_rng(_WORLD)
    size = generator.pareto(1.5, groups) + 1.0
    group = np.sort(generator.choice(groups, nodes, p=size / size.sum()))
    popularity = generator.pareto(1.2, nodes) + 0.2
    cumulative = np.r_[0.0, np.cumsum(popularity)]
    begin, end = (cumulative[np.searchsorted(group, np.arange(groups), side)] for side in ("left", "right"))
    leads_to = generator.integers(0, groups, (groups, 2))
    degree = np.minimum(2.0 * (1.0 - generator.random(nodes)) ** (-1 / 1.2), nodes // 20).astype(np.int64)
    source = np.repeat(np.arange(nodes), degree)
    aimed = leads_to[group[source], (generator.random(len(source)) < 0.3).astype(np.int64)]
    anywhere = (generator.random(len(source)) < NOISE) | (end[aimed] <= begin[aimed])
    low, high = np.where(anywhere, 0.0, begin[aimed]), np.where(anywhere, cumulative[-1], end[aimed])
    drawn = low + generator.random(len(source)) * (high - low)
    target = np.clip(np.searchsorted(cumulative, drawn, "right") - 1, 0, nodes - 1)
    edges = np.unique(generator.permutation(nodes)[np.stack([source, target], axis=1)], axis=0)
    return edges[edges[:, 0] != edges[:, 1]], nodes


LINKS: Mapping[str, Callable[[Path], tuple[Ints, int]]] = {
    "photo": photo_links,
    "beauty": beauty_links,
    "uci": uci_links,
    "simulated": lambda _: simulated_links(),
}
