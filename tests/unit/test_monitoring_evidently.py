import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from builders.made_assessments import daily
from builders.made_assessments import verdict as made_verdict
from onward.monitoring.daily_series import BEFORE_USE, day_figures, require_columns
from onward.reporting.evidently_pages import (
    Workspace,
    drop_versions,
    make_day_snapshot,
    make_snapshot,
    publish_days,
    write_positivity_page,
)
from onward.reporting.panels import parse_panels

AS_OF, CURRENT_DAYS = date(2017, 11, 20), 28
PLANTED = {"drift_level": 3, "drift_since": date(2017, 10, 30)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("evidently") / "positivity.html"
    write_positivity_page(require_columns(daily(AS_OF)), made_verdict(AS_OF), CURRENT_DAYS, path)
    return path.read_text()


def figure(snapshot, measure, level):
    name = f"LevelFigure(measure={measure},bucket=level {level})"
    return next(metric["value"] for metric in snapshot.dict()["metrics"] if metric["metric_name"] == name)


def test_the_page_names_every_level_and_opens_offline(page):
    assert len(page) > 100_000
    assert {f"level {level}" for level in range(5)} <= set(re.findall(r"level \d", page))
    # The one address is plotly's logo link inside a script: nothing is loaded before somebody clicks it.
    loads = re.findall(r"""<(?:script|link|img|iframe)[^>]*https?:[^>]*>|@import\s+["'u]|url\(['"]?https?:""", page)
    assert loads == []


def test_the_current_days_are_weighed_by_their_decisions():
    table = require_columns(daily(AS_OF))
    snapshot = make_snapshot(table, made_verdict(AS_OF), CURRENT_DAYS)
    current = table[(table["level"] == 1) & (table["day"] >= pd.Timestamp(AS_OF - timedelta(days=CURRENT_DAYS)))]
    assert len(current) == CURRENT_DAYS
    assert figure(snapshot, "nowcast", 1) == pytest.approx(np.average(current["nowcast"], weights=current["n"]))
    shown = np.average(current["precision"], weights=current["shown"])
    assert figure(snapshot, "precision", 1) == pytest.approx(shown)


@pytest.mark.parametrize(("planted", "failed"), [({}, 0), (PLANTED, 1)])
def test_evidentlys_tests_agree_with_the_verdict(planted, failed):
    table = require_columns(daily(AS_OF, **planted))
    tests = make_snapshot(table, made_verdict(AS_OF, **planted), CURRENT_DAYS).dict()["tests"]
    assert len(tests) == 5
    assert sum(test["status"].value == "FAIL" for test in tests) == failed


def test_a_figure_that_is_not_known_is_left_out_not_drawn_as_zero():
    table = require_columns(daily(AS_OF))
    table.loc[table["level"] == 1, ["nowcast", "precision"]] = np.nan
    metrics = make_snapshot(table, made_verdict(AS_OF), CURRENT_DAYS).dict()["metrics"]
    drawn = {metric["config"]["measure"] for metric in metrics if metric["config"]["bucket"] == "level 1"}
    assert "predicted" in drawn
    assert not drawn & {"nowcast", "precision"}
    assert all(np.isfinite(metric["value"]) for metric in metrics)


LAST, LABEL = date(2017, 9, 20), "version 4"
# Ten days of which three have matured: each costs a snapshot.
DAYS, WINDOW = 10, 7
PANELS = parse_panels((Path(__file__).resolve().parents[2] / "monitoring" / "panels.yaml").read_text())


def days_of(as_of, **planted):
    """Figures of each day as an assessment at as_of knows them, with its tests."""
    assessed = {as_of - timedelta(days=1): made_verdict(as_of, **planted)}
    table = daily(as_of, first=LAST - timedelta(days=DAYS), window=WINDOW, **planted)
    return day_figures(require_columns(table), assessed)


def snapshots(folder):
    workspace = Workspace.create(str(folder))
    (project,) = workspace.search_project(PANELS.project)
    found = [workspace.get_run(project.id, identity) for identity in workspace.list_runs(project.id)]
    content = {
        each.name: (each.metadata, [(str(value.metric_value_location), getattr(value, "value", None))
                                    for value in each.metric_results.values()])
        for each in found
    }  # fmt: skip
    assert len(content) == len(found)
    return content, project.dashboard.model()


def test_a_figure_that_no_level_has_yet_is_left_out_of_the_page():
    table = require_columns(daily(AS_OF))
    last_days = table["day"] >= pd.Timestamp(AS_OF) - pd.Timedelta(days=CURRENT_DAYS)
    table.loc[last_days, ["matured_n", "matured_positives"]] = 0.0
    metrics = make_snapshot(table, made_verdict(AS_OF), CURRENT_DAYS).dict()["metrics"]
    drawn = {metric["config"]["measure"] for metric in metrics}
    assert "predicted" in drawn
    assert "matured_rate" not in drawn


@pytest.mark.slow
def test_one_snapshot_a_day_and_version_replaced_as_labels_mature(tmp_path):
    first = days_of(LAST)
    assert publish_days({LABEL: first}, PANELS, tmp_path)[0] == len(first)
    before, _ = snapshots(tmp_path)
    assert len(before) == len(first)
    # The same assessment again: the same snapshots, with the same content.
    assert publish_days({LABEL: first}, PANELS, tmp_path)[0] == 0
    assert snapshots(tmp_path)[0] == before
    # A day later: one day is new, those that have matured since are replaced, those that had matured stay.
    second = days_of(LAST + timedelta(days=1))
    changed, _ = publish_days({LABEL: second}, PANELS, tmp_path)
    after, board = snapshots(tmp_path)
    assert len(after) == len(before) + 1
    assert 1 < changed < len(second)
    assert publish_days({LABEL: second}, PANELS, tmp_path)[0] == 0
    old = f"{min(first)} version 4"
    assert after[old] == before[old]
    # Another version's days stand beside them.
    assert publish_days({LABEL: second, "version 5": {LAST: first[max(first)]}}, PANELS, tmp_path)[0] == 1
    assert len(snapshots(tmp_path)[0]) == len(after) + 1
    tabs = {tab.title: len(tab.panels) for tab in board.tabs}
    assert set(tabs) == {tab.name for tab in PANELS.tabs}
    assert tabs["Positivity"] == 1 + 5
    shown = [panel for tab in board.tabs for panel in tab.panels]
    assert len(shown) == len(set(shown)) == len(board.panels)


def test_evidentlys_tests_of_a_day_are_those_of_its_assessment():
    planted = {"drift_level": 3, "drift_since": date(2017, 9, 5)}
    figures = days_of(LAST, **planted)
    tests = make_day_snapshot(max(figures), LABEL, figures[max(figures)]).dict()["tests"]
    failed = [test["name"] for test in tests if test["status"].value == "FAIL"]
    assert len(tests) == 5 + 5
    assert len(failed) == 1
    assert "level 3" in failed[0]
    quiet = make_day_snapshot(min(figures), LABEL, figures[min(figures)]).dict()["tests"]
    assert quiet == []


@pytest.mark.slow
def test_days_from_before_use_go_when_they_are_not_given_any_more(tmp_path):
    figures = days_of(LAST)
    publish_days({f"version 4{BEFORE_USE}": figures}, PANELS, tmp_path)
    days = {LAST: figures[max(figures)]}
    assert publish_days({LABEL: days}, PANELS, tmp_path)[0] == 1
    assert set(snapshots(tmp_path)[0]) == {f"{LAST} {LABEL}"}


def test_days_of_collected_versions_go_and_others_stay(tmp_path):
    one = {LAST: days_of(LAST)[max(days_of(LAST))]}
    publish_days({"version 4": one, f"version 4{BEFORE_USE}": one, "version 41": one}, PANELS, tmp_path)
    assert drop_versions([4], tmp_path, dry_run=True) == 2
    assert len(snapshots(tmp_path)[0]) == 3
    assert drop_versions([4], tmp_path, dry_run=False) == 2
    assert list(snapshots(tmp_path)[0]) == [f"{LAST} version 41"]
