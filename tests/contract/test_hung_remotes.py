"""A remote that takes the connection and then says nothing: one line after the time that the settings give, no more."""

import socket
import time

import psutil
import pytest

from builders.toy_runs import make_toy
from onward.deployment.bundle_store import BundleStore
from onward.errors import RegistryError, RunError, SettingsError
from onward.runs.history.records import read_records
from onward.runs.history.reproduce import reproduce
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.transaction import run_stage
from onward.settings import ProjectSettings, read_settings

# Starts DVC and waits for time-outs.
pytestmark = pytest.mark.slow

PATIENCE = 1.0
RUN = "2017-11-20-3f2a9c1b"


@pytest.fixture
def silent():
    """A port that takes every connection, by the kernel's queue, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def keys(monkeypatch):
    """Keys of an object store, which are never asked for where nobody answers."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture
def brief():
    """What ends must end about when it should, with nothing left running."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 45.0
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("scheme", ["git", "http"])
@pytest.mark.parametrize("words", [["ls-remote"], ["fetch"], ["clone"], ["push"]], ids=lambda words: words[0])
def test_git_gives_up(silent, brief, tmp_path, scheme, words):
    Git(tmp_path)("init", "-q")
    address = f"{scheme}://127.0.0.1:{silent}/shop.git"
    more = ["HEAD:refs/heads/x"] if words == ["push"] else []
    if more:
        Git(tmp_path)("commit", "-q", "--allow-empty", "-m", "x")
    with pytest.raises(GitError, match=rf"git {words[0]} .*no end in 1 s.*ONWARD_REMOTE_SECONDS") as refused:
        Git(tmp_path, patience_s=PATIENCE)(*words, address, *more)
    assert "\n" not in str(refused.value)


def test_questions_about_runs_give_up(silent, brief, tmp_path):
    Git(tmp_path)("init", "-q")
    address = f"git://127.0.0.1:{silent}/shop.git"
    places = RunLocations.of(
        ProjectSettings(project=tmp_path, git_remote=address, dvc_remote="/srv/dvc", remote_seconds=PATIENCE)
    )
    with pytest.raises(GitError, match="ONWARD_REMOTE_SECONDS"):
        read_records(places)
    with pytest.raises(RunError, match=f"no run {RUN} on"):
        reproduce(places, RUN, None, print)


def with_outputs_at(port, toy):
    """The places of a machine whose DVC remote is an object store behind a port."""
    return RunLocations.of(
        ProjectSettings(
            project=toy.machines[0].root, git_remote=str(toy.shared / "git"), dvc_remote="s3://bucket/dvc",
            dvc_remote_endpoint=f"http://127.0.0.1:{port}", remote_seconds=8.0,
        )
    )  # fmt: skip


def test_a_stage_whose_outputs_cannot_be_sent_gives_up(silent, brief, tmp_path, keys):
    toy = make_toy(tmp_path, 1)
    run = toy.machines[0].start()
    with pytest.raises(RunError, match=r"sending the outputs of read.*no end in 8 s.*s3://bucket/dvc.*REMOTE_SECONDS"):
        run_stage(with_outputs_at(silent, toy), run, "read", print)
    assert toy.commits(run) == []


def test_a_run_whose_outputs_do_not_come_is_not_waited_for(silent, brief, tmp_path, keys):
    toy = make_toy(tmp_path, 1)
    machine = toy.machines[0]
    run = machine.start()
    run_stage(machine.places, run, "read", lambda _: None)
    with pytest.raises(RunError, match="no end in 8 s"):
        reproduce(with_outputs_at(silent, toy), run, tmp_path / "reproduced", print)


def test_a_bundle_that_cannot_be_fetched_gives_up(silent, brief, tmp_path, keys, monkeypatch):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{silent}")
    store = BundleStore("s3://bucket/bundles", tmp_path, patience_s=PATIENCE)
    with pytest.raises(RegistryError, match=r"s3://bucket/bundles: no answer in 1 s; .*ONWARD_REMOTE_SECONDS"):
        store.folder("run", "a" * 64)


def test_a_store_that_refuses_is_one_line(tmp_path, keys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # Nobody listens there any more.
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = BundleStore("s3://bucket/other", tmp_path)
    with pytest.raises(RegistryError, match=r"s3://bucket/other: .*Could not connect") as refused:
        store.folder("run", "a" * 64)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "1e9", "soon"])
def test_a_time_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv("ONWARD_REMOTE_SECONDS", value)
    with pytest.raises(SettingsError, match="ONWARD_REMOTE_SECONDS"):
        read_settings()
