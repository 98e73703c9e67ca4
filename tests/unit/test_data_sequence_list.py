"""Sequences: whoever wrote the file, the same customers come out, or one line says why none do."""

import pytest

from onward.data.sources import read_source
from onward.data.sources.sequence_list import read_sequences
from onward.errors import DataError


@pytest.mark.parametrize("mark", [" ", "\t", ",", ", "])
def test_lines_become_numbered_sequences_in_their_order(tmp_path, mark):
    lines = [("ann", "10", "9", "10"), ("bob",), ("eve", "2")]
    (tmp_path / "log.txt").write_text("# reviews\n\n" + "\n".join(mark.join(line) for line in lines), encoding="utf-8")
    found = read_sequences(tmp_path / "log.txt")
    assert found.customers == ("ann", "bob", "eve")
    assert found.items.tolist() == ["2", "9", "10"]
    assert [sequence.tolist() for sequence in found.sequences] == [[2, 1, 2], [], [0]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "none of 0 lines"), (b"ann x\nbob y\n", "none of 2 lines"), (b"ann x y\nann y x\n", "ann has two lines"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)  # fmt: skip
def test_what_holds_no_sequence_is_refused_in_one_line(tmp_path, content, told):
    (tmp_path / "log.txt").write_bytes(content)
    with pytest.raises(DataError, match=told) as error:
        read_sequences(tmp_path / "log.txt")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_sequences(tmp_path / "nowhere.txt")


@pytest.mark.parametrize("source", ["edge_list", "sequences"])
def test_a_source_without_impressions_is_no_log(source):
    with pytest.raises(DataError, match="no log of impressions"):
        read_source(source, {}, None, None, None, 1)


def test_an_unknown_source_is_told_all_that_there_are():
    with pytest.raises(DataError, match="edge_list or sequences"):
        read_source("shopify", {}, None, None, None, 1)
