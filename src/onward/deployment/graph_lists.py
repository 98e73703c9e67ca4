"""What is served of a graph: the list of what comes after and of what comes before every node.

It is registered as a version like a bundle is, and answers `onward recommend NODE`. It holds no probabilities and no
decisions: without impressions there are no labels to make either from, and no gate to judge by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onward.artifacts import read_json, read_table, write_json, write_table
from onward.deployment.product_search import find_products
from onward.ranking.list_names import AFTER, BEFORE

FILE = "graph_lists.parquet"


@dataclass(frozen=True)
class GraphLists:
    """Served lists.

    Attributes:
        nodes: [N] outside ids by inside number.
        lists: node, way (after or before), place, other, strength.
        facts: source and as_of of the run that made them.
    """

    nodes: tuple[str, ...]
    lists: pd.DataFrame
    facts: Mapping[str, Any]

    def answer(self, words: str, count: int) -> tuple[str, dict[str, list[tuple[str, float]]]]:
        """The node that is meant, and by way its best others with their strength.

        Raises:
            DataError: no node is named like that.
        """
        node = find_products(words, self.nodes, self.nodes, np.zeros(len(self.nodes)))[0]
        return self.nodes[node], self.of(node, count)

    def of(self, node: int, count: int) -> dict[str, list[tuple[str, float]]]:
        """By way up to `count` others of a node with their strength, best first."""
        mine = self.lists[(self.lists["node"] == node) & (self.lists["place"] <= count)]
        ways = {way: mine[mine["way"] == way].sort_values("place") for way in (AFTER, BEFORE)}
        return {
            way: [
                (self.nodes[int(other)], float(score))
                for other, score in zip(rows["other"], rows["strength"], strict=True)
            ]
            for way, rows in ways.items()
        }

    def told(self, words: str, count: int) -> str:
        """The answer for people: one line a way."""
        name, ways = self.answer(words, count)
        others = {way: ", ".join(other for other, _ in listed) for way, listed in ways.items()}
        about = (
            f"Lists of {self.facts['source']} as of {self.facts['as_of']}: without impressions no chance, no decision."
        )
        return "\n".join([*(f"{way} {name}: {line or 'nothing known'}" for way, line in others.items()), about])


def write_graph_lists(folder: Path, lists: GraphLists) -> None:
    """Write every part; the same lists give the same bytes."""
    write_table(folder / "nodes.parquet", pd.DataFrame({"node_id": list(lists.nodes)}))
    write_table(folder / FILE, lists.lists)
    write_json(folder / "facts.json", lists.facts)


def holds_graph_lists(folder: Path) -> bool:
    """Whether a version's folder holds the lists of a graph."""
    return (folder / FILE).is_file()


def read_graph_lists(folder: Path) -> GraphLists:
    """Read what `write_graph_lists` wrote."""
    nodes = tuple(str(node) for node in read_table(folder / "nodes.parquet")["node_id"].tolist())
    return GraphLists(nodes, read_table(folder / FILE), read_json(folder / "facts.json"))
