"""Attributes of nodes: text and JSON agree, published column numbers keep their places, and bad files are named."""

import json

import numpy as np
import pytest

from onward.data.sources.attribute_list import presence, read_attributes
from onward.data.sources.ids import in_order, numbers_of
from onward.errors import DataError

NAMES = np.array(["7", "a", "b"])


def test_text_and_json_agree_and_strangers_are_left_out(tmp_path):
    (tmp_path / "words.txt").write_text("# words\nb red blue\na\n7,red\nz green\n", encoding="utf-8")
    (tmp_path / "words.json").write_text(json.dumps({"b": ["red", "blue"], "a": [], "7": ["red"], "z": ["green"]}))
    found = [read_attributes(tmp_path / name) for name in ("words.txt", "words.json")]
    assert found[0] == found[1]
    assert presence(found[0], NAMES).toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 1]]  # blue, green, red


def test_whole_numbers_are_columns(tmp_path):
    (tmp_path / "words.json").write_text(json.dumps({"a": [4, 4], "b": [0]}))
    assert presence(read_attributes(tmp_path / "words.json"), NAMES).toarray().tolist() == [
        [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("words.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("words.txt", b"a red\na blue\n", "a has two entries"),
        ("words.json", b"{", "not JSON"),
        ("words.json", b"[1]", "not of the form"),
        ("words.json", b'{"a": "red"}', "not of the form"),
    ],
)
def test_what_holds_no_attributes_is_refused_in_one_line(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as error:
        read_attributes(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_an_absurd_column_are_named(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_attributes(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match="column 5000000"):
        presence({"a": ["5000000"]}, NAMES)


def test_ids_are_ordered_as_numbers_or_as_text_and_strangers_are_minus_one():
    names = in_order(["10", "9", "07", "7"])
    assert names.tolist() == ["07", "7", "9", "10"]
    assert numbers_of(names, ["10", "8"]).tolist() == [3, -1]
    assert in_order(["10", "9", "x"]).tolist() == ["10", "9", "x"]
    assert in_order([]).tolist() == []
