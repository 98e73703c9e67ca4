"""Nodes that lose their edges, as a product has none on its first day, and get some of them back, one after another."""

from dataclasses import dataclass

import numpy as np

from onward.ranking.directed_graph import Bools, Ints


@dataclass(frozen=True)
class HiddenNodes:
    """A graph's edges, seen by somebody who does not know some of its nodes.

    Attributes:
        shown: [m, 2] edges between nodes that are known.
        asked: [a, 2] from a known node to a hidden one; these stay hidden.
        others: [r, 2] all other edges between a hidden and a known node, in random order.
        place: [r] how many edges its hidden node has got back before each of `others`.
        node: [r] the hidden node of each of `others`.
    """

    shown: Ints
    asked: Ints
    others: Ints
    place: Ints
    node: Ints

    @classmethod
    def of(
        cls, edges: Ints, nodes: int, hidden: Ints, asked_share: float, most_asked: int, generator: np.random.Generator
    ) -> "HiddenNodes":
        """Hide nodes; of the edges into each of them, `asked_share` are asked for, and one at least.

        Edges between two hidden nodes stay hidden and are not asked for.

        Args:
            edges: [m, 2].
            nodes: N.
            hidden: their numbers.
            asked_share: of the edges into a hidden node.
            most_asked: of all hidden nodes together; of what is more, a random part is neither asked for nor shown.
            generator: of every draw.
        """
        is_hidden: Bools = np.zeros(nodes, dtype=np.bool_)
        is_hidden[hidden] = True
        ends = is_hidden[edges]
        between = generator.permutation(edges[ends[:, 0] != ends[:, 1]])
        into = is_hidden[between[:, 1]]
        place, many = _place_within(between[into, 1])
        asked = np.zeros(len(between), dtype=np.bool_)
        asked[into] = place < np.ceil(asked_share * many)
        others = between[~asked]
        node = np.where(is_hidden[others[:, 1]], others[:, 1], others[:, 0])
        return cls(edges[~ends.any(axis=1)], between[asked][:most_asked], others, _place_within(node)[0], node)

    def edges(self, revealed: int | Ints) -> Ints:
        """[k, 2] what is known once each hidden node, or node v `revealed[v]`, has got so many of its edges back."""
        most = revealed if isinstance(revealed, int) else revealed[self.node]
        return np.concatenate([self.shown, self.others[self.place < most]])


def _place_within(groups: Ints) -> tuple[Ints, Ints]:
    """Of each entry: how many of its group stand before it, and how many its group has.

    >>> [each.tolist() for each in _place_within(np.array([7, 3, 7]))]
    [[0, 0, 1], [2, 1, 2]]
    """
    _, number, many = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")
    place = np.empty(len(groups), dtype=np.int64)
    place[order] = np.arange(len(groups)) - np.repeat(np.cumsum(many) - many, many)
    return place, many[number]
