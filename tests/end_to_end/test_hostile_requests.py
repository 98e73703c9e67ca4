"""Airflow's form is not the only way in: `onward run start` refuses the same values by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.hostile import MEGABYTE, WIDE, retrain_cases
from onward.errors import NOT_TO_BE_RETRIED, OnwardError, RunError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository that a run could start from, with a remote of its own and an identity that belongs to nobody."""
    root = tmp_path_factory.mktemp("asked")
    for name in ("params.yaml", "dvc.yaml", ".dvc/config"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=onward", "-c", "user.email=onward@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-qm", "Shop"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


@pytest.fixture
def start(project, monkeypatch):
    from onward.cli import app

    for name in [name for name in os.environ if name.startswith("ONWARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(project)
    return lambda text: CliRunner().invoke(app, ["run", "start"], input=text)


def refused(result):
    if isinstance(result.exception, OnwardError):
        return "\n" not in str(result.exception) and len(str(result.exception)) < 2000
    return False


def branches(project):
    return subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.split()


def test_every_bad_value_is_refused_in_one_line_and_nothing_is_made_or_run(project, start, tmp_path):
    canary = tmp_path / "canary"
    # A form without a source is no attack: params.yaml has one.
    cases = [(name, asked) for name, asked in retrain_cases(str(canary)) if asked != {"source": None}]
    assert len(cases) >= 90
    assert [name for name, asked in cases if not refused(start(json.dumps({"run_id": "hostile"} | asked)))] == []
    assert branches(project) == ["refs/heads/main"]
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", '"; rm"', "{", "not JSON", '{"source": "simulator"} ; touch canary', "[" * 100_000,
        '{"cmd": "touch canary"}', '{"__class__": {"a": 1}}', '{"as_of": "2017-11-20", "as of": 1}',
        '{"run_id": ""}', '{"run_id": "two\\nlines"}', '{"run_id": 7}', '{"run_id": "' + "r" * 251 + '"}',
        '{"trigger": "; touch canary"}', '{"trigger": "manual\\n"}', '{"interval_end": "../../etc"}',
        '{"source": "' + "x" * MEGABYTE + '"}', "\x00", "\ud800", '{"run_from": "--help"}',
    ],
    ids=range(22),
)  # fmt: skip
def test_a_request_of_another_shape_is_refused(project, start, text):
    assert refused(start(text.encode("utf-8", "surrogatepass")))
    assert branches(project) == ["refs/heads/main"]
    assert not (project / "canary").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../main", "main", "refs/heads/main", "2017-11-20-3f2a9c1", "2017-11-20-3F2A9C1B", "2017-11-20-3f2a9c1b\n",
        "2017-11-20-3f2a9c1b/../x", "--upload-pack=touch canary", "-x", "; touch canary", "$(touch canary)", "",
        "2017-11-20-3f2a9c1b".translate(WIDE), "x" * 100_000, "ext::sh -c touch% canary",
    ],
    ids=range(15),
)  # fmt: skip
@pytest.mark.parametrize("command", ["stage", "finish"])
def test_a_run_with_a_hostile_name_is_refused_before_git_sees_it(project, start, command, name):
    from onward.cli import app

    words = ["run", command, "--", name, *(["ingest"] if command == "stage" else [])]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, RunError), result.output
    assert not (project / "canary").exists()
    assert not (project / ".onward").exists()


def test_the_command_says_why_in_one_line_and_fails(project):
    done = subprocess.run(
        [sys.executable, "-m", "onward.cli", "run", "start"],
        cwd=project, input='{"source": "$(touch canary)"}', capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == NOT_TO_BE_RETRIED
    assert done.stdout == ""
    assert "source" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (project / "canary").exists()
