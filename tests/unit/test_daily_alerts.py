"""An alert is one trouble for as long as it lasts: told once a look, not at all once acknowledged, and its end once."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.made_assessments import FIRST, write_assessment
from builders.receivers import http_receiver
from onward import cli
from onward.commands import oncall as commands
from onward.daily import oncall
from onward.daily.alert_log import AlertLog
from onward.daily.assessment_history import AssessmentHistory
from onward.daily.telling import parse_message
from onward.deployment.registry import Version
from onward.errors import MonitoringError
from onward.monitoring.alerts import parse_rules
from onward.monitoring.notices import NOTICES
from onward.monitoring.open_alerts import Trouble

ROOT = Path(__file__).resolve().parents[2]
AS_OF, SINCE = date(2017, 11, 20), date(2017, 10, 30)
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
DAY = timedelta(days=1)
TAGS = {"source": "simulator", "as_of": "2017-08-01"}
DRIFTED = {"drift_level": 3, "drift_since": SINCE}
KEY = "drift-of-one-level-v2"


class Registered:
    """As much of a registry as acting needs: one version in use, and the one before."""

    in_use = 2

    def champion(self):
        return Version(self.in_use, "b" * 64, "run", {**TAGS, "replaced": "1"})

    def version(self, number):
        return Version(number, "a" * 64, "run", TAGS)

    def versions(self):
        return (self.version(1), self.champion())


@pytest.fixture
def project(tmp_path):
    (tmp_path / "monitoring").mkdir()
    for name in ("monitoring/alerts.yaml", "params.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    return tmp_path


@pytest.fixture
def monitored(project):
    monitoring = project / "monitoring"
    history = AssessmentHistory(monitoring / "looks", monitoring / "actions", project / "artifacts" / "monitoring")
    return oncall.MonitoredProject(project, history, Registered())


@pytest.fixture
def command(project, monkeypatch):
    monkeypatch.setenv("ONWARD_PROJECT", str(project))
    monkeypatch.setattr(commands, "project_registry", Registered)

    def run(*words, said=None):
        done = CliRunner().invoke(cli.app, list(words), input=said)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


@pytest.fixture
def channels(monkeypatch):
    """Slack and PagerDuty on loopback; what each heard."""
    with http_receiver() as slack, http_receiver() as pager:
        monkeypatch.setenv("ONWARD_SLACK", f"{slack.address}/hook")
        monkeypatch.setenv("ONWARD_PAGERDUTY", "0" * 32)
        monkeypatch.setenv("ONWARD_PAGERDUTY_ADDRESS", pager.address)
        monkeypatch.setattr("onward.channels.sending._PAUSES", (0.0, 0.0))
        yield slack, pager


def assessed(project, days=0, version=2, changes=None, **planted):
    place = project / "monitoring" / "looks"
    return write_assessment(
        place, AS_OF + days * DAY, version=version, first=FIRST, per_level=50, changes=changes, **planted
    )


def look(monitored, days, version=2, changes=None, **planted):
    """A look so many days later, and what the rules make of it."""
    assessed(monitored.project, days, version, changes, **planted)
    return oncall.act(monitored, None, NOW + days * DAY)


def states(monitored):
    # Nobody starts anything in these tests, of which people are told too.
    alerts = [alert for alert in monitored.history.alert_log.alerts() if alert.name != "action-not-started"]
    return {alert.key: alert.state for alert in alerts}


def events(pager):
    return [(post.body["event_action"], post.body["dedup_key"]) for post in pager.taken]


def test_an_alert_is_told_each_look_until_acknowledged_and_its_end_once_with_the_same_key(
    project, monitored, command, channels
):
    slack, pager = channels
    assessed(project, **DRIFTED)
    command("act")
    command("act")
    assert events(pager) == [("trigger", KEY)]
    assessed(project, 1, **DRIFTED)
    command("act")
    assert events(pager) == [("trigger", KEY)] * 2
    command("acknowledge", KEY, "--by=ada", "--reason=the thresholds are being refitted")
    assert events(pager)[2:] == [("acknowledge", KEY)]
    assert "ada: the thresholds are being refitted" in slack.taken[-1].body["text"]
    for days in (2, 3):
        assessed(project, days, **DRIFTED)
        command("act")
    assert len(pager.taken) == 3
    assessed(project, 4)
    command("act")
    command("act")
    command("tell")
    assert events(pager)[3:] == [("resolve", KEY)]
    assert len(slack.taken) == len(pager.taken) == 4
    assert states(monitored) == {KEY: "resolved"}
    # It comes back: another incident, of the same key.
    assessed(project, 5, **DRIFTED)
    command("act")
    assert events(pager)[4:] == [("trigger", KEY)]
    assert [place.name for place in sorted((project / "monitoring/actions/alerts" / f"key={KEY}").iterdir())] == [
        "0001", "0002",
    ]  # fmt: skip


def test_the_same_look_asked_again_leaves_the_same_bytes(project, monitored):
    look(monitored, 0, **DRIFTED)

    def kept():
        files = (project / "monitoring" / "actions" / "alerts").rglob("*.json")
        return {path: path.read_bytes() for path in files}

    before = kept()
    assert len(before) == 1
    oncall.act(monitored, None, NOW + timedelta(minutes=3))
    assert kept() == before


def test_a_channel_that_was_down_is_named_and_told_later_and_the_others_at_once_and_alone(project, command, channels):
    slack, pager = channels
    slack.refusals = [503] * 3
    assessed(project, **DRIFTED)
    said = command("act")
    # The decision stands, and is printed last, whoever could not be told.
    assert json.loads(said.splitlines()[-1])["action"] == "refit_thresholds"
    assert "not told: slack at http://127.0.0.1" in said
    assert f"told pagerduty: {KEY} triggered" in said
    assert (len(slack.taken), len(pager.taken)) == (0, 1)
    slack.refusals = [503] * 3
    with pytest.raises(
        MonitoringError, match=r"slack at http://127\.0\.0\.1:\d+ did not take the message: it answered 503"
    ):
        command("tell")
    command("tell")
    assert (len(slack.taken), len(pager.taken)) == (1, 1)


def test_who_never_heard_of_a_trouble_is_not_told_that_it_is_over(project, command, channels, monkeypatch):
    slack, pager = channels
    monkeypatch.delenv("ONWARD_SLACK")
    assessed(project, **DRIFTED)
    command("act")
    monkeypatch.setenv("ONWARD_SLACK", f"{slack.address}/hook")
    assessed(project, 1)
    command("act")
    assert slack.taken == []
    assert [action for action, _ in events(pager)] == ["trigger", "resolve"]


def test_without_a_channel_it_is_said_that_nobody_is_told(project, command):
    assessed(project, **DRIFTED)
    assert f"nobody is told of {KEY}: no channel is set up" in command("act")
    assert "nobody is told" in command("tell")


def test_a_channel_that_is_set_up_wrongly_stops_neither_the_decision_nor_another(
    project, command, channels, monkeypatch
):
    _, pager = channels
    monkeypatch.setenv("ONWARD_WEBHOOK", "https://ada:s3cret@hooks.example")
    assessed(project, **DRIFTED)
    said = command("act")
    assert "not told: ONWARD_WEBHOOK: holds a user or a password" in said
    assert "s3cret" not in said
    assert json.loads(said.splitlines()[-1])["rule"] == "drift-of-one-level"
    assert len(pager.taken) == 1


def test_while_what_mends_it_is_under_way_people_are_not_told_again(project, monitored, command, channels):
    _, pager = channels
    assessed(project, **DRIFTED)
    asked = command("act").splitlines()[-1]
    command("act", "--started-by=2017-11-20-3f2a9c1b", said=asked)
    assessed(project, 1, **DRIFTED)
    assert json.loads(command("act").splitlines()[-1])["action"] == "wait"
    assert len(pager.taken) == 1
    assert states(monitored) == {KEY: "triggered"}


def failed(word="no data: the log ends on 2017-11-02"):
    return {"verdict": "failed", "cause": None, "levels": [], "signals": [], "reason": word}


def test_a_look_that_failed_or_is_inconclusive_is_no_all_clear(monitored):
    look(monitored, 0, **DRIFTED)
    look(monitored, 1, changes=failed())
    assert states(monitored) == {KEY: "triggered", "assessment-failed-v2": "triggered"}
    look(monitored, 2, changes={"verdict": "inconclusive"})
    # The failure is over: this look saw something. Of the drift it cannot tell.
    assert states(monitored) == {KEY: "triggered", "assessment-failed-v2": "resolved"}
    look(monitored, 3)
    assert set(states(monitored).values()) == {"resolved"}


def test_what_stands_behind_another_alert_is_not_over_and_what_is_silenced_is(monitored):
    look(monitored, 0, **DRIFTED)
    signals = [{"name": "engagement", "verdict": "changed", "since": None, "reason": "gone", "statistic": 9.0}]
    look(monitored, 1, changes={"signals": signals}, **DRIFTED)
    assert states(monitored) == {KEY: "triggered", "engagement-missing-v2": "triggered"}
    path = monitored.project / "monitoring" / "alerts.yaml"
    quiet = (
        "rules:\n  - name: known-sale\n    when: {verdict: [drifted]}\n    action: none\n"
        "    says: The sale until Sunday, as agreed with the shop.\n"
    )
    path.write_text(path.read_text().replace("rules:\n", quiet, 1))
    look(monitored, 2, **DRIFTED)
    assert set(states(monitored).values()) == {"resolved"}


def test_alerts_of_a_version_that_is_replaced_are_over(monitored, monkeypatch):
    look(monitored, 0, **DRIFTED)
    monkeypatch.setattr(Registered, "in_use", 3)
    look(monitored, 1, version=3)
    (alert,) = monitored.history.alert_log.alerts()
    assert alert.resolved == "version 2 is no longer in use"


def test_a_promise_that_version_after_version_breaks_is_one_alert(monitored, monkeypatch):
    broken = {"verdict": "drifted", "cause": "promise", "level": None}
    look(monitored, 0, changes=broken)
    monkeypatch.setattr(Registered, "in_use", 3)
    look(monitored, 7, version=3, changes=broken)
    assert states(monitored) == {"promise-broken": "triggered"}
    look(monitored, 14, version=3)
    assert states(monitored) == {"promise-broken": "resolved"}


def test_an_earlier_day_that_is_asked_again_neither_raises_nor_ends_anything(monitored):
    look(monitored, 0, **DRIFTED)
    look(monitored, 2)
    assert states(monitored) == {KEY: "resolved"}
    # A task of two days ago that somebody clears.
    printed = {"version": 2, "as_of": str(AS_OF), "verdict": "drifted"}
    oncall.act(monitored, printed, NOW + 3 * DAY)
    assert states(monitored) == {KEY: "resolved"}
    look(monitored, 4, **DRIFTED)
    oncall.act(monitored, {"version": 2, "as_of": str(AS_OF + 2 * DAY), "verdict": "ok"}, NOW + 5 * DAY)
    assert states(monitored) == {KEY: "triggered"}


def test_an_action_that_is_not_wanted_any_more_is_not_missed_for_ever(monitored):
    for days, kind in ((0, DRIFTED), (1, DRIFTED), (2, {}), (3, {})):
        look(monitored, days, **kind)
    assert {alert.state for alert in monitored.history.alert_log.alerts()} == {"resolved"}


def test_only_an_open_alert_is_acknowledged_in_one_line_and_the_first_who_does_so_stays(monitored, command):
    look(monitored, 0, **DRIFTED)
    with pytest.raises(MonitoringError, match=f"no alert 'drift-v9' is open; open now: {KEY}; see `onward status`"):
        command("acknowledge", "drift-v9", "--reason=it is being mended")
    for reason in ("short", "two lines\nof reasons", "x" * 501):
        with pytest.raises(MonitoringError, match="--reason must be one line of 10 to 500"):
            command("acknowledge", KEY, f"--reason={reason}")
    command("acknowledge", KEY, "--by=ada", "--reason=it is being mended")
    assert "acknowledged by ada: it is being mended" in command(
        "acknowledge", KEY, "--by=bob", "--reason=me too, me too"
    )


@pytest.mark.parametrize("left", ["a folder without a file", "a file that is cut off"])
def test_a_number_that_a_kill_left_without_an_alert_silences_nothing(tmp_path, left):
    log = AlertLog(tmp_path)
    trouble = Trouble("no-look", None, "critical", "No look", "None came.")
    log.find(trouble, AS_OF, NOW)
    log.resolve(log.open()[0], "one came", AS_OF, NOW)
    number = tmp_path / f"key={trouble.key}" / "0002"
    number.mkdir()
    if left != "a folder without a file":
        (number / "triggered.json").write_text("{")
    for day in (AS_OF + DAY, AS_OF + 2 * DAY):
        log.find(trouble, day, NOW)
        assert [alert.folder.name for alert in log.open()] == ["0003"]


def test_what_is_no_alert_is_skipped_by_name(tmp_path, caplog):
    log = AlertLog(tmp_path)
    log.find(Trouble("drift", 4, "warning", "drift", "more"), AS_OF, NOW)
    for name, content in {"key=drift-v5/0001": '{"key"', "key=drift-v6/0001": '{"severity": "warning"}'}.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "triggered.json").write_text(content)
    (tmp_path / "key=Stray thing").mkdir()
    (tmp_path / "key=empty").mkdir()
    assert [alert.key for alert in log.alerts()] == ["drift-v4"]
    for name in ("drift-v5", "drift-v6", "Stray thing", "empty"):
        assert f"key={name}" in caplog.text


def test_every_rule_and_notice_says_how_bad_it_is_and_nothing_else_is_taken():
    text = (ROOT / "monitoring" / "alerts.yaml").read_text()
    rules = parse_rules(text)
    severities = {rule.name: rule.severity for rule in rules.rules}
    assert {severities[name] for name in ("labels-missing", "assessment-failed")} == {"critical"}
    assert {rule.severity for rule in rules.rules if rule.action in {"wait", "none"}} == {"info"}
    assert rules.notices.severity.of("no-look") == "critical"
    assert all(f"{name}: " in text for name in NOTICES)
    assert text.count("    severity: ") == len(rules.rules)
    with pytest.raises(MonitoringError, match=r"rules\.0\.severity = 'urgent'"):
        parse_rules(text.replace("    severity: critical", "    severity: urgent", 1))
    with pytest.raises(MonitoringError, match=r"notices\.severity\.no-look = 'loud'"):
        parse_rules(text.replace("no-look: critical", "no-look: loud"))
    # A file of an earlier release says nothing of it.
    old = "\n".join(line for line in text.splitlines() if "severity" not in line and "no-look: critical" not in line)
    assert {rule.severity for rule in parse_rules(old).rules} == {"warning"}


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"\xff", b'{"key": "k", "severity": "warning"}', b"{" * 9000,
        b'{"key": "../k", "severity": "warning", "summary": "s", "text": "t"}',
        b'{"key": "k", "severity": "loud", "summary": "s", "text": "t"}',
        b'{"key": "k", "severity": "warning", "summary": "s", "text": "t", "more": 1}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused_in_a_line(said):
    with pytest.raises(MonitoringError, match="tell: this is no message") as refused:
        parse_message(said, "shop", NOW)
    assert "\n" not in str(refused.value)
