"""Starting a run: the same request finds the same branch, and the project itself is left alone."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import yaml

from builders.toy_runs import STAGES, Machine, git, make_toy
from onward.errors import NOT_TO_BE_RETRIED, ParamsError, RequestError, RunError
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.manifest import parse_manifest
from onward.runs.protocol.request import Asked
from onward.runs.protocol.start import start
from onward.runs.protocol.workspace import open_workspace

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("start"), 2)


PLACE = Path(__file__).parent


def ignore(line):
    """What a command says is of no interest here."""


def ask(machine, champion=lambda: None, say=ignore, **asked):
    return start(machine.places, Asked.model_construct(**(Asked().model_dump() | asked)), champion, say)


def test_a_run_is_one_commit_that_changes_only_what_was_asked(toy):
    started = ask(
        toy.machines[0], lambda: 7, as_of=date(2017, 11, 27), precision_target=0.1, run_from="right", run_id="one"
    )
    branch = f"runs/{started.run}"
    assert (started.new, started.as_of) == (True, date(2017, 11, 27))
    assert toy.git("diff", "--name-only", "main", branch).split() == ["params.yaml", "run.json"]
    params = yaml.safe_load(toy.git("show", f"{branch}:params.yaml"))
    assert params["run"]["as_of"] == "2017-11-27"
    assert params["thresholds"]["precision_target"] == 0.1
    assert "# the run's clock" in toy.git("show", f"{branch}:params.yaml")
    record = parse_manifest(toy.git("show", f"{branch}:run.json").encode(), started.run)
    assert (record.parent_champion, record.trigger, record.run_id) == (7, "by_hand", "one")
    assert record.forced == ["right", "join"]
    assert record.code_commit == toy.git("rev-parse", "main")
    assert record.dvc_remote == str(toy.shared / "dvc")


def test_the_same_request_again_finds_the_run_and_other_values_are_refused(toy):
    first = ask(toy.machines[0], run_id="twice", as_of=date(2017, 11, 27))
    before = toy.git("rev-parse", f"runs/{first.run}")
    again = ask(toy.machines[1], run_id="twice", as_of=date(2017, 11, 27))
    assert (again.run, again.new) == (first.run, False)
    assert toy.git("rev-parse", f"runs/{first.run}") == before
    for other in ({"estimator": "importance_weight"}, {"run_from": "join"}):
        with pytest.raises(RunError, match="started with other values"):
            ask(toy.machines[0], run_id="twice", as_of=date(2017, 11, 27), **other)


def test_starts_at_the_same_moment_make_one_run(toy):
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda number: ask(toy.machines[number % 2], run_id="at once"), range(4)))
    assert len({each.run for each in started}) == 1
    assert sum(each.new for each in started) == 1


def state_of(folder):
    """Everything that a person sees of a checkout: files, index, branch, refs."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}
    index = (folder / ".git" / "index").read_bytes()
    return files, index, git(folder, "for-each-ref"), git(folder, "rev-parse", "HEAD"), git(folder, "stash", "list")


def test_the_projects_tree_index_and_branches_are_left_alone(tmp_path):
    """With uncommitted and staged work, with hooks, and with the project itself as the git remote."""
    toy = make_toy(tmp_path, 1)
    machine, canary = toy.machines[0], tmp_path / "canary"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout", "post-merge", "pre-rebase"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (hooks / name).chmod(stat.S_IRWXU)
    git(machine.root, "config", "core.hooksPath", str(hooks))
    git(machine.root, "config", "commit.gpgSign", "true")
    (machine.root / "source.txt").write_text("not committed\n")
    (machine.root / "staged.txt").write_text("staged\n")
    git(machine.root, "add", "staged.txt")
    before, said = state_of(machine.root), []
    places = machine.places_with()
    run = start(places, Asked(), lambda: None, said.append).run
    assert any("2 uncommitted changes" in line for line in said)
    with open_workspace(places, run, ignore) as space:
        space.synchronise(ignore)
        assert (space.root / "source.txt").read_text() == "some data\n"
    files, index, refs, head, stash = state_of(machine.root)
    mine = {path: content for path, content in files.items() if ".onward" not in path.parts}
    assert (mine, index, head, stash) == (before[0], before[1], before[3], before[4])
    assert set(refs.splitlines()) - set(before[2].splitlines()) == {
        f"{git(machine.root, 'rev-parse', f'runs/{run}')} commit\trefs/heads/runs/{run}"
    }
    assert not canary.exists()


def test_a_dry_run_plans_and_leaves_no_trace(toy):
    machine = toy.machines[0]
    before = toy.git("for-each-ref"), sorted(machine.root.rglob("*"))
    started = ask(machine, pytest.fail, dry_run=True, run_from="right")
    assert started.run is None
    assert started.plan == dict.fromkeys(("read", "left"), "it has never run") | dict.fromkeys(
        ("right", "join"), "asked for"
    )
    assert toy.git("for-each-ref") == before[0]
    assert [path for path in sorted(machine.root.rglob("*")) if ".git" not in path.parts] == [
        path for path in before[1] if ".git" not in path.parts
    ]


def test_the_command_reads_json_and_answers_json_in_its_last_line(toy):
    machine = toy.machines[0]
    done = machine.onward("run", "start", feed='{"as_of": "2017-11-27", "run_id": "cli", "dry_run": true}')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "run": None, "branch": None, "as_of": "2017-11-27", "dry_run": True, "started": False,
        "would_run": list(STAGES),
    }  # fmt: skip
    refused = machine.onward("run", "start", feed='{"as_of": "$(touch canary)"}')
    assert refused.returncode == NOT_TO_BE_RETRIED
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr


def test_what_cannot_be_started_is_said_in_a_line(toy, tmp_path):
    machine = toy.machines[1]
    with pytest.raises(RequestError, match="no stage 'fly'"):
        ask(machine, run_from="fly")
    with pytest.raises(RunError, match="no commit"):
        start(
            machine.places_with(code_ref="-x"),
            Asked(), lambda: None, ignore,
        )  # fmt: skip
    with pytest.raises(RunError, match="name it by its absolute path"):
        ask(machine, source="parquet")
    with pytest.raises(ParamsError, match="estimator"):
        ask(machine, estimator="best")
    gone = machine.places_with(git_remote=str(tmp_path / "gone"))
    with pytest.raises(RunError, match="gone"):
        start(gone, Asked(), lambda: None, ignore)


def test_git_names_no_password():
    with pytest.raises(GitError) as raised:
        Git(Machine(PLACE, PLACE).root)("ls-remote", "http://me:secret@127.0.0.1:9/x.git")
    assert "secret" not in str(raised.value)


def test_a_workspace_that_nobody_used_for_a_week_is_swept(toy):
    machine = toy.machines[1]
    old, held, new = (ask(machine, run_id=word).run for word in ("old", "held", "new"))
    for run in (old, held):
        with open_workspace(machine.places, run, ignore) as space:
            space.synchronise(ignore)
        os.utime(machine.places.workspaces / f"{run}.lock", (0, 0))
    with open_workspace(machine.places, held, ignore):
        os.utime(machine.places.workspaces / f"{held}.lock", (0, 0))
        with open_workspace(machine.places, new, ignore) as space:
            space.synchronise(ignore)
    kept = {path.name for path in machine.places.workspaces.iterdir() if path.is_dir()}
    assert kept >= {held, new}
    assert old not in kept
    assert not (machine.places.workspaces / f"{old}.lock").exists()
