"""An action that nobody carries out is not done: it does not rest, it is asked for again, and people are told."""

import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.made_assessments import FIRST, write_assessment
from onward import cli
from onward.commands import oncall as commands
from onward.commands import status
from onward.daily import oncall
from onward.daily.assessment_history import AssessmentHistory
from onward.deployment.registry import Version
from onward.errors import MonitoringError
from onward.services.airflow_dags import paused_dags

ROOT = Path(__file__).resolve().parents[2]
AS_OF, SINCE = date(2017, 11, 20), date(2017, 10, 30)
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TAGS = {"source": "simulator", "as_of": "2017-08-01", "git_commit": "0" * 40, "dvc_lock_sha256": "0" * 64}


class OneVersion:
    """As much of a registry as acting needs: version 2, in use."""

    def champion(self):
        return Version(2, "b" * 64, "run", {**TAGS, "replaced": "1"})

    def version(self, number):
        return Version(number, "a" * 64, "run", TAGS)

    def versions(self):
        return (self.version(1), self.champion())


@pytest.fixture
def project(tmp_path):
    (tmp_path / "monitoring").mkdir()
    for name in ("monitoring/alerts.yaml", "monitoring/runbook.md", "params.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    assessed(tmp_path, AS_OF)
    return tmp_path


@pytest.fixture
def monitored(project):
    monitoring = project / "monitoring"
    history = AssessmentHistory(monitoring / "looks", monitoring / "actions", project / "artifacts" / "monitoring")
    return oncall.MonitoredProject(project, history, OneVersion())


def assessed(project, as_of):
    return write_assessment(
        project / "monitoring" / "looks", as_of, version=2, first=FIRST, drift_level=3, drift_since=SINCE, per_level=50
    )


def names(decision):
    return [notice["name"] for notice in decision["notices"]]


def test_an_action_that_no_run_carries_out_does_not_rest_and_is_told(project, monitored):
    first = oncall.act(monitored, None, NOW)
    assert (first["action"], first["asked_again"], names(first)) == ("refit_thresholds", False, [])
    # Asked again at once, it is the same question, which a run may still answer.
    again = oncall.act(monitored, None, NOW + 29 * MINUTE)
    assert (again["asked_again"], names(again)) == (False, [])
    assert oncall.whether_started(monitored, first, NOW + 29 * MINUTE) == {"run": None, "notices": []}
    late = oncall.whether_started(monitored, first, NOW + 30 * MINUTE)["notices"]
    assert "Refitting was asked for at 2026-11-23 06:00 UTC (version 2 as of 2017-11-20)" in late[0]["says"]
    retried = oncall.act(monitored, None, NOW + 31 * MINUTE)
    assert (retried["asked_again"], names(retried)) == (True, ["action-not-started"])
    assert oncall.whether_started(monitored, first, NOW + 32 * MINUTE)["notices"] == []
    assessed(project, AS_OF + timedelta(days=1))
    tomorrow = oncall.act(monitored, None, NOW + timedelta(days=1))
    assert (tomorrow["action"], names(tomorrow)) == ("refit_thresholds", ["action-not-started"])


def test_from_the_run_on_it_rests_and_nobody_is_told(project, monitored):
    asked = oncall.act(monitored, None, NOW)
    oncall.started(monitored, asked, "2017-11-20-3f2a9c1b", NOW + MINUTE)
    # A task that is tried again says so twice; the first run stays.
    oncall.started(monitored, asked, "2017-11-20-another1", NOW + 2 * MINUTE)
    assert oncall.whether_started(monitored, asked, NOW + timedelta(days=9)) == {
        "run": "2017-11-20-3f2a9c1b", "notices": [],
    }  # fmt: skip
    assessed(project, AS_OF + timedelta(days=1))
    tomorrow = oncall.act(monitored, None, NOW + timedelta(days=1))
    assert (tomorrow["action"], tomorrow["wanted"], names(tomorrow)) == ("wait", "refit_thresholds", [])


def test_what_an_earlier_release_kept_counts_as_carried_out(monitored):
    oncall.act(monitored, None, NOW)
    (path,) = (monitored.project / "monitoring" / "actions").rglob("as_of=*.json")
    record = json.loads(path.read_text())
    del record["asked_at"]
    path.write_text(json.dumps(record))
    assert monitored.notices(monitored.in_use(), NOW + timedelta(days=9)) == []
    assert [action.run for action in monitored.history.action_log.past()] == ["not recorded"]


def test_the_page_names_what_has_not_begun(monitored, tmp_path):
    oncall.act(monitored, None, NOW)
    for minutes, shown in ((1, False), (31, True)):
        oncall.write_page(monitored, tmp_path / "page.html", oncall.Links(), NOW + minutes * MINUTE)
        page = (tmp_path / "page.html").read_text()
        assert ('id="notice-action-not-started"' in page) == shown
        assert 'id="runbook-action-not-started"' in page
        assert "none has begun" in page


def test_an_act_and_the_page_tell_of_challengers_that_are_refused_week_after_week(monitored, tmp_path, monkeypatch):
    weeks = [date(2017, 8, 7) + timedelta(days=7 * number) for number in range(4)]
    refused = [Version(3 + number, "c" * 64, "run", {**TAGS, "as_of": str(week)}) for number, week in enumerate(weeks)]
    champion = OneVersion().champion()
    for versions, shown in ((refused[:3], False), (refused, True)):
        monkeypatch.setattr(OneVersion, "versions", lambda _, versions=versions: (champion, *versions))
        assert ("challenger-refused" in names(oncall.act(monitored, None, NOW))) == shown
        oncall.write_page(monitored, tmp_path / "page.html", oncall.Links(), NOW)
        assert ('id="notice-challenger-refused"' in (tmp_path / "page.html").read_text()) == shown


@pytest.fixture
def command(project, monitored, monkeypatch):
    monkeypatch.setenv("ONWARD_PROJECT", str(project))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    monkeypatch.setattr(commands, "project_registry", OneVersion)
    monkeypatch.setattr(status, "project_registry", OneVersion)
    monkeypatch.setattr(status._out, "width", 300)

    def run(*words, said=None):
        text = None if said is None else json.dumps(said)
        return CliRunner().invoke(cli.app, list(words), input=text, catch_exceptions=False).stdout

    return run


def test_by_hand_the_last_action_is_meant_and_status_tells_of_it(command, monitored):
    oncall.act(monitored, None, datetime.now(UTC) - 31 * MINUTE)
    assert "action-not-started: Refitting was asked for at" in command("status")
    run = json.loads(command("act", "--started-by=2017-11-20-3f2a9c1b").splitlines()[-1])
    assert (run["version"], run["as_of"], run["action"]) == (2, "2017-11-20", "refit_thresholds")
    assert "action-not-started" not in command("status")
    with pytest.raises(MonitoringError, match="must name version, as_of and action"):
        command("act", "--started-by=2017-11-20-3f2a9c1b")
    with pytest.raises(MonitoringError, match="must name version, as_of and action"):
        command("act", "--whether-started", said={"version": 2, "as_of": "2017-11-20", "action": "wait"})
    with pytest.raises(MonitoringError, match="either --started-by or --whether-started"):
        command("act", "--whether-started", "--started-by=x")


def test_status_names_paused_dags_where_there_is_an_airflow(command, project, monkeypatch):
    assert "Airflow" not in command("status")
    (project / ".airflow").mkdir()
    database = project / ".airflow" / "airflow.db"
    session = sqlite3.connect(database)
    session.execute("CREATE TABLE dag (dag_id VARCHAR, is_paused BOOLEAN)")
    session.executemany("INSERT INTO dag VALUES (?, ?)", [("retrain", 1), ("monitor", 0), ("another", 1)])
    session.commit()
    assert "paused: retrain; what should start them is lost" in command("status")
    session.execute("UPDATE dag SET is_paused = 0")
    session.commit()
    session.close()
    assert "Airflow" not in command("status")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://airflow:s3cret@127.0.0.1:9/airflow")
    shown = command("status")
    assert "its database does not say which DAGs are paused (OperationalError)" in shown
    assert "s3cret" not in shown


def test_a_database_of_airflow_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(Exception, match="no such database"):
        paused_dags(f"sqlite:///{tmp_path / 'airflow.db'}?timeout=5")
    assert list(tmp_path.iterdir()) == []
