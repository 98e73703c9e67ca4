"""What dvc.yaml and dvc.lock say, read without DVC and held against DVC's own word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from onward.errors import RunError
from onward.pipeline_file import parse_lock, parse_pipeline
from onward.runs.protocol.hashing import hash_output
from onward.runs.protocol.manifest import Manifest, parse_manifest
from onward.runs.protocol.staleness import changes, hash_bytes, would_run

# Starts DVC.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = parse_pipeline((ROOT / "dvc.yaml").read_bytes())
TOY = """
stages:
  last:
    cmd: cat a/x b > c
    deps: [a, b]
    params: [two.deep]
    outs: [c]
  first:
    cmd: mkdir -p a/sub && cp source a/x && cp source a/sub/y && echo 1 > m.json
    deps: [source]
    params: [one]
    outs: [a]
    metrics:
      - m.json: {cache: false}
  second:
    cmd: cp a/x b
    deps: [a/x]
    outs: [b]
"""


def test_the_projects_own_stages_follow_each_other():
    order = PIPELINE.order()
    assert order == list(PIPELINE.stages)
    assert PIPELINE.upstream("evaluate") == ["ingest", "train_gnn", "calibrate_uncertainty", "fit_thresholds"]
    assert PIPELINE.from_stage("fit_thresholds") == ["fit_thresholds", "evaluate", "deploy", "monitor"]
    assert PIPELINE.from_stage("ingest") == order[1:]
    assert PIPELINE.maker("artifacts/evaluation/results.json") == "evaluate"
    assert PIPELINE.maker("metrics/train.json") == "train_gnn"
    assert PIPELINE.maker("src/onward/errors.py") is None
    assert PIPELINE.stage("evaluate").outs == ("artifacts/evaluation",)
    assert "metrics/evaluation.json" in PIPELINE.stage("evaluate").kept_by_git


def test_an_unknown_stage_is_refused_with_those_there_are():
    with pytest.raises(RunError, match="no stage 'x'; it has fingerprint_source, ingest, "):
        PIPELINE.stage("x")


@pytest.mark.parametrize("content", [None, b"", b"stages: 3", b"a: [", b"stages: {a: {deps: [x]}}"])
def test_a_dvc_yaml_without_stages_is_refused(content):
    with pytest.raises(RunError, match="no stages that can be read"):
        parse_pipeline(content)


def test_stages_that_need_each_other_are_refused():
    with pytest.raises(RunError, match="stages a, b need each other"):
        parse_pipeline(b"stages: {a: {cmd: x, deps: [b], outs: [a]}, b: {cmd: x, deps: [a], outs: [b]}}").order()


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    (folder / "dvc.yaml").write_text(TOY)
    (folder / "source").write_text("source\r\nof two lines\n")
    (folder / "params.yaml").write_text("one: {x: 1}\ntwo: {deep: 2, other: 3}\n")
    dvc(folder, "init", "-q", "--no-scm")
    dvc(folder, "repro", "-q")
    return folder


def dvc(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=folder, env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def hasher(folder):
    return lambda path: hash_bytes((folder / path).read_bytes()) if (folder / path).is_file() else None


def plan(folder, forced=None):
    pipeline, lock = (parse((folder / name).read_bytes()) for parse, name in READ)
    return would_run(pipeline, lock, yaml.safe_load((folder / "params.yaml").read_text()), hasher(folder), forced or {})


READ = ((parse_pipeline, "dvc.yaml"), (parse_lock, "dvc.lock"))


def test_outputs_are_hashed_as_dvc_hashes_them(repo):
    lock = parse_lock((repo / "dvc.lock").read_bytes())
    assert {out: hash_output(repo / out) for out in ("a", "b", "c", "m.json")} == {
        **lock.outs("first"), **lock.outs("second"), **lock.outs("last")
    }  # fmt: skip
    assert lock.outs("first")["a"].endswith(".dir")
    assert hash_output(repo / "nothing") is None


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        ("source", "two", "three", ["first", "second", "last"]),
        ("params.yaml", "x: 1", "x: 9", ["first", "second", "last"]),
        ("params.yaml", "deep: 2", "deep: 9", ["last"]),
        ("params.yaml", "other: 3", "other: 9", []),
        ("dvc.yaml", "cp a/x b", "cp ./a/x b", ["second", "last"]),
        ("dvc.yaml", "deps: [source]", "deps: [source, params.yaml]", ["first", "second", "last"]),
    ],
)
def test_the_plan_names_what_dvc_would_run(repo, file, before, after, expected):
    original = (repo / file).read_bytes().decode()
    try:
        (repo / file).write_bytes(original.replace(before, after).encode())
        assert list(plan(repo)) == expected
        # DVC's dry run judges each stage by the outputs as they are: it names at least the first that changed.
        said = dvc(repo, "repro", "--dry")
        assert [name for name in PLANNED if f"Running stage '{name}'" in said][:1] == expected[:1]
    finally:
        (repo / file).write_bytes(original.encode())


PLANNED = ("first", "second", "last")


def test_forced_stages_are_in_the_plan_and_those_after_them_depend_on_their_outputs(repo):
    assert plan(repo, {"second": "asked for"}) == {"second": "asked for", "last": "if the outputs of second change"}


def test_a_stage_without_a_record_says_so(repo):
    pipeline = parse_pipeline((repo / "dvc.yaml").read_bytes())
    assert changes(pipeline, parse_lock(None), {}, hasher(repo), "second") == ["it has never run"]


def test_an_entry_moves_between_locks_and_leaves_every_other_character(repo):
    text = (repo / "dvc.lock").read_text()
    ours = parse_lock(text.replace("cp a/x b", "cp other b").encode())
    merged = parse_lock(text.encode()).with_entry_of(ours, "second")
    assert merged.text == ours.text
    without = parse_lock(b"").with_entry_of(parse_lock(text.encode()), "second")
    assert list(without.entries) == ["second"]
    assert without.with_entry_of(parse_lock(text.encode()), "last").entries == {
        name: parse_lock(text.encode()).entries[name] for name in ("second", "last")
    }


@pytest.mark.parametrize(
    "content", [b"schema: '2.0'\nsta", b"[1", b"\tx", b"- 1", b"stages: 3", b"stages: {a: 3}", b"\xff"]
)
def test_a_cut_lock_is_refused(content):
    with pytest.raises(RunError, match=r"dvc\.lock is cut off"):
        parse_lock(content)


def test_a_manifest_comes_back_as_it_was_and_rubbish_does_not():
    record = Manifest("n", "id", "manual", {"run": {"as_of": "2017-11-20"}}, None, [], "c" * 40, 3, "/store", "now")
    assert parse_manifest(record.to_json(), "n") == record
    ended = record.finish({"version": 4})
    assert parse_manifest(ended.to_json(), "n").finished == {"version": 4}
    for content in (None, b"", b"[]", b"{}", b'{"name": 1}', b"\xff"):
        with pytest.raises(RunError, match="start another run"):
            parse_manifest(content, "n")
