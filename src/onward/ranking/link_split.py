"""A graph whose edges are split into what is known, what settings are picked by, and what is judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.errors import DataError
from onward.random_streams import Stream
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_folds import draw_absent, hold_out

PARTS = ("train", "validation", "test")

Edges = tuple[Ints, int, npt.NDArray[np.float32] | None]
"""Edges [m, 2], number of nodes, and attributes [N, F] of the nodes."""


@dataclass(frozen=True)
class FittingSplit:
    """The part of a split that fitting may see.

    Attributes:
        graph: the training edges and attributes.
        validation: [v, 2] edges that pick settings and then teach the blend.
        validation_absent: [a, 2] pairs that are no edges.
    """

    graph: DirectedGraph
    validation: Ints
    validation_absent: Ints

    @property
    def edges(self) -> DirectedGraph:
        """Training and validation edges together: what is never recommended anew."""
        return self.graph.with_edges(np.concatenate([self.graph.edges, self.validation]))


@dataclass(frozen=True)
class LinkSplit(FittingSplit):
    """One split of a graph's edges; the graph holds the training edges alone.

    Attributes:
        name: of the split.
        test: [t, 2] edges, and `test_absent` pairs.
    """

    name: str
    test: Ints
    test_absent: Ints

    @property
    def known(self) -> DirectedGraph:
        """Every edge of the data: what filtered ranking leaves out."""
        return self.graph.with_edges(np.concatenate([self.graph.edges, self.validation, self.test]))


def random_split(graph: Edges, name: str, seed: int, validation: float, test: float) -> LinkSplit:
    """Random shares for validation and test, training kept weakly connected; as many uniform non-edges as edges."""
    edges, nodes, attributes = graph
    generator = np.random.default_rng([seed, Stream.LINK_SPLIT])
    everything = DirectedGraph.from_edges(edges, nodes, attributes)
    tested = hold_out(edges, nodes, round(test * len(edges)), generator)
    rest = edges[~tested]
    validated = hold_out(rest, nodes, round(validation * len(edges)), generator)
    absent = draw_absent(everything, int(tested.sum() + validated.sum()), generator)
    return LinkSplit(
        graph=everything.with_edges(rest[~validated]),
        validation=rest[validated],
        validation_absent=absent[tested.sum() :],
        name=f"{name} {seed}",
        test=edges[tested],
        test_absent=absent[: tested.sum()],
    )


def more_absent(split: FittingSplit, times: int) -> Ints:
    """The split's non-edges for validation and more, `times` the edges: picking is then not left to a few of them."""
    edges = split.edges
    more = max(0, times * len(split.validation) - len(split.validation_absent))
    drawn = draw_absent(edges, more, np.random.default_rng([more, Stream.JUDGED_ABSENT]))
    return np.concatenate([split.validation_absent, drawn])


def official_split(
    graph: Edges, name: str, parts: Mapping[str, Ints], absent: Mapping[str, Ints | None], seed: int
) -> LinkSplit:
    """A split that somebody else has made.

    Args:
        graph: all edges, number of nodes and attributes.
        name: of the split.
        parts: edges of `train`, `validation` and `test`.
        absent: pairs that are no edges for `validation` and `test`; as many as there are edges are drawn for None.
        seed: of the draw.

    Raises:
        DataError: the parts and the graph hold different edges, or an edge is in two parts.
    """
    edges, nodes, attributes = graph
    used = np.concatenate([parts[part] for part in PARTS])
    part_keys, times = np.unique(used[:, 0] * nodes + used[:, 1], return_counts=True)
    edge_keys = np.unique(edges[:, 0] * nodes + edges[:, 1])
    if (times > 1).any() or not np.array_equal(part_keys, edge_keys):
        raise DataError(
            f"{name}: the split holds {len(used)} edges, {int((times > 1).sum())} of them in two places, and the graph "
            f"{len(edge_keys)}, of which {len(np.intersect1d(part_keys, edge_keys))} are in the split; "
            "take both from one place"
        )
    generator = np.random.default_rng([seed, Stream.LINK_SPLIT])
    everything = DirectedGraph.from_edges(edges, nodes, attributes)
    drawn = {
        part: pairs if pairs is not None else draw_absent(everything, len(parts[part]), generator)
        for part, pairs in ((part, absent[part]) for part in PARTS[1:])
    }
    return LinkSplit(
        graph=everything.with_edges(parts["train"]),
        validation=parts["validation"],
        validation_absent=drawn["validation"],
        name=name,
        test=parts["test"],
        test_absent=drawn["test"],
    )
