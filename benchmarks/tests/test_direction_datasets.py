import io
import json
import zipfile

import numpy as np
import pytest

from benchmarks.direction.datasets import (
    BEAUTY,
    BEAUTY_ATTRIBUTES,
    CORA,
    PHOTO,
    beauty,
    cora_ml,
    cora_ml_split,
    photo,
)
from benchmarks.tests.made_datasets import ADJACENCY, WORDS, arrays_of, write_cora, write_split
from onward.errors import DataError
from onward.ranking.link_split import random_split


def test_cora_is_its_largest_component_without_loops_and_objects_stay_unread(tmp_path):
    write_cora(tmp_path)
    edges, nodes, attributes = cora_ml(tmp_path)
    assert edges.tolist() == [[0, 1], [1, 2], [2, 0]]
    assert nodes == 3
    assert attributes.shape[0] == 3


def test_a_split_is_read_and_checked_against_the_graph(tmp_path):
    write_cora(tmp_path)
    negative = {f"neg_{part}": [[1, 0]] for part in ("train", "val", "test")}
    write_split(tmp_path, {"pos_train": [[0, 1]], "pos_val": [[1, 2]], "pos_test": [[2, 0]], **negative})
    split = cora_ml_split(tmp_path, 0, cora_ml(tmp_path))
    assert split.graph.edges.tolist() == [[0, 1]]
    assert split.known.edges.tolist() == [[0, 1], [1, 2], [2, 0]]
    np.save(tmp_path / "dirlink/cora_ml/split/0/pos_test_edges.npy", np.array([[0, 2]]))
    with pytest.raises(DataError, match="holds other edges"):
        cora_ml_split(tmp_path, 0, cora_ml(tmp_path))


def test_photo_is_read_from_its_archive(tmp_path):
    (tmp_path / PHOTO).parent.mkdir(parents=True)
    stream = io.BytesIO()
    np.savez(stream, **arrays_of(ADJACENCY, "adj", "_"), **arrays_of(WORDS, "attr", "_"))
    with zipfile.ZipFile(tmp_path / PHOTO, "w") as archive:
        archive.writestr("amazon_electronics_photo.npz", stream.getvalue())
    edges, nodes, _ = photo(tmp_path)
    assert edges.tolist() == [[0, 1], [1, 2], [2, 0], [3, 4]]
    assert nodes == 5


def test_beauty_counts_items_from_zero(tmp_path):
    (tmp_path / BEAUTY).parent.mkdir(parents=True)
    (tmp_path / BEAUTY).write_text("1 1 2 3\n2 3 1 4\n")
    (tmp_path / BEAUTY_ATTRIBUTES).write_text(json.dumps({"1": [2], "4": [1, 2]}))
    found = beauty(tmp_path)
    assert [user.tolist() for user in found.users] == [[0, 1, 2], [2, 0, 3]]
    assert found.items == 4
    assert np.argwhere(found.attributes.toarray()).tolist() == [[0, 2], [3, 1], [3, 2]]


@pytest.mark.parametrize(("reader", "name", "origin"), [
    (cora_ml, CORA, "gnn-benchmark"), (photo, PHOTO, "gnn-benchmark"), (beauty, BEAUTY, "S3Rec"),
    (lambda folder: cora_ml_split(folder, 3, (np.zeros((0, 2)), 0, None)), "split/3", "DirLinkBench"),
])  # fmt: skip
def test_a_missing_file_is_named_with_its_origin(tmp_path, reader, name, origin):
    with pytest.raises(DataError, match=origin) as raised:
        reader(tmp_path)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_random_split_parts_the_edges_and_repeats():
    edges = np.argwhere(np.random.default_rng(0).random((30, 30)) < 0.2)
    edges = edges[edges[:, 0] != edges[:, 1]]
    graph = (edges, 30, np.zeros((30, 2), dtype=np.float32))
    first, second = (random_split(graph, "made", 4, 0.1, 0.2) for _ in range(2))
    assert first.test.tolist() == second.test.tolist()
    parts = [set(map(tuple, part.tolist())) for part in (first.graph.edges, first.validation, first.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(edges)
    assert len(first.test_absent) == len(first.test)
    assert not first.known.has(first.test_absent).any()
