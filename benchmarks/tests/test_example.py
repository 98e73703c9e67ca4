"""The examples: params that the pipeline takes, data as it reads it, and a missing file named with its origin."""

import json

import numpy as np
import pytest

from benchmarks.direction.datasets import BEAUTY, BEAUTY_ATTRIBUTES, cora_ml
from benchmarks.tests.made_datasets import write_cora, write_split
from onward.artifacts import read_arrays, read_json
from onward.errors import DataError
from onward.layout import Layout
from onward.params import read_params
from onward.stages import ingest
from onward.stages.graph_files import read_known
from tools.example import EXAMPLES, PREPARE, make_project


def test_every_example_has_a_command():
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(PREPARE)


def test_cora_is_prepared_as_the_benchmark_reads_it(tmp_path):
    write_cora(tmp_path)
    negative = {f"neg_{part}": [[1, 0]] for part in ("train", "val", "test")}
    write_split(tmp_path, {"pos_train": [[0, 1]], "pos_val": [[1, 2]], "pos_test": [[2, 0]], **negative})
    project = tmp_path / "project"
    make_project("cora_ml", tmp_path, project, 0)
    params = read_params(project / "params.yaml")
    ingest.run(Layout(project), params)
    known, absent = read_known(project / "artifacts" / "serving")
    edges, _, vectors = cora_ml(tmp_path)
    assert known.edges.edges.tolist() == edges[:2].tolist()
    assert absent == 1
    assert np.abs(known.graph.attributes - vectors).max() < 1e-5
    assert (project / "src" / "onward" / "stages" / "ingest.py").is_file()


def test_beauty_is_prepared_and_a_missing_file_is_named_with_its_origin(tmp_path):
    with pytest.raises(DataError, match="S3Rec"):
        make_project("beauty", tmp_path, tmp_path / "project", 0)
    (tmp_path / BEAUTY).parent.mkdir(parents=True)
    (tmp_path / BEAUTY).write_text("1 1 2 3\n2 3 1 4\n")
    (tmp_path / BEAUTY_ATTRIBUTES).write_text(json.dumps({"1": ["2"], "4": ["1", "2"]}))
    make_project("beauty", tmp_path, tmp_path / "project", 0)
    layout = Layout(tmp_path / "project")
    ingest.run(layout, read_params(layout.root / "params.yaml"))
    assert read_arrays(layout.serving / "sequences.npz")["items"].tolist() == [0, 1, 2, 0]
    assert read_arrays(layout.backtest / "sequences.npz")["items"].tolist() == [2, 3]
    assert read_json(layout.metrics / "ingest.json")["items_with_attributes"] == 2
