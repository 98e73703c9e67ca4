"""A drifted verdict raises the event once, and a verdict that says nothing new raises none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# `onward run look` of a day on which the verdict is what the environment says.
FAKE_CLI = """
import os, sys
assert sys.argv[1:] == ["run", "look"]
print(os.environ["VERDICT"])
"""
SEEN = {
    "run": "2017-11-20-3f2a9c1b", "version": 4, "as_of": "2017-11-20", "verdict": "drifted", "level": 3,
    "since": "2017-10-23", "action": "retrain at a later as_of", "reason": "fewer convert",
}  # fmt: skip

DAYS = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
bag = DagBag("DAGS")
days = []
for verdict in json.loads(sys.argv[1]):
    os.environ["VERDICT"] = json.dumps(verdict)
    run = bag.dags["monitor"].test()
    with create_session() as session:
        events = [event.extra for event in session.query(AssetEvent).order_by(AssetEvent.id)]
    states = {each.task_id: str(each.state) for each in run.get_task_instances()}
    days.append({"state": str(run.state), "tasks": states, "events": events})
print(json.dumps(days))
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    home = tmp_path_factory.mktemp("drift")
    (home / "onward").mkdir()
    (home / "onward" / "__init__.py").touch()
    (home / "onward" / "cli.py").write_text(FAKE_CLI)
    environment = {
        "PATH": str(Path(sys.executable).parent), "HOME": str(home), "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "PYTHONPATH": f"{ROOT / 'dags'}:{home}", "ONWARD_RETRIES": "0",
    }  # fmt: skip
    verdicts = [
        SEEN | {"verdict": "ok", "level": None},
        SEEN,
        SEEN | {"level": 1},
        SEEN | {"as_of": "2017-11-27", "since": "2017-10-30"},
        SEEN | {"verdict": "too early to tell", "level": None},
    ]
    program = DAYS.replace("DAGS", str(ROOT / "dags"))
    for command in (["-m", "airflow", "db", "migrate"], ["-W", "ignore", "-c", program, json.dumps(verdicts)]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def test_drift_is_announced_with_version_level_since_and_action(days):
    assert days[1]["events"] == [{key: SEEN[key] for key in ("version", "as_of", "level", "since", "action")}]
    assert days[1]["tasks"] == {"look": "success", "announce": "success"}


def test_the_same_version_and_state_of_the_log_is_announced_once(days):
    assert days[2]["events"] == days[1]["events"]
    assert days[2]["tasks"]["announce"] == "skipped"
    assert [event["as_of"] for event in days[3]["events"]] == ["2017-11-20", "2017-11-27"]


def test_no_drift_is_green_and_raises_nothing(days):
    assert days[0]["events"] == []
    assert days[4]["events"] == days[3]["events"]
    assert [day["state"] for day in days] == ["success"] * 5
