"""The monitor of the model in use is red for its own reasons, or tells level, since when and what to do."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onward.errors import MonitoringError, RegistryError, RunError
from onward.runs.asked import Asked
from onward.runs.look import look
from onward.runs.places import Places
from onward.runs.start import start
from onward.runs.transaction import run_stage

ROOT = Path(__file__).resolve().parents[2]
LEVELS = [
    {"level": 0, "verdict": "ok", "drift_statistic": 0.3, "reason": "as promised"},
    {"level": 2, "verdict": "drifted", "drift_statistic": 1.2, "reason": "fewer convert than before"},
    {"level": 4, "verdict": "drifted", "drift_statistic": 2.5, "reason": "far fewer convert than before"},
]
VERDICT = {
    "version": 3, "as_of": "2017-11-20", "verdict": "drifted", "action": "retrain at a later as_of", "current_days": 28,
    "levels": LEVELS,
}  # fmt: skip
PIPELINE = """
stages:
  monitor:
    cmd: mkdir -p artifacts/monitoring && cp verdict.json artifacts/monitoring/verdict.json
    deps: [verdict.json]
    outs: [artifacts/monitoring]
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("looked-at") / "shop"
    (root / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root)
    (root / ".dvc" / "config").write_text(
        "[core]\n    remote = here\n['remote \"here\"']\n    url = ../../dvc-remote\n"
    )
    (root / ".gitignore").write_text(".onward/\n/artifacts/\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "verdict.json").write_text(json.dumps(VERDICT))
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Shop"]):
        subprocess.run(["git", "-c", "user.name=o", "-c", "user.email=o@example.org", *words], cwd=root, check=True)
    return Places.from_environment({}, root)


@pytest.fixture(scope="module")
def run(places):
    started = start(places, Asked(run_id="looked at"), lambda: None, print).run
    run_stage(places, started, "monitor", print)
    return started


def test_the_level_that_moved_farthest_is_named_with_since_and_action(places, run):
    seen = look(places, 3, {"run": run}, print)
    assert seen == {
        "run": run, "version": 3, "as_of": "2017-11-20", "verdict": "drifted", "action": "retrain at a later as_of",
        "level": 4, "since": "2017-10-23", "reason": "far fewer convert than before",
    }  # fmt: skip


def test_a_verdict_on_another_version_is_no_verdict_on_this_one(places, run):
    with pytest.raises(MonitoringError, match=f"run {run} judged version 3, in use is version 4"):
        look(places, 4, {"run": run}, print)


def test_a_version_that_came_from_no_run_cannot_be_looked_at(places):
    with pytest.raises(MonitoringError, match="version 1 came from no run"):
        look(places, 1, {}, print)


@pytest.mark.parametrize("name", ["2017-11-20-00000000", "../../etc"])
def test_a_run_that_cannot_be_had_is_an_error(places, name):
    with pytest.raises(RunError):
        look(places, 3, {"run": name}, print)


def test_a_run_that_has_not_come_to_its_verdict_says_which_stage_is_missing(places):
    name = start(places, Asked(run_id="not yet"), lambda: None, print).run
    with pytest.raises(MonitoringError, match=f"run {name} of version 3 has no verdict; `onward run stage"):
        look(places, 3, {"run": name}, print)


def test_outputs_that_are_nowhere_are_named(places, run):
    look(places, 3, {"run": run}, print)  # Takes this machine's own folder of the run away with it.
    remote, cache = Path(places.dvc_remote), places.cache
    remote.rename(remote.with_name("away"))
    cache.rename(cache.with_name("cache-away"))
    try:
        with pytest.raises((MonitoringError, RunError), match="artifacts/monitoring"):
            look(places, 3, {"run": run}, print)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(remote, ignore_errors=True)
        remote.with_name("away").rename(remote)
        cache.with_name("cache-away").rename(cache)


def test_without_a_model_in_use_the_command_is_an_error(places, monkeypatch):
    from onward.cli import app

    for name in [name for name in os.environ if name.startswith("ONWARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(places.project)
    result = CliRunner().invoke(app, ["run", "look"])
    assert isinstance(result.exception, RegistryError)
    assert "no version is in use" in str(result.exception)
