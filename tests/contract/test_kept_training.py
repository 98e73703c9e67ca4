"""A run that begins after training, as of a later day, keeps the model in use and runs everything else."""

import json

import pytest
import yaml

from builders.toy_runs import git, make_toy
from onward.runs.protocol.request import parse_asked
from onward.runs.protocol.start import start
from onward.runs.protocol.transaction import run_stage

# Starts DVC.
pytestmark = pytest.mark.slow

ORDER = ("read", "left", "right", "join")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy pipeline with a stage `left` that trains, as of the run's clock, what `join` reads."""
    toy = make_toy(tmp_path_factory.mktemp("kept"), 1)
    root = toy.machines[0].root
    pipeline = yaml.safe_load((root / "dvc.yaml").read_text())
    pipeline["stages"]["left"] |= {"params": ["run"], "meta": {"trains": True}}
    (root / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    git(root, "commit", "-qam", "left trains")
    return toy


def begin(machine, in_use=None, said=None, **asked):
    request = parse_asked(json.dumps(asked))
    return start(machine.places, request, lambda: None, (said if said is not None else []).append, lambda: in_use)


def take(machine, run, stages=ORDER):
    for stage in stages:
        run_stage(machine.places, run, stage, lambda line: None)


@pytest.fixture(scope="module")
def trained(toy):
    machine = toy.machines[0]
    run = begin(machine, as_of="2017-10-02", run_id="first").run
    take(machine, run)
    return toy, machine, run


def ran(log):
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_later_cuts_are_found_for_the_same_model(trained, tmp_path, monkeypatch):
    toy, machine, first = trained
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))
    said = []
    asked = {"as_of": "2017-10-09", "run_id": "refit", "run_from": "join"}
    plan = begin(machine, first, said, **asked, dry_run=True).plan
    assert list(plan) == ["read", "right", "join"]
    run = begin(machine, first, said, **asked).run
    assert any(f"left is kept as run {first} recorded it" in line for line in said)
    manifest = json.loads(toy.git("show", f"runs/{run}:run.json"))
    assert manifest["kept"] == {"left": first}
    take(machine, run)
    assert ran(log) == ["read", "right", "join"]
    before, after = toy.hashes(first), toy.hashes(run)
    assert after["out/left"] == before["out/left"]
    assert after["out/read"] != before["out/read"]
    assert after["out/join"] != before["out/join"]
    assert after["metrics/left.json"] == before["metrics/left.json"]
    # What a run kept may be kept again, and its first clock goes with it.
    again = begin(machine, run, said, as_of="2017-10-16", run_id="again", run_from="join").run
    assert json.loads(toy.git("show", f"runs/{again}:run.json"))["kept"] == {"left": run}
    # The branch says it all: DVC alone, in a clone of it, leaves the model alone too.
    assert "frozen: true" in toy.git("show", f"runs/{run}:dvc.yaml")


@pytest.mark.parametrize(
    ("asked", "edit", "why"),
    [
        ({"as_of": "2017-09-25"}, None, "trained as of 2017-10-02, which is not before 2017-09-25"),
        ({"as_of": "2017-10-02"}, None, "which is not before 2017-10-02"),
        ({"as_of": "2017-10-09", "threads": 3}, None, "run in params.yaml changed"),
        ({"as_of": "2017-10-09"}, "work.sh", "work.sh changed"),
    ],
)
def test_a_model_that_this_run_would_not_have_trained_is_trained_anew(trained, asked, edit, why):
    toy, machine, first = trained
    if edit:
        path = machine.root / edit
        path.write_text(path.read_text() + "\n# another\n")
        git(machine.root, "commit", "-qam", "Edit")
    said = []
    run = begin(machine, first, said, run_id=why, run_from="join", **asked).run
    if edit:
        git(machine.root, "revert", "--no-edit", "HEAD")
    assert any(why in line for line in said), said
    assert "kept" not in [key for key, value in json.loads(toy.git("show", f"runs/{run}:run.json")).items() if value]


def test_without_a_run_to_keep_from_nothing_is_kept(trained):
    toy, machine, first = trained
    for number, (in_use, stage) in enumerate([(None, "join"), ("2017-01-01-00000000", "join"), (first, "left")]):
        run = begin(machine, in_use, run_id=f"n{number}", as_of="2017-10-09", run_from=stage).run
        assert json.loads(toy.git("show", f"runs/{run}:run.json"))["kept"] == {}
