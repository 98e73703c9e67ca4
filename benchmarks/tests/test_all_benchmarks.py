"""All benchmarks by one command: none is forgotten, what is done is not done again, a failure stops no other."""

import importlib.util
import io
import json

import pytest
from rich.console import Console

from benchmarks.__main__ import Benchmark, benchmarks, run
from benchmarks.harness.form import RESULTS

ALL = benchmarks()


def test_every_file_of_results_has_a_benchmark_and_none_is_there_twice():
    names = [benchmark.name for benchmark in ALL]
    assert len(names) == len(set(names))
    assert {path.stem for path in RESULTS.glob("*.json")} <= set(names)


@pytest.mark.parametrize("benchmark", ALL, ids=[benchmark.name for benchmark in ALL])
def test_its_module_can_be_started(benchmark):
    spec = importlib.util.find_spec(benchmark.module)
    assert spec is not None
    if spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{benchmark.module}.__main__")
    with open(spec.origin) as file:  # noqa: PTH123 - the loader's own path
        text = file.read()
    assert "\nmain()" in text or "__main__" in text


def test_results_of_another_commit_are_not_of_this_one(tmp_path):
    one = Benchmark("one", "json.tool", reads_files=False)
    assert not one.is_of("abc", tmp_path)
    (tmp_path / "one.json").write_text(json.dumps({"commit": "abc-dirty"}))
    assert not one.is_of("abc", tmp_path)
    (tmp_path / "one.json").write_text(json.dumps({"commit": "abc"}))
    assert one.is_of("abc", tmp_path)


def test_public_files_are_named_to_those_alone_that_read_them(tmp_path):
    assert "--data" not in Benchmark("a", "a", reads_files=False).command(tmp_path)
    assert Benchmark("a", "a", reads_files=True).command(tmp_path)[-2:] == ("--data", str(tmp_path))
    assert {each.name for each in ALL if each.reads_files} >= {"direction_sequences", "diagnosis", "related_cold"}


def test_a_failure_stops_no_other_and_is_told(tmp_path):
    said = io.StringIO()
    chosen = [Benchmark("wrong", "no.such.module", reads_files=False), Benchmark("right", "this", reads_files=False)]
    assert run(chosen, None, Console(file=said, width=200), tmp_path) == ["wrong"]
    assert "No module named" in (tmp_path / "wrong.log").read_text()
    assert "Zen" in (tmp_path / "right.log").read_text()
    assert "[1/2] wrong: failed" in said.getvalue()
    assert "[2/2] right: done" in said.getvalue()
