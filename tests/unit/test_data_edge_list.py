"""Plain edge lists: whoever wrote them and however, the same graph comes out, or one line says why none does."""

import numpy as np
import pandas as pd
import pytest

from onward.data.sources.edge_list import read_edge_list
from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_scores import Paths

LINES = [("b", "a"), ("a", "c"), ("a", "c"), ("c", "c"), ("10", "a")]


@pytest.mark.parametrize("mark", [",", "\t", " ", "   "])
def test_text_with_any_mark_gives_distinct_edges_without_loops(tmp_path, mark):
    path = tmp_path / "graph.txt"
    path.write_text("# cites\n% and more\n\n" + "\n".join(mark.join(line) for line in LINES) + "\n", encoding="utf-8")
    found = read_edge_list(path)
    assert found.ids.tolist() == ["10", "a", "b", "c"]
    assert found.ids[found.edges].tolist() == [["10", "a"], ["a", "c"], ["b", "a"]]
    assert found.weight.tolist() == [1.0, 2.0, 1.0]
    assert found.loops == 1


def test_parquet_and_text_agree_and_weights_add_up(tmp_path):
    weighted = [(*line, weight) for line, weight in zip(LINES, (1.0, 0.5, 0.25, 9.0, 3.0), strict=True)]
    pd.DataFrame(weighted, columns=["u", "v", "w"]).to_parquet(tmp_path / "graph.parquet")
    (tmp_path / "graph.csv").write_text("\n".join(",".join(map(str, line)) for line in weighted), encoding="utf-8")
    tables = [read_edge_list(tmp_path / name) for name in ("graph.parquet", "graph.csv")]
    assert tables[0].edges.tolist() == tables[1].edges.tolist()
    assert tables[0].weight.tolist() == tables[1].weight.tolist() == [3.0, 0.75, 1.0]


def test_numbers_are_ids_too(tmp_path):
    pd.DataFrame({"u": [7, 12], "v": [12, 3]}).to_parquet(tmp_path / "graph.parquet")
    assert read_edge_list(tmp_path / "graph.parquet").ids.tolist() == ["3", "7", "12"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "0 rows"),
        ("a\n", "1 columns"),
        ("a b 1 2\n", "4 columns"),
        ("a b\na b c\n", "2 to 3 columns"),
        ("a,\n", "lack an end"),
        ("a,b,-1\n", "weight above 0"),
        ("a,b,much\n", "first edge number 1"),
    ],
)
def test_what_is_no_list_of_edges_is_refused_in_one_line(tmp_path, text, told):
    path = tmp_path / "graph.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told) as error:
        read_edge_list(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_file_of_another_kind_are_named(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_edge_list(tmp_path / "nowhere.csv")
    for name, told in (("graph.parquet", "not readable as Parquet"), ("graph.txt", "not UTF-8")):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match=told):
            read_edge_list(tmp_path / name)


def test_a_list_becomes_a_graph_that_scores_any_pair(tmp_path):
    (tmp_path / "cites.txt").write_text("a b\nb c\nb d\n", encoding="utf-8")
    found = read_edge_list(tmp_path / "cites.txt")
    score = Paths().fit(DirectedGraph.from_edges(found.edges, len(found.ids)))(np.array([0]))[0]
    assert [found.ids[node] for node in np.flatnonzero(score)] == ["c", "d"]
