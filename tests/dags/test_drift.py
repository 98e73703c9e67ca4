"""Each decision raises its own event, once; nothing to assess is skipped, and a failed assessment is red."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# `onward score`, `monitor`, `act` and `oncall` of a day on which the environment says what they find.
FAKE_CLI = """
import json, os, sys
day = json.loads(os.environ["DAY"])
command, *options = sys.argv[1:]
if command == "score":
    assert options == ["--as-of=2017-11-20"], options
    print(json.dumps({"version": 4, "from": "2017-11-20", "days": day.get("days", 1), "kept": 0}))
elif command == "monitor":
    if day["verdict"] == "failed":
        sys.exit("Error: version 4 as of 2017-11-20 cannot be assessed: no data")
    print(json.dumps({"version": 4, "as_of": day["as_of"], "verdict": day["verdict"]}))
elif command == "act" and options == ["--whether-started"]:
    assert day["action"] in {"retrain", "refit_thresholds", "rollback"}
    late = [{"name": "action-not-started", "says": "30 minutes later no run had begun"}]
    lost = day.get("event_is_lost")
    print(json.dumps({"run": None if lost else "2017-11-20-3f2a9c1b", "notices": late if lost else []}))
elif command == "tell":
    # As the real one: nobody can be told by a webhook that is down.
    if day.get("webhook_is_down"):
        assert os.environ["ONWARD_WEBHOOK"] == "http://127.0.0.1:9/s3cret"
        sys.exit("Error: webhook at http://127.0.0.1:9 did not take the message: ConnectError")
    print(json.dumps({"due": [] if day["action"] in {"none", "wait"} else ["drift-v4"], "told": []}))
elif command == "act":
    assert options == ["--no-tell"], options
    seen = json.load(sys.stdin)
    assert seen["verdict"] == day["verdict"]
    print(json.dumps({**seen, "action": day["action"], "rule": "drift", "why": "so say the rules", "run_from": None,
                      "reason": "fewer buy", "level": 3, "since": "2017-10-23", "notices": [],
                      "asked_again": day.get("asked_again", False)}))
else:
    assert command == "oncall", command
    print("page")
"""

DAYS = """
import json, os, sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
bag = DagBag("DAGS")
days = []
for day in json.loads(sys.argv[1]):
    os.environ["DAY"] = json.dumps(day)
    # Nobody listens at port 9, "discard".
    os.environ["AIRFLOW_CONN_ONWARD_WEBHOOK"] = '{"conn_type": "generic", "host": "http://127.0.0.1:9/s3cret"}'
    if not day.get("webhook_is_down"):
        del os.environ["AIRFLOW_CONN_ONWARD_WEBHOOK"]
    run = bag.dags["monitor"].test(run_conf={"as_of": "2017-11-20"})
    with create_session() as session:
        events = [(event.asset.name, event.extra) for event in session.query(AssetEvent).order_by(AssetEvent.id)]
    states = {each.task_id: str(each.state) for each in run.get_task_instances()}
    days.append({"state": str(run.state), "tasks": states, "events": events})
print(json.dumps(days))
"""

SEEN = [
    {"as_of": "2017-11-20", "verdict": "ok", "action": "none"},
    {"as_of": "2017-11-20", "verdict": "drifted", "action": "retrain"},
    {"as_of": "2017-11-20", "verdict": "drifted", "action": "retrain"},
    {"as_of": "2017-11-27", "verdict": "drifted", "action": "refit_thresholds"},
    {"as_of": "2017-11-28", "verdict": "drifted", "action": "rollback"},
    {"as_of": "2017-11-29", "verdict": "drifted", "action": "wait"},
    {"as_of": "2017-11-29", "verdict": "ok", "action": "check_tracking"},
    {"as_of": "2017-11-30", "verdict": "failed", "action": "check_tracking"},
    {"as_of": "2017-12-01", "verdict": "ok", "action": "none", "days": 0},
    {"as_of": "2017-12-02", "verdict": "drifted", "action": "retrain", "webhook_is_down": True},
    {"as_of": "2017-12-03", "verdict": "drifted", "action": "retrain", "event_is_lost": True},
    {"as_of": "2017-12-03", "verdict": "drifted", "action": "retrain", "asked_again": True},
]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    home = tmp_path_factory.mktemp("drift")
    (home / "onward").mkdir()
    (home / "onward" / "__init__.py").touch()
    shutil.copy(ROOT / "src" / "onward" / "choices.py", home / "onward")
    (home / "onward" / "cli.py").write_text(FAKE_CLI)
    environment = {
        "PATH": str(Path(sys.executable).parent), "HOME": str(home), "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "PYTHONPATH": f"{ROOT / 'dags'}:{home}", "ONWARD_RETRIES": "0",
    }  # fmt: skip
    program = DAYS.replace("DAGS", str(ROOT / "dags"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, json.dumps(SEEN)],
        cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def raised(days, number):
    """The events of one day alone."""
    before = days[number - 1]["events"] if number else []
    return days[number]["events"][len(before) :]


def test_drift_is_announced_with_version_level_since_and_action(days):
    ((name, extra),) = raised(days, 1)
    assert name == "onward_drift"
    assert {key: extra[key] for key in ("version", "as_of", "level", "since", "action")} == {
        "version": 4, "as_of": "2017-11-20", "level": 3, "since": "2017-10-23", "action": "retrain",
    }  # fmt: skip
    assert days[1]["tasks"] == {
        "score": "success", "assess": "success", "act": "success", "page": "success", "start_training": "success",
        "start_rollback": "skipped", "tell_people": "success", "see_it_start": "success",
    }  # fmt: skip


def test_the_same_version_and_state_of_the_log_is_announced_once(days):
    assert raised(days, 2) == []
    assert days[2]["tasks"]["start_training"] == "skipped"


def test_each_action_raises_its_own_event_and_no_other(days):
    assert [(name, extra["action"]) for name, extra in raised(days, 3)] == [("onward_drift", "refit_thresholds")]
    ((name, extra),) = raised(days, 4)
    assert name == "onward_rollback"
    assert extra["reason"] == "drift: fewer buy"
    for number in (0, 5, 6):
        assert raised(days, number) == []
        assert days[number]["state"] == "success"
        assert days[number]["tasks"]["see_it_start"] == "skipped"
        assert days[number]["tasks"]["tell_people"] == ("success" if number == 6 else "skipped")


def test_an_assessment_that_fails_is_red_and_is_shown(days):
    assert days[7]["state"] == "failed"
    assert days[7]["tasks"]["assess"] == "failed"
    assert days[7]["tasks"]["act"] == "upstream_failed"
    assert days[7]["tasks"]["page"] == "success"
    assert raised(days, 7) == []


def test_a_version_that_has_decided_nothing_yet_is_skipped(days):
    assert days[8]["state"] == "success"
    assert set(days[8]["tasks"].values()) == {"skipped"}


def test_a_webhook_that_is_down_keeps_no_training_from_starting(days):
    assert [(name, extra["as_of"]) for name, extra in raised(days, 9)] == [("onward_drift", "2017-12-02")]
    assert days[9]["tasks"] == {**days[1]["tasks"], "tell_people": "failed"}


def test_an_event_of_which_no_run_comes_is_red_and_may_be_raised_again(days):
    assert days[10]["tasks"] == {**days[1]["tasks"], "see_it_start": "failed"}
    # The same version and state of the log, which would be announced once.
    assert [(name, extra["as_of"]) for name, extra in raised(days, 11)] == [("onward_drift", "2017-12-03")]
    assert days[11]["tasks"] == days[1]["tasks"]
