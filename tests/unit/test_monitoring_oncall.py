"""The page for on-call says what is wrong, since when and what to do, and needs nothing but itself."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from builders.made_assessments import FIRST, WINDOW, daily, verdict
from onward.errors import MonitoringError
from onward.monitoring.alerts import Findings, PastAction, decide, parse_rules
from onward.monitoring.daily_series import COLUMNS, day_figures, level_series, require_columns
from onward.monitoring.notices import NOTICES
from onward.reporting.oncall_page import Change, Links, OncallContent, command, headline, render_oncall
from onward.reporting.oncall_watch import Disk, FeedAge, OpenAlert, Watch, script_hash
from onward.reporting.runbook import runbook_sections

ROOT = Path(__file__).resolve().parents[2]
RULES = parse_rules((ROOT / "monitoring" / "alerts.yaml").read_text())
RUNBOOK = (ROOT / "monitoring" / "runbook.md").read_text()
AS_OF, SINCE = date(2017, 11, 20), date(2017, 10, 30)
PLANTED = {"drift_level": 3, "drift_since": SINCE}
LINKS = Links(
    "http://127.0.0.1:8080", "http://127.0.0.1:5000/#/models/onward/versions/4", "http://127.0.0.1:8000/projects/1"
)
HOSTILE = "<script>alert(1)</script>"


NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
WATCH = Watch(
    made_at=NOW, looked_at=NOW - timedelta(hours=3), hours_to_look=26, in_use_since=NOW - timedelta(days=12),
    learnt_until=date(2017, 10, 9), known_until=AS_OF,
)  # fmt: skip


def page(said, series, taken=(), **changes):
    decision = decide(RULES, Findings.of(said, FIRST, 3), taken)
    content = {
        "verdict": said, "decision": decision, "rule": RULES.rule(decision.rule), "series": series,
        "changes": [Change("2017-10-09 06:12 UTC", "Version 4 came into use", HOSTILE, "better on the same rows")],
        "taken": taken, "facts": {"source": "simulator", "as_of": "2017-10-09"},
        "facts_before": {"source": "simulator", "as_of": "2017-09-01"}, "runbook": RUNBOOK,
        "links": LINKS, "watch": WATCH,
    }  # fmt: skip
    return render_oncall(OncallContent(**{**content, **changes}))


@pytest.fixture(scope="module")
def series():
    return level_series(require_columns(daily(AS_OF, **PLANTED)), 4)


@pytest.fixture(scope="module")
def drifted(series):
    return page(verdict(AS_OF, **PLANTED), series)


def test_the_planted_drift_is_named_with_level_since_and_action(drifted):
    assert "<h1>Level 3 has drifted since 30 October 2017</h1>" in drifted
    assert "<h2>Refit the thresholds</h2>" in drifted
    assert "category DAIRY" in drifted
    assert 'href="http://127.0.0.1:8080/dags/retrain"' in drifted
    # The level that drifted is the first figure.
    assert re.findall(r'id="level-(\d)"', drifted) == ["3", "0", "1", "2", "4"]
    assert drifted.count("<svg") == 5


def test_what_changed_is_told(drifted):
    assert "knows the log until" in drifted
    assert "Version 4 came into use" in drifted


def test_the_page_is_whole_offline_and_what_people_wrote_stays_text(drifted):
    assert HOSTILE not in drifted
    # Its one script is the one that its policy lets run.
    (script,) = re.findall(r"<script>(.*?)</script>", drifted, re.DOTALL)
    assert f"script-src {script_hash(script)}; " in drifted
    assert drifted.count("<script") == 1
    assert re.findall(r"""(?:src|srcset)=|@import|url\((?!#)|<link|<iframe""", drifted) == []
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", drifted))
    assert addresses == {f"{LINKS.airflow}/dags/retrain", LINKS.model, LINKS.dashboard}
    targets = set(re.findall(r'href="#([^"]+)"', drifted))
    assert targets <= set(re.findall(r'id="([^"]+)"', drifted))
    ids = re.findall(r' id="([^"]+)"', drifted)
    assert len(ids) == len(set(ids))


def test_every_rule_is_explained_on_the_page_itself(drifted):
    assert {rule.name for rule in RULES.rules} <= set(re.findall(r'id="runbook-([^"]+)"', drifted))
    assert set(runbook_sections(RUNBOOK)) == {*NOTICES, *(rule.name for rule in RULES.rules)}
    assert '<details id="runbook-drift-of-one-level" open>' in drifted


def test_a_look_of_yesterday_is_marked_stale(series):
    fresh = page(verdict(AS_OF), series)
    assert re.search(r'id="stale"[^>]* hidden>', fresh)
    for looked in (NOW - timedelta(hours=27), None):
        old = page(verdict(AS_OF), series, watch=replace(WATCH, looked_at=looked))
        assert not re.search(r'id="stale"[^>]* hidden>', old)
        assert "<title>STALE: On call" in old
    assert "27 h ago" in page(verdict(AS_OF), series, watch=replace(WATCH, looked_at=NOW - timedelta(hours=27)))


def test_how_old_log_and_model_are_and_what_room_is_left_is_told(series):
    feeds = [
        FeedAge("impressions", datetime(2017, 11, 19, 23, 51), stopped=False),
        FeedAge("purchases", None, stopped=True),
    ]
    disks = [Disk(("registry", "looks"), 9 * 10**9, 100 * 10**9), Disk(("project",), 11 * 10**9, 100 * 10**9)]
    shown = page(verdict(AS_OF), series, watch=replace(WATCH, feeds=feeds, disks=disks))
    text = " ".join(re.sub(r"<[^>]+>", " ", shown).split())
    assert "until 2017-11-19 23:51 by the shop's clock, so 18 November 2017 is the last whole day" in text
    assert "purchases empty stopped" in text
    assert "9.0 GB of 100.0 GB free, for registry, looks nearly full disk 11.0 GB of 100.0 GB free, for project" in text
    assert (
        "12 days ago ; it has learnt from the log until 9 October 2017, and the assessment knows 42 days more" in text
    )
    assert "a source that does not grow" in page(verdict(AS_OF), series)
    assert "purchases: no file" in page(
        verdict(AS_OF), series, watch=replace(WATCH, feeds_problem="purchases: no file")
    )


def test_open_alerts_are_told_with_who_takes_care_of_them(series):
    alerts = [
        OpenAlert("labels-missing-v4", "labels-missing", "critical", NOW - timedelta(hours=5), HOSTILE, None),
        OpenAlert("drift-v4", "drift", "warning", NOW - timedelta(days=3), "Level 3", f"ada: {HOSTILE}"),
    ]
    shown = page(verdict(AS_OF), series, watch=replace(WATCH, alerts=alerts))
    assert HOSTILE not in shown
    text = " ".join(re.sub(r"<[^>]+>", " ", shown).split())
    assert "critical labels-missing-v4 since 2026-11-23 04:00 UTC, 5 h ago · runbook" in text
    assert "Nobody has acknowledged it: onward acknowledge labels-missing-v4" in text
    assert "warning drift-v4 since 2026-11-20 09:00 UTC, 3 days ago" in text
    assert "Acknowledged by ada: " in text
    assert 'id="alerts"' not in page(verdict(AS_OF), series)


def test_a_calm_day_asks_for_nothing(series):
    shown = page(verdict(AS_OF), series)
    assert "<h1>Every level keeps its promise</h1>" in shown
    assert "<h2>Nothing to do</h2>" in shown
    assert "By hand" not in shown


def test_an_assessment_that_failed_is_shown_without_any_figure():
    failed = {
        "schema": 3, "version": 4, "as_of": "2017-11-20", "source": "simulator", "verdict": "failed", "cause": None,
        "level": None, "since": None, "levels": [], "signals": [], "slices": [], "false_alarms_per_year": 0.05,
        "reason": "no data: the log ends on 2017-11-02",
    }  # fmt: skip
    for said in (failed, {key: failed[key] for key in ("version", "as_of", "verdict", "reason")}):
        shown = page(said, ())
        assert "<h1>The monitor cannot see</h1>" in shown
        assert "No data: the log ends on 2017-11-02" in shown
        assert "<h2>Check the tracking</h2>" in shown
        assert "<svg" not in shown


def test_the_first_assessment_says_that_it_is_of_test_customers(series):
    assert "test customers, before it came into use" in page(verdict(AS_OF), series, before_use=True)
    assert "all that it decided" in page(verdict(AS_OF), series)


def test_an_action_at_rest_says_until_when(series):
    said = verdict(AS_OF, **PLANTED)
    taken = [PastAction(AS_OF - timedelta(days=2), 4, "drift-of-one-level", "refit_thresholds", run="a run")]
    shown = page(said, series, taken)
    rest = AS_OF - timedelta(days=2) + timedelta(days=RULES.cool_down_days.refit_thresholds)
    assert f"<h2>Wait: refit the thresholds rests until {rest.day} November 2017</h2>" in shown


def test_the_headline_names_each_kind_of_verdict():
    levels = [{"level": level, "verdict": "drifted" if level in (1, 3) else "ok"} for level in range(5)]
    said = {"verdict": "drifted", "since": "2017-11-01", "level": 1, "levels": levels, "signals": []}
    assert headline(said) == "Levels 1 and 3 have drifted since 1 November 2017"
    every = [{"level": level, "verdict": "drifted"} for level in range(5)]
    assert headline({**said, "levels": every}) == "Every level has drifted since 1 November 2017"
    one_by_one = [{"level": level, "verdict": "inconclusive"} for level in range(5)]
    together = {**said, "level": None, "levels": one_by_one}
    assert headline(together) == "Version after version breaks its promise since 1 November 2017"
    moved = {"verdict": "ok", "signals": [{"name": "delay", "verdict": "changed"}], "levels": levels}
    assert headline(moved) == "Every level keeps its promise; delay moved"


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)
def test_every_action_has_its_command(rule):
    decision = decide(RULES, Findings.of(verdict(AS_OF, **PLANTED), FIRST, 3), [])
    said = command(verdict(AS_OF, **PLANTED), type(decision)(rule.action, rule.name, rule.action, None, rule.says))
    assert (said is None) == (rule.action == "none")


def test_versions_follow_each_other_in_one_picture(series):
    before = level_series(require_columns(daily(FIRST + timedelta(days=20), first=FIRST)), 3)
    later = level_series(require_columns(daily(AS_OF, first=FIRST + timedelta(days=20))), 4)
    assert "v3 to v4" in page(verdict(AS_OF), [*before, *later])


def test_a_point_is_the_mean_of_its_week_and_nothing_else():
    table = require_columns(daily(AS_OF, **PLANTED))
    (line,) = [each for each in level_series(table, 4) if each.level == 3]
    rows = table[table["level"] == 3].reset_index(drop=True)
    week = rows.iloc[-7:]
    assert line.nowcast[-1] == pytest.approx(np.average(week["nowcast"], weights=week["n"]))
    assert line.low[-1] < line.nowcast[-1] < line.high[-1]
    # Before a week is whole, and beyond the last day that has matured, there is no point.
    assert np.isnan(line.nowcast[:6]).all()
    assert not np.isnan(line.nowcast[6:]).any()
    matured = [day for day, value in zip(line.days, line.matured, strict=True) if not np.isnan(value)]
    assert matured[-1] == AS_OF - timedelta(days=WINDOW)
    whole = rows[(rows["matured_n"] > 0)].iloc[-7:]
    assert line.matured[list(line.days).index(matured[-1])] == pytest.approx(
        whole["matured_positives"].sum() / whole["matured_n"].sum()
    )


def test_an_unknown_nowcast_is_not_taken_for_zero():
    table = require_columns(daily(AS_OF))
    known = level_series(table, 4)[0].nowcast[-1]
    table.loc[table["day"] == table["day"].max(), ["nowcast", "nowcast_low", "nowcast_high"]] = np.nan
    assert level_series(table, 4)[0].nowcast[-1] == pytest.approx(known, rel=0.05)


def test_days_add_up_over_levels_and_leave_out_what_is_not_known():
    table = require_columns(daily(AS_OF))
    figures = day_figures(table, {AS_OF - timedelta(days=1): verdict(AS_OF)})
    last = figures[AS_OF - timedelta(days=1)]
    rows = table[table["day"] == table["day"].max()]
    assert last["all"]["n"] == rows["n"].sum()
    assert last["all"]["recall_proxy"] == pytest.approx(
        (rows["shown"] * rows["precision"]).sum() / (rows["n"] * rows["nowcast"]).sum()
    )
    assert "matured_rate" not in last["all"]
    assert figures[FIRST]["all"]["matured_rate"] > 0
    assert last["level 0"]["drift_statistic"] == 0.13
    assert last["signal delay"] == {"drift_statistic": 0.2}
    assert "drift_statistic" not in figures[FIRST]["level 0"]


def test_a_table_that_breaks_the_contract_is_refused():
    with pytest.raises(MonitoringError, match=r"daily.parquet lacks nowcast, shown|lacks shown, nowcast"):
        require_columns(daily(AS_OF).drop(columns=["shown", "nowcast"]))
    with pytest.raises(MonitoringError, match="is empty"):
        require_columns(pd.DataFrame(columns=list(COLUMNS)))
