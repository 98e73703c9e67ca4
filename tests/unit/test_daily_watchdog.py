"""The dead-man's switch: nobody looks, the last look saw nothing, the log has stopped; and its end."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from builders.daily_files import day_number, draw_rows, lay_out, params_of
from builders.receivers import http_receiver
from onward import cli
from onward.artifacts import write_table
from onward.commands import daily
from onward.daily.alert_log import AlertLog
from onward.daily.look_log import NOTHING_YET, last_look, record_look
from onward.daily.watchdog import watch
from onward.deployment.registry import Version
from onward.errors import MonitoringError

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "monitoring").mkdir()
    for name in ("monitoring/alerts.yaml", "params.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    return tmp_path


def looked(project, at, verdict="ok", version=4, reason="every level as promised"):
    record_look(
        project / "monitoring" / "looks",
        {"version": version, "as_of": at.date().isoformat(), "verdict": verdict, "reason": reason}, at,
    )  # fmt: skip


def watched(project, now=NOW, hours=None):
    """Names of what the watchdog finds, and of the alerts that are open after it."""
    log = AlertLog(project / "monitoring" / "actions" / "alerts")
    found = watch(project, project / "params.yaml", project / "monitoring" / "looks", log, hours, now)
    assert sorted(trouble.key for trouble in found) == sorted(alert.key for alert in log.open())
    return [trouble.name for trouble in found]


def log_until(project, moment):
    """A shop's own log whose impressions and purchases end at this moment."""
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("source: complete_journey ", "source: parquet "))
    clocks = {"impressions": "shown_at", "purchases": "purchased_at", "conversions": "converted_at",
              "engagements": "happened_at"}  # fmt: skip
    for name, clock in clocks.items():
        # Few convert: that the last one lies long back says nothing.
        at = moment - timedelta(days=9) if name == "conversions" else moment
        times = pd.Series([at.replace(tzinfo=None)]).astype("datetime64[us]")
        write_table(project / "data" / "log" / f"{name}.parquet", pd.DataFrame({clock: times}))


def test_nobody_has_ever_looked(project):
    assert watched(project) == ["no-look"]


@pytest.mark.parametrize(("ago", "hours", "found"), [
    (25.9, None, []), (26.1, None, ["no-look"]), (26.1, 48, []), (3.1, 3, ["no-look"]),
])  # fmt: skip
def test_a_look_is_too_long_ago_by_the_wall_s_clock(project, ago, hours, found):
    # What it was about lies years back: that is the log's clock.
    looked(project, NOW - ago * HOUR)
    assert watched(project, hours=hours) == found


def test_a_look_that_lies_ahead_of_the_clock_is_none(project):
    looked(project, NOW - 30 * HOUR)
    looked(project, NOW + timedelta(days=400))
    assert watched(project) == ["no-look"]


def test_the_last_look_failed_and_then_looks_come_back(project):
    looked(project, NOW - 2 * HOUR, "failed", reason="no data: the log ends on 2017-11-02")
    log = AlertLog(project / "monitoring" / "actions" / "alerts")
    assert watched(project) == ["look-failed"]
    assert "no data: the log ends on 2017-11-02" in log.open()[0].said["summary"]
    looked(project, NOW - HOUR)
    assert watched(project) == []
    assert [(alert.key, alert.state) for alert in log.alerts()] == [("look-failed", "resolved")]


def test_a_version_that_has_decided_nothing_yet_was_looked_after(project):
    looked(project, NOW - 50 * HOUR)
    looked(project, NOW - HOUR, NOTHING_YET, version=5, reason="it decides from 2026-11-23 on")
    assert watched(project) == []


def test_the_log_has_stopped(project):
    looked(project, NOW - HOUR)
    log_until(project, NOW - 51 * HOUR)
    assert watched(project) == ["feed-stopped"]
    (alert,) = AlertLog(project / "monitoring" / "actions" / "alerts").open()
    assert "purchases ends at 2026-11-21 03:00, impressions ends at" in alert.said["text"]
    assert "conversions" not in alert.said["text"]
    log_until(project, NOW - 49 * HOUR)
    assert watched(project) == []
    # The shop says itself what is whole, and its word counts.
    (project / "data" / "log" / "complete_through").write_text("2026-11-19")
    assert watched(project) == ["feed-stopped"]


def test_a_log_that_cannot_be_read_is_told_and_is_no_sign_that_it_goes_on_again(project):
    looked(project, NOW - HOUR)
    log_until(project, NOW - 60 * HOUR)
    assert watched(project) == ["feed-stopped"]
    (project / "data" / "log" / "purchases.parquet").write_bytes(b"PAR1 half of it")
    log = AlertLog(project / "monitoring" / "actions" / "alerts")
    found = watch(project, project / "params.yaml", project / "monitoring" / "looks", log, None, NOW + HOUR)
    assert [trouble.name for trouble in found] == ["watchdog-blind"]
    assert "purchases.parquet is not readable" in found[0].text
    assert {alert.key for alert in log.open()} == {"feed-stopped", "watchdog-blind"}


@pytest.mark.parametrize("content", ["schema: [", "schema: 1", None])
def test_rules_that_cannot_be_read_do_not_blind_it(project, content):
    rules = project / "monitoring" / "alerts.yaml"
    rules.unlink() if content is None else rules.write_text(content)
    assert watched(project) == ["no-look", "watchdog-blind"]


def test_what_is_no_look_is_skipped_by_name(project, caplog):
    looked(project, NOW - 30 * HOUR)
    taken = project / "monitoring" / "looks" / "taken"
    (taken / "2026-11-23T050000.000000Z.json").write_text('{"at": "2026')
    (taken / "notes.json").write_text("{}")
    assert last_look(project / "monitoring" / "looks", NOW).at == NOW - 30 * HOUR
    assert "notes.json: skipped" in caplog.text
    assert "2026-11-23T050000.000000Z.json: skipped" in caplog.text


# The commands.


@pytest.fixture
def command(project, monkeypatch):
    monkeypatch.setenv("ONWARD_PROJECT", str(project))

    class Registered:
        def champion(self):
            return Version(3, "b" * 64, "run", {})

    monkeypatch.setattr(daily, "project_registry", Registered)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


def test_it_tells_people_once_a_day_and_that_it_is_over_and_ends_with_a_status(project, command, monkeypatch):
    monkeypatch.setattr("onward.channels.sending._PAUSES", (0.0, 0.0))
    with http_receiver() as web:
        monkeypatch.setenv("ONWARD_WEBHOOK", web.address)
        first, second = command("watchdog"), command("watchdog", "--hours=2")
        for done in (first, second):
            assert isinstance(done.exception, MonitoringError)
            assert str(done.exception).startswith("watchdog: No look is recorded in ")
            assert "is Airflow up and its DAG `monitor` unpaused?" in str(done.exception)
        assert [post.body["state"] for post in web.taken] == ["triggered"]
        assert web.taken[0].body["severity"] == "critical"
        assert web.taken[0].body["runbook"] == "monitoring/runbook.md#no-look"
        looked(project, datetime.now(UTC))
        web.refusals = [503] * 3
        # Somebody looks again; that nobody could be told so is trouble of its own.
        broken = command("watchdog")
        assert "webhook at http://127.0.0.1" in str(broken.exception)
        whole = command("watchdog")
        assert (whole.exit_code, whole.stdout.splitlines()[-1]) == (0, "watchdog: somebody looks, and sees")
        assert [(post.body["state"], post.body["dedup_key"]) for post in web.taken] == [
            ("triggered", "no-look"), ("resolved", "no-look"),
        ]  # fmt: skip


def test_a_look_is_recorded_whether_it_saw_something_or_not(project, command, monkeypatch):
    # This registry has no bundle whose lists could be judged.
    unjudged = SimpleNamespace(added_to=lambda verdict: verdict, weeks=None)
    monkeypatch.setattr("onward.daily.list_watch.ListWatch.look", lambda *_: unjudged)
    lay_out(project, draw_rows(days=14, a_day=60))
    params_of(project)
    looks = project / "monitoring" / "looks"
    done = command("monitor", f"--as-of={day_number(14)}")
    last = last_look(looks, datetime.now(UTC))
    assert (last.version, last.as_of, last.verdict) == (
        3,
        day_number(14),
        json.loads(done.stdout.splitlines()[-1])["verdict"],
    )
    # Another version's assessment is no sign that somebody watches the one in use.
    command("monitor", f"--as-of={day_number(14)}", "--version=9")
    assert last_look(looks, datetime.now(UTC)) == last
    for broken in ("conversions.parquet", "engagements.parquet"):
        (project / "data" / "log" / broken).unlink(missing_ok=True)
    command("monitor", f"--as-of={day_number(14)}")
    assert last_look(looks, datetime.now(UTC)).verdict == "failed"
    (project / "params.yaml").write_text("run: [")
    before = last_look(looks, datetime.now(UTC))
    command("monitor", f"--as-of={day_number(14)}")
    after = last_look(looks, datetime.now(UTC))
    assert (after.verdict, after.at > before.at) == ("failed", True)


def test_it_runs_outside_airflow_and_loads_nothing_heavy(project):
    program = (
        "import sys\nfrom onward.cli import main\nsys.argv = ['onward', 'watchdog']\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    heavy = {'airflow', 'mlflow', 'pandas', 'numpy', 'pyarrow', 'torch', 'sqlalchemy', 'duckdb'}\n"
        "    print(end.code, sorted(heavy & set(sys.modules)))\n"
    )
    looked(project, datetime.now(UTC) - 30 * HOUR)
    environment = {"ONWARD_PROJECT": str(project), "PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "1 []"
    assert "30 h ago" in done.stderr
    assert (
        datetime.now(UTC).date().isoformat()
        in (project / "monitoring/actions/alerts/key=no-look/0001/triggered.json").read_text()
    )
