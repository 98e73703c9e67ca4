"""Files: atomic, deterministic, and clear when something is missing."""

from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onward import artifacts
from onward.errors import ArtifactError

TABLE = pd.DataFrame({"product": np.arange(3, dtype=np.int32), "name": ["milk", None, "bread"]})


def test_tables_survive_the_round_trip(tmp_path):
    artifacts.write_table(tmp_path / "t.parquet", TABLE)
    pd.testing.assert_frame_equal(artifacts.read_table(tmp_path / "t.parquet"), TABLE, check_dtype=False)
    assert list(artifacts.read_table(tmp_path / "t.parquet", ["name"])) == ["name"]


def test_arrays_survive_the_round_trip_and_never_need_pickle(tmp_path):
    arrays = {"source": np.ones((2, 3), np.float32), "temperature": np.array(0.1)}
    artifacts.write_arrays(tmp_path / "a.npz", arrays)
    back = artifacts.read_arrays(tmp_path / "a.npz")
    assert set(back) == set(arrays)
    np.testing.assert_array_equal(back["source"], arrays["source"])
    assert back["temperature"].shape == ()
    with pytest.raises(ValueError, match="allow_pickle"):
        artifacts.write_arrays(tmp_path / "b.npz", {"objects": np.array([{}], dtype=object)})


def test_the_same_values_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        artifacts.write_table(tmp_path / name / "t.parquet", TABLE.copy())
        artifacts.write_arrays(tmp_path / name / "a.npz", {"b": np.arange(5), "a": np.zeros(2)})
        artifacts.write_json(tmp_path / name / "m.json", {"b": np.float64(0.5), "a": np.arange(2)})
    for file in ("t.parquet", "a.npz", "m.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_arrays_are_the_same_bytes_whatever_patch_of_python_wrote_them(tmp_path):
    artifacts.write_arrays(tmp_path / "a.npz", {"a": np.zeros(2)})
    with ZipFile(tmp_path / "a.npz") as archive:
        (entry,) = archive.infolist()
    # Version 2.0 and no extra field: headers for more than 4 GB differ between patches of Python 3.11.
    assert (entry.extract_version, entry.extra, entry.date_time) == (20, b"", (1980, 1, 1, 0, 0, 0))
    assert (tmp_path / "a.npz").read_bytes()[4] == 20


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "m.json"
    artifacts.write_json(path, {"kept": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        artifacts.write_json(path, {"lost": float("nan")})
    with pytest.raises(TypeError, match="not JSON: set"):
        artifacts.write_json(path, {"lost": {1}})
    assert artifacts.read_json(path) == {"kept": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.json"]


def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "bundle"
    with artifacts.replacing_directory(target) as folder:
        artifacts.write_text(folder / "old.txt", "old")
    with pytest.raises(TypeError, match="not JSON"), artifacts.replacing_directory(target) as folder:
        artifacts.write_json(folder / "half.txt", {"half": object()})
    assert [entry.name for entry in target.iterdir()] == ["old.txt"]
    with artifacts.replacing_directory(target) as folder:
        artifacts.write_text(folder / "new.txt", "new")
    assert [entry.name for entry in target.iterdir()] == ["new.txt"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("missing.parquet", None, artifacts.read_table),
        ("missing.npz", None, artifacts.read_arrays),
        ("missing.json", None, artifacts.read_json),
        ("broken.parquet", "not parquet", artifacts.read_table),
        ("broken.json", "{", artifacts.read_json),
        ("list.json", "[]", artifacts.read_json),
    ],
)
def test_a_file_that_cannot_be_read_gives_one_line_with_the_remedy(tmp_path, name, content, read):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError) as error:
        read(path)
    assert name in str(error.value)
    assert "dvc repro" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_fitted_part_survives_as_files_and_a_missing_one_is_named(tmp_path):
    files = {
        "rows.parquet": pd.DataFrame({"a": [1, 2]}),
        "facts.json": {"kept": True},
        "heads/head_0.txt": "tree",
        "arrays.npz": {"x": np.arange(3.0)},
    }
    artifacts.write_files(tmp_path, files)
    stored = artifacts.StoredFiles(tmp_path)
    assert sorted(stored) == sorted(files)
    assert (stored["facts.json"], stored["heads/head_0.txt"]) == (files["facts.json"], "tree")
    assert stored["rows.parquet"].equals(files["rows.parquet"])
    assert stored["arrays.npz"]["x"].tolist() == [0.0, 1.0, 2.0]
    assert "lists.json" not in stored
    with pytest.raises(ArtifactError, match=r"lists\.json.*dvc repro"):
        stored["lists.json"]


@pytest.mark.parametrize("rows", [0, 1, 2**20, 2**20 + 1, 2_300_000])
def test_rows_that_come_in_batches_give_the_bytes_of_the_whole(tmp_path, rows):
    numbers = np.arange(rows)
    table = pa.table(
        {
            "number": numbers % 1000,
            "amount": (numbers * 0.37).astype(np.float32),
            "at": (numbers * 1_000_003).astype("datetime64[us]"),
            "name": pa.array(["milk", None, "bread"]).take(pa.array(numbers % 3)),
        }
    )
    chunks = table.combine_chunks().to_batches(artifacts.CHUNK)
    artifacts.write_table(tmp_path / "whole.parquet", pa.Table.from_batches(chunks, table.schema))
    for size in (artifacts.CHUNK, 50_000, 2**21):
        reader = pa.RecordBatchReader.from_batches(table.schema, table.combine_chunks().to_batches(size))
        artifacts.write_batches(tmp_path / "batches.parquet", reader)
        assert (tmp_path / "batches.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "whole.parquet").num_row_groups == max(1, -(-rows // 2**20))


def test_a_scratch_directory_goes_whatever_happens(tmp_path):
    def fail():
        with artifacts.scratch_directory(tmp_path) as path:
            (path / "spilt").write_text("much")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert not list(tmp_path.iterdir())
