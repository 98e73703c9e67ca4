"""Splits of a graph: an official one is taken as it is, or refused where it does not fit the graph."""

import numpy as np
import pytest

from onward.errors import DataError
from onward.ranking.link_split import more_absent, official_split

EDGES = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
GRAPH = (EDGES, 6, None)
PARTS = {"train": EDGES[:3], "validation": EDGES[3:4], "test": EDGES[4:]}
ABSENT = {"validation": None, "test": np.array([[5, 0], [5, 1]])}


def test_parts_are_kept_and_absent_pairs_drawn_where_none_are_given():
    split, again = (official_split(GRAPH, "made", PARTS, ABSENT, 3) for _ in range(2))
    assert split.graph.edges.tolist() == EDGES[:3].tolist()
    assert split.known.edges.tolist() == EDGES.tolist()
    assert split.test_absent.tolist() == [[5, 0], [5, 1]]
    assert split.validation_absent.tolist() == again.validation_absent.tolist()
    assert not split.known.has(split.validation_absent).any()
    assert len(more_absent(split, 8)) == 8


@pytest.mark.parametrize(
    "parts",
    [{**PARTS, "train": EDGES[:2]}, {**PARTS, "train": EDGES[:4]}, {**PARTS, "test": np.array([[5, 4]])}],
    ids=["an edge is nowhere", "an edge is twice", "a stranger"],
)
def test_a_split_of_another_graph_is_refused(parts):
    with pytest.raises(DataError, match="take both from one place") as error:
        official_split(GRAPH, "made", parts, ABSENT, 3)
    assert "\n" not in str(error.value)
