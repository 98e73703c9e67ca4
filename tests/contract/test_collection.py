"""`onward gc` collects old runs and leaves what is in use, what was before it, and what nobody's run recorded."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builders.registries import new_registry
from builders.tiny_bundle import TAGS, make_bundle
from builders.toy_runs import STAGES, git, make_toy
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.registry import Registry
from onward.errors import RegistryError, RunError
from onward.runs.collection.candidates import Wanted
from onward.runs.collection.collect import collect
from onward.runs.collection.leftovers import partial_paths
from onward.runs.history.records import read_records
from onward.runs.history.reproduce import reproduce
from onward.runs.protocol.finish import finish
from onward.runs.protocol.transaction import run_stages

# Starts DVC and MLflow.
pytestmark = pytest.mark.slow

CLOCKS = ("2017-10-02", "2017-10-09", "2017-10-16", "2017-10-23")
NOW = datetime.now(UTC)


def silent(line):
    pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Four finished runs, each with a version: 1 was in use before, 2 is in use, 3 was refused, 4 challenges."""
    folder = tmp_path_factory.mktemp("gc")
    toy = make_toy(folder, 1)
    machine = toy.machines[0]
    registry = new_registry(folder / "mlruns")
    runs = []
    for number, clock in enumerate(CLOCKS):
        run = machine.start(as_of=clock, run_id=f"run {number}")
        run_stages(machine.places, run, STAGES, silent)
        finish(machine.places, run, silent)
        bundle = folder / f"bundle{number}"
        write_bundle(bundle, make_bundle(number))
        registry.register(bundle, bundle_hash(bundle), {**TAGS, "run": run}, {"auc": 0.7})
        runs.append(run)
        if number < 2:
            registry.promote(number + 1)
    return toy, machine, registry, runs


@pytest.fixture
def copy(shop, tmp_path):
    """The same once more, for a test of its own: all places are folders, and the registry moves with its files."""
    toy, machine, _, runs = shop
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(toy.shared.parent), str(folder)], check=True)
    moved = type(toy)(folder / "shared", (type(machine)(folder / "machine0", folder / "shared"),))
    return moved, moved.machines[0], Registry(folder / "mlruns"), runs


def wanted(keep=1, older=timedelta(0)):
    now = NOW + timedelta(hours=1)
    return Wanted(keep, now - older, now)


def objects(toy):
    return {path.relative_to(toy.shared).as_posix() for path in (toy.shared / "dvc").rglob("*") if path.is_file()}


def branches(toy):
    return {
        line.rpartition("/")[2] for line in toy.git("for-each-ref", "--format=%(refname)", "refs/heads/runs").split()
    }


def break_off_after_one_output(patched):
    """Let a collection delete one output and then be broken off."""
    from onward.runs.collection.outputs import Outputs

    present = Outputs.present

    class Broken:
        def delete(self, name):
            raise KeyboardInterrupt

    def one_goes(outputs, names):
        return [(Broken() if number else store, name) for number, (store, name) in enumerate(present(outputs, names))]

    patched.setattr(Outputs, "present", one_goes)


def files_of(registry):
    return {path.name for path in (registry.root / "artifacts").iterdir()}


def test_what_is_in_use_and_what_was_before_it_can_be_reproduced_afterwards(copy, tmp_path):
    toy, machine, registry, runs = copy
    stranger = toy.shared / "dvc" / "files" / "md5" / "ff" / ("f" * 30)
    stranger.parent.mkdir(parents=True, exist_ok=True)
    stranger.write_text("nobody's run recorded it")
    before = objects(toy)
    went = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert went.runs == (runs[2],)
    assert went.versions == (3,)
    assert branches(toy) == {runs[0], runs[1], runs[3]}
    assert [version.number for version in registry.versions()] == [1, 2, 4]
    assert registry.champion().number == 2
    gone = before - objects(toy)
    assert len(gone) >= 3, gone
    assert went.outputs >= len(gone)
    assert stranger.is_file()
    for run in (runs[0], runs[1], runs[3]):
        restored = reproduce(machine.places, run, tmp_path / run, silent)
        assert restored.outs
        assert restored.wrong == {}
    for number in (1, 2, 4):
        assert registry.folder(registry.version(number)).is_dir()
    assert len(files_of(registry)) == 3
    # Nothing is left to do, and a later run goes on as ever.
    again = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert (again.runs, again.versions, again.outputs) == ((), (), 0)
    run = machine.start(as_of=CLOCKS[2], run_id="run 2, once more")
    run_stages(machine.places, run, STAGES, silent)
    assert len(toy.commits(run)) == len(STAGES)


def test_a_dry_run_says_the_same_and_changes_nothing(copy):
    toy, machine, registry, runs = copy
    before = (objects(toy), branches(toy), files_of(registry), registry.versions())
    said = []
    planned = collect(machine.places, registry, wanted(), said.append, dry_run=True)
    assert (objects(toy), branches(toy), files_of(registry), registry.versions()) == before
    assert any(f"run {runs[2]} would go" in line for line in said)
    assert collect(machine.places, registry, wanted(), silent, dry_run=False) == planned


@pytest.mark.parametrize("breaking", ["forget", "objects", "branch"])
def test_broken_off_anywhere_it_goes_on_when_asked_again(copy, monkeypatch, breaking, tmp_path):
    from onward.runs.collection import collect as module

    toy, machine, registry, runs = copy

    def break_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if breaking == "forget":
            patched.setattr(Registry, "forget", break_off)
        elif breaking == "objects":
            break_off_after_one_output(patched)
        else:
            patched.setattr(module, "_delete_branch", break_off)
        with pytest.raises(KeyboardInterrupt):
            collect(machine.places, registry, wanted(), silent, dry_run=False)
    went = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert went.runs == (runs[2],)
    assert branches(toy) == {runs[0], runs[1], runs[3]}
    assert reproduce(machine.places, runs[1], tmp_path / "r", silent).wrong == {}


def test_broken_off_after_every_single_output_nothing_is_left_behind(copy, monkeypatch):
    # What lists a folder's files goes last: without the list nobody would know them.
    toy, machine, registry, _ = copy
    before = len(objects(toy))
    whole = collect(machine.places, registry, wanted(), silent, dry_run=True)
    broken_off = 0
    with monkeypatch.context() as patched:
        break_off_after_one_output(patched)
        for _ in range(whole.outputs):
            try:
                collect(machine.places, registry, wanted(), silent, dry_run=False)
                break
            except KeyboardInterrupt:
                broken_off += 1
    collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert broken_off > 1
    assert 2 * (before - len(objects(toy))) == whole.outputs  # each lies in the remote and in the cache


def test_a_run_that_moves_on_meanwhile_stays(copy, monkeypatch):
    from onward.runs.collection import collect as module

    toy, machine, registry, runs = copy
    outputs_go = module._collect_outputs

    def meanwhile(*given, **named):
        tip = toy.git("rev-parse", f"runs/{runs[2]}")
        further = toy.git("commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "moved on")
        toy.git("update-ref", f"refs/heads/runs/{runs[2]}", further)
        return outputs_go(*given, **named)

    monkeypatch.setattr(module, "_collect_outputs", meanwhile)
    with pytest.raises(RunError):
        collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert runs[2] in branches(toy)


@pytest.mark.parametrize("step", ["discard", "delete_run"])
def test_broken_off_between_a_version_and_its_files_no_file_stays(copy, monkeypatch, step):
    from mlflow import MlflowClient

    from onward.deployment.bundle_store import BundleStore

    _, machine, registry, _ = copy

    def break_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BundleStore if step == "discard" else MlflowClient, step, break_off)
        with pytest.raises(KeyboardInterrupt):
            collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert [version.number for version in registry.versions()] == [1, 2, 4]
    assert collect(machine.places, registry, wanted(), silent, dry_run=True).strays == 1
    collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert files_of(registry) == {version.run for version in registry.versions()}
    assert collect(machine.places, registry, wanted(), silent, dry_run=True).strays == 0


def test_what_is_left_of_a_registration_goes_and_a_run_of_somebody_else_stays(copy, monkeypatch, tmp_path):
    from mlflow import MlflowClient

    _, machine, registry, _ = copy
    bundle = tmp_path / "bundle9"
    write_bundle(bundle, make_bundle(9))

    def break_off(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_model_version", break_off)
        with pytest.raises(KeyboardInterrupt):
            registry.register(bundle, bundle_hash(bundle), {**TAGS, "run": "killed"}, {"auc": 0.7})
    client = MlflowClient(registry.address, registry.address)
    somebodys = client.create_run(client.get_experiment_by_name("onward").experiment_id).info.run_id
    before = files_of(registry)
    went = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert went.strays == 1
    assert len(before - files_of(registry)) == 2  # the killed registration's, and those of the collected version
    assert client.get_run(somebodys).info.lifecycle_stage == "active"


def test_the_run_of_a_version_that_stays_stays_too(copy, tmp_path):
    """Of two runs that went at once, the one that began last need not be the one that registered last."""
    _, machine, registry, runs = copy
    bundle = tmp_path / "bundle9"
    write_bundle(bundle, make_bundle(9))
    latest = registry.register(bundle, bundle_hash(bundle), {**TAGS, "run": runs[2]}, {"auc": 0.7})
    # It was in use for a while, so it is nobody's challenger any more; a person may put it back.
    registry.promote(latest.number)
    registry.rollback()
    went = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert latest.number in {version.number for version in registry.versions()}
    assert runs[2] not in went.runs
    assert reproduce(machine.places, runs[2], tmp_path / "r", silent).wrong == {}


def test_what_is_young_or_asked_to_stay_stays(copy):
    _, machine, registry, _ = copy
    for asked in (wanted(keep=4), wanted(older=timedelta(days=1))):
        went = collect(machine.places, registry, asked, silent, dry_run=False)
        assert (went.runs, went.versions) == ((), ())


def test_it_waits_for_a_run_that_is_going_on(copy):
    _, machine, registry, _ = copy
    run = machine.start(as_of="2017-10-30", run_id="going on")
    with pytest.raises(RunError, match=f"run {run} is going on"):
        collect(machine.places, registry, wanted(), silent, dry_run=False)


def test_a_version_that_one_could_return_to_is_never_deleted(copy):
    _, _, registry, _ = copy
    for number in (1, 2, 4):
        with pytest.raises(RegistryError, match="it stays"):
            registry.forget(registry.version(number))
    registry.forget(registry.version(3))
    assert [version.number for version in registry.versions()] == [1, 2, 4]


def test_outputs_of_a_branch_by_hand_and_of_the_code_stay(copy):
    toy, machine, registry, runs = copy
    # Somebody keeps what the run made, under a name of their own, and the project records it.
    toy.git("branch", "kept-by-hand", f"runs/{runs[2]}")
    before = objects(toy)
    went = collect(machine.places, registry, wanted(), silent, dry_run=False)
    assert went.runs == (runs[2],)
    assert objects(toy) == before


def test_half_written_files_of_long_ago_go(tmp_path):
    old, young = (tmp_path / "looks" / f".as_of=2017.{number}.partial" for number in (1, 2))
    for path in (old, young):
        path.mkdir(parents=True)
        (path / "x").touch()
    whole = tmp_path / "looks" / "mine.partial.txt"
    whole.touch()
    for path in (old, whole):
        os.utime(path, (0, 0))
    assert partial_paths([tmp_path, tmp_path / "nowhere"], NOW - timedelta(days=1)) == [old]


def test_the_command_says_what_goes_and_ends_with_json(copy):
    toy, machine, registry, runs = copy
    done = subprocess.run(
        [sys.executable, "-m", "onward.cli", "gc", "--keep=1", "--older=0", "--dry-run"], cwd=machine.root,
        capture_output=True, text=True, check=False,
        env={**machine.environment, "ONWARD_REGISTRY": registry.address,
             "ONWARD_REGISTRY_ARTIFACTS": str(registry.root / "artifacts")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["runs"] == [runs[2]]
    assert told["versions"] == [3]
    assert told["dry_run"] is True
    assert read_records(machine.places)[0].name in branches(toy)
    assert Path(machine.root).is_dir()
    assert git(machine.root, "for-each-ref", "refs/onward/gc") == ""
