"""What is not Onward's, or of a later release, is skipped with a warning that names it; the rest goes on."""

import json
import logging
import subprocess
from datetime import date

import pytest

from builders.made_assessments import verdict
from builders.registries import new_registry
from builders.run_branches import Made, make_repository
from builders.tiny_bundle import TAGS, make_bundle
from onward.artifacts import write_json
from onward.daily.assessment_history import AssessmentHistory
from onward.daily.feedback_parts import write_feedback_parts
from onward.daily.served_decisions import write_served_days
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.errors import RunError
from onward.runs.history.records import read_records
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import Manifest, parse_manifest
from onward.serving.served_folders import ServedFolders
from onward.settings import ProjectSettings

# Makes git branches and MLflow's tables.
pytestmark = pytest.mark.slow

GOOD = Made(2, auc=0.8, version=1, promoted=True)


@pytest.fixture
def remote(tmp_path):
    return make_repository(tmp_path / "remote.git", [GOOD])


def stray(remote, branch, **files):
    """A branch made by hand from the run's own: its files with some of them replaced or, for None, gone."""
    work = remote.parent / branch.replace("/", "-")
    subprocess.run(["git", "clone", "-q", "-b", f"runs/{GOOD.name}", str(remote), str(work)], check=True)
    for name, text in files.items():
        path = work / name.replace("_", ".")
        path.unlink() if text is None else path.write_text(text)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "add", "-A"], cwd=work, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "By hand", "--allow-empty"], cwd=work, check=True)
    subprocess.run(["git", "push", "-q", "origin", f"HEAD:refs/heads/{branch}"], cwd=work, check=True)


@pytest.mark.parametrize(
    ("branch", "files"),
    [
        ("runs/notes", {"run_json": None}),
        ("runs/a/b", {"run_json": "[]"}),
        ("runs/a-copy", {}),
        ("runs/2017-05-15-00000000", {"dvc_yaml": "stages: 3"}),
        ("runs/2017-05-15-00000001", {"params_yaml": "run: ["}),
        ("runs/2017-05-15-00000002", {"params_yaml": None}),
        ("runs/2017-05-15-00000003", {"dvc_lock": "schema: '2.0'\nsta"}),
        ("runs/2017-05-15-00000004", {"run_json": "{"}),
    ],
)
def test_a_branch_that_is_no_run_is_skipped_by_name(remote, tmp_path, caplog, branch, files):
    stray(remote, branch, **files)
    settings = ProjectSettings(project=tmp_path / branch.replace("/", "-"), git_remote=str(remote), dvc_remote="/srv")
    records = read_records(RunLocations.of(settings))
    assert [record.name for record in records] == [GOOD.name]
    assert records[0].outs()
    assert branch in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_fields_of_a_later_release_are_tolerated_in_a_manifest():
    record = Manifest("n", "id", "manual", {"run": {"as_of": "2017-11-20"}}, None, [], "c" * 40, 3, "/store", "now")
    later = json.loads(record.to_json()) | {"shop": "north", "weather": ["fair"]}
    assert parse_manifest(json.dumps(later).encode(), "n") == record
    del later["started_at"]
    with pytest.raises(RunError, match=r"no readable run\.json"):
        parse_manifest(json.dumps(later).encode(), "n")


def test_a_version_that_somebody_else_registered_is_skipped_by_number(tmp_path, caplog):
    registry = new_registry(tmp_path / "mlruns")
    write_bundle(tmp_path / "bundle", make_bundle())
    mine = registry.register(tmp_path / "bundle", bundle_hash(tmp_path / "bundle"), TAGS, {})
    registry.promote(mine.number)
    client = registry._client()
    for tags in ({}, {"source": "a notebook"}):
        client.create_model_version("onward", source=str(tmp_path / "bundle"), tags=tags)
    assert [version.number for version in registry.versions()] == [1]
    assert "version 2" in caplog.text
    assert "version 3" in caplog.text
    assert registry.champion().number == 1
    client.set_registered_model_alias("onward", "champion", "2")
    caplog.clear()
    assert registry.champion() is None
    assert "version 2" in caplog.text
    # It is mended as any other state is: by putting one of ours in use.
    registry.promote(1)
    assert registry.champion().number == 1


@pytest.fixture
def history(tmp_path):
    looks, actions = tmp_path / "looks", tmp_path / "actions"
    write_json(looks / "version=3" / "as_of=2017-11-20" / "verdict.json", verdict(date(2017, 11, 20), version=3))
    write_json(
        actions / "version=3" / "as_of=2017-11-20.json",
        {"version": 3, "as_of": "2017-11-20", "rule": "x", "action": "retrain"},
    )
    return AssessmentHistory(looks, actions, tmp_path / "first")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("looks/version=notes/as_of=2017-11-20/verdict.json", "{}"),
        ("looks/version=4.bak/x", ""),
        ("looks/version=4", "a file"),
        ("looks/version=3/as_of=2017-02-30/verdict.json", "{}"),
        ("looks/version=3/as_of=tomorrow/verdict.json", "{}"),
        ("looks/version=3/as_of=2017-11-21/notes.txt", "no verdict"),
        ("looks/version=3/as_of=2017-11-21/verdict.json", '{"schema"'),
        ("actions/version=3/as_of=2017-02-30.json", "{}"),
        ("actions/version=3/as_of=2017-11-21.json", "{"),
        ("actions/version=3/as_of=2017-11-21.json", '{"version": 3}'),
        ("actions/version=x/as_of=2017-11-21.json", "{}"),
    ],
)
def test_what_is_no_assessment_and_no_action_is_skipped_by_name(history, tmp_path, caplog, name, content):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert [assessment.as_of for assessment in history.of_version(3)] == [date(2017, 11, 20)]
    assert history.watched_versions() == [3]
    assert [action.as_of for action in history.action_log.past()] == [date(2017, 11, 20)]
    top, version = name.split("/")[:2]
    assert f"{top}/{version}" in caplog.text


@pytest.mark.parametrize("name", ["day=2017-02-30", "day=notes"])
def test_a_folder_that_is_no_day_of_what_was_served_is_skipped_by_name(tmp_path, caplog, name):
    served = ServedFolders(tmp_path / "served")
    for folder in (served.decisions, served.feedback):
        (folder / name).mkdir(parents=True)
    assert write_served_days(served, tmp_path / "decisions", date(2017, 11, 20)) == []
    assert set(write_feedback_parts(served.feedback, tmp_path / "log", date(2017, 11, 20)).values()) == {0}
    assert caplog.text.count(name) == 2
