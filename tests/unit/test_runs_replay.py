"""A replay walks the weeks in order, once each; killed anywhere it goes on and ends the same."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onward.errors import RunError
from onward.runs.replay import Replay, replay

# Walks weeks in processes of their own.
pytestmark = pytest.mark.slow

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
PIPELINE = (
    "stages: {read: {cmd: 'true', outs: [a]}, join: {cmd: 'true', deps: [a], outs: [b]},"
    " deploy: {cmd: 'true', deps: [b], outs: [c]}, see: {cmd: 'true', deps: [c], outs: [d]}}"
)

# `onward …` that keeps a diary of what it was asked, and dies where KILL says.
FAKE_CLI = """
import json, os, pathlib, signal, sys
words, text = sys.argv[1:], sys.stdin.read()
said = " ".join(words)
with open("diary", "a") as diary:
    diary.write(said + "\\n")
if os.environ.get("KILL") == said:
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
assert "/replay" in os.environ["ONWARD_REGISTRY"] and "/replay" in os.environ["ONWARD_LOOKS"]
if words[:2] == ["run", "start"]:
    asked = json.loads(text)
    print("run starts"); print(json.dumps({"run": "run-" + asked["as_of"]}))
elif words[:2] == ["run", "stage"] and "deploy" in words and words[3:] != ["deploy"]:
    sys.exit("Error: deploy cannot run together with others")
elif words[0] == "score":
    print(json.dumps({"version": int(words[1][-2:])}))
elif words[0] == "monitor":
    if words[1].endswith("20"):
        sys.exit("Error: no matured labels")
    print(json.dumps({"verdict": "ok", "reason": "as promised " + words[1]}))
elif words[0] == "act":
    assert json.loads(text)["verdict"] == "ok"
    print(json.dumps({"action": "none"}))
elif os.environ.get("FAIL") == said:
    sys.exit("Error: " + said + " failed")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "onward").mkdir()
    (tmp_path / "onward" / "__init__.py").touch()
    (tmp_path / "onward" / "cli.py").write_text(FAKE_CLI)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    # The replay's commands start in the project's folder, where this `onward` lies; this process has the real one.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def asked(project, last=date(2017, 7, 4), last_training=date(2017, 7, 4)):
    return Replay(project, project / "replayed" / "one", date(2017, 6, 6), last, 7, 2, 1, last_training)


def walk(project, **kind):
    return dict(replay(asked(project, **kind), lambda step: None))


def diary(project):
    return (project / "diary").read_text().splitlines()


def test_each_week_trains_scores_the_next_days_and_looks(project):
    weeks = walk(project)
    assert list(weeks) == [date(2017, 6, 6) + timedelta(days=7 * number) for number in range(4)]
    alone = [line for line in diary(project) if "2017-06-06" in line or line == "monitor --as-of=2017-06-13"]
    assert alone == [
        "run stage run-2017-06-06 read join", "run stage run-2017-06-06 deploy", "run stage run-2017-06-06 see",
        "run finish --no-pages run-2017-06-06", "score --day=2017-06-06 --to=2017-06-12", "monitor --as-of=2017-06-13",
    ]  # fmt: skip
    assert sum(line in {"run start", "act"} for line in diary(project)) == 4 + 3
    assert weeks[date(2017, 6, 6)] == {
        "run": "run-2017-06-06", "version": 6, "verdict": "ok", "reason": "as promised --as-of=2017-06-13",
        "action": "none",
    }  # fmt: skip
    # A look that failed is told, and the walk goes on.
    assert weeks[date(2017, 6, 13)]["verdict"] == "failed"
    assert weeks[date(2017, 6, 13)]["reason"] == "Error: no matured labels"


def test_weeks_that_are_through_are_not_walked_again(project):
    first = walk(project, last=date(2017, 6, 20))
    walked = diary(project)
    again = walk(project)
    assert list(again)[:2] == list(first)
    assert diary(project)[: len(walked)] == walked
    assert not any("06-06" in line for line in diary(project)[len(walked) :])


def test_after_the_last_training_the_version_in_use_is_watched(project):
    weeks = walk(project, last_training=date(2017, 6, 14))
    assert [ended["run"] for ended in weeks.values()] == ["run-2017-06-06", "run-2017-06-13", None, None]
    assert diary(project).count("run start") == 2
    assert "score --day=2017-06-27 --to=2017-07-03" in diary(project)


def test_weeks_are_trained_ahead_but_meet_the_gate_in_turn(project):
    walk(project)
    said = diary(project)
    in_turn = [line for line in said if line.split()[0] != "run" or "deploy" in line or "finish" in line]
    days = [date(2017, 6, 6) + timedelta(days=7 * number) for number in range(4)]
    assert in_turn == [
        line for day in days for line in (
            f"run stage run-{day} deploy", f"run finish --no-pages run-{day}",
            f"score --day={day} --to={day + timedelta(days=6)}", f"monitor --as-of={day + timedelta(days=7)}",
            *(["act"] if day != date(2017, 6, 13) else []),
        )
    ]  # fmt: skip
    assert said.index("run stage run-2017-06-13 read join") < said.index("run finish --no-pages run-2017-06-06")


PROGRAM = """
import sys
from datetime import date
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from onward.runs.replay import Replay, replay
root = Path.cwd()
first, last = date(2017, 6, 6), date(2017, 7, 4)
list(replay(Replay(root, root / "replayed" / "one", first, last, 7, 2, 1, last), lambda step: None))
"""


def kept(project):
    folder = project / "replayed" / "one"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_and_ends_the_same(project, tmp_path_factory):
    walk(project)
    whole, steps = kept(project), diary(project)
    for step in sorted({line for line in steps if "2017" in line})[::3]:
        (project / "diary").unlink()
        for path in sorted((project / "replayed").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        source = str(PARAMS.parent / "src")
        killed = subprocess.run(
            [sys.executable, "-c", PROGRAM, source], cwd=project, check=False, capture_output=True,
            env={**os.environ, "KILL": step, "PYTHONPATH": str(project)},
        )  # fmt: skip
        assert killed.returncode == -9, killed.stderr[-800:]
        before = [line for line in diary(project) if line.startswith("monitor")]
        walk(project)
        assert kept(project) == whole, step
        assert all(diary(project).count(line) == 1 for line in before[:-1])


def test_a_step_that_fails_is_named_with_its_reason(project, monkeypatch):
    monkeypatch.setenv("FAIL", "run stage run-2017-06-13 read join")
    with pytest.raises(RunError, match=r"`onward run stage run-2017-06-13 read join` ended with 1: Error: run stage"):
        walk(project)
    monkeypatch.delenv("FAIL")
    assert len(walk(project)) == 4


def test_two_questions_do_not_share_a_folder(project):
    walk(project)
    last = date(2017, 7, 4)
    other = Replay(project, project / "replayed" / "one", date(2017, 6, 6), last, 14, 1, 1, last)
    with pytest.raises(RunError, match="holds a replay of"):
        next(iter(replay(other, lambda step: None)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "2017-06-07"], "no 7 days lie between"),
        (["--to", "2017-08-01", "--every", "weekly"], "is no number of days"),
    ],
)
def test_what_cannot_be_replayed_is_refused(project, monkeypatch, words, said):
    from onward.cli import app

    monkeypatch.chdir(project)
    found = CliRunner().invoke(app, ["replay", "--from", "2017-06-06", *words])
    assert isinstance(found.exception, RunError)
    assert said in str(found.exception)


def test_the_command_tells_each_week_and_where_to_see_it(project, monkeypatch):
    from onward.cli import app

    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["replay", "--from", "2017-06-06", "--to", "2017-06-20"], catch_exceptions=False)
    assert "2017-06-06  trained  version 6  ok" in shown.stdout
    for place in ("LOOKS", "SERVED", "PAGES"):
        assert f"ONWARD_{place}={project / '.onward' / 'replay'}" in shown.stdout
    assert json.loads((project / ".onward" / "replay" / "2017-06-06-every-7d" / "replay.json").read_text())
