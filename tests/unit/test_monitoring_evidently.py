import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from made_looks import daily
from made_looks import verdict as looks_verdict
from test_monitoring_positivity import FACTS, judge, make_rows

from onward.monitoring.daily_series import day_figures, require_columns
from onward.monitoring.evidently_report import (
    PROJECT,
    Workspace,
    make_day_snapshot,
    make_snapshot,
    publish,
    publish_days,
)
from onward.monitoring.panels import parse_panels
from onward.monitoring.verdict import summarise_verdict


def figures(**kind):
    rows = make_rows(**kind)
    table, verdicts = judge(rows)
    return table, summarise_verdict(verdicts, rows, FACTS, 0.08)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidently")
    publish(*figures(), folder / "positivity.html", folder / "workspace")
    return folder


def test_the_page_names_every_level_and_opens_offline(published):
    page = (published / "positivity.html").read_text()
    assert len(page) > 100_000
    assert "level 0" in page
    assert "level 1" in page
    # The one address is plotly's logo link inside a script: nothing is loaded before somebody clicks it.
    loads = re.findall(r"""<(?:script|link|img|iframe)[^>]*https?:[^>]*>|@import\s+["'u]|url\(['"]?https?:""", page)
    assert loads == []


def test_current_stands_beside_reference_and_figures_are_the_tables():
    table, verdict = figures()
    shown = {metric["metric_name"]: metric["value"] for metric in make_snapshot(table, verdict).dict()["metrics"]}
    now = table[(table["level"] == 1) & (table["period"] == "current")].iloc[0]
    assert shown["LevelFigure(measure=nowcast,bucket=level 1)"] == pytest.approx(now["nowcast"])
    assert shown["LevelFigure(measure=precision,bucket=level 1)"] == pytest.approx(now["precision"])


@pytest.mark.parametrize(("rate", "failed"), [(0.1, 0), (0.25, 2)])
def test_evidentlys_tests_agree_with_the_verdict(rate, failed):
    tests = make_snapshot(*figures(current_rate=rate)).dict()["tests"]
    assert len(tests) == 2
    assert sum(test["status"].value == "FAIL" for test in tests) == failed


def test_a_level_that_cannot_be_judged_is_left_out_not_drawn_as_zero():
    rows = make_rows()
    rows = rows[~(rows["current"] & (rows["level"] == 1))]
    table, verdicts = judge(rows)
    shown = make_snapshot(table, summarise_verdict(verdicts, rows, FACTS, 0.08)).dict()["metrics"]
    assert {metric["config"]["bucket"] for metric in shown} == {"level 0"}
    assert all(np.isfinite(metric["value"]) for metric in shown)


def test_the_same_run_is_replaced_and_another_is_added(published):
    workspace = Workspace.create(str(published / "workspace"))
    page, place = published / "positivity.html", published / "workspace"

    def runs():
        project = Workspace.create(str(place)).search_project(PROJECT)[0]
        return len(workspace.list_runs(project.id)), project.dashboard.model()

    publish(*figures(), page, place)
    count, board = runs()
    assert count == 1
    assert (len(board.tabs), len(board.tabs[0].panels), len(board.panels)) == (1, 6, 6)
    table, verdict = figures()
    publish(table, {**verdict, "version": 2}, page, place)
    count, board = runs()
    assert count == 2
    assert (len(board.tabs), len(board.tabs[0].panels), len(board.panels)) == (1, 6, 6)
    assert len(workspace.list_projects()) == 1


LAST = date(2017, 9, 20)
PANELS = parse_panels((Path(__file__).resolve().parents[2] / "monitoring" / "panels.yaml").read_text())


def days_of(as_of, **planted):
    """Figures of each day as a look at as_of knows them, with the tests of that look."""
    looked = {as_of - timedelta(days=1): looks_verdict(as_of, **planted)}
    return day_figures(require_columns(daily(as_of, first=date(2017, 8, 15), **planted)), looked)


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


def test_one_snapshot_a_day_and_version_replaced_as_labels_mature(tmp_path):
    first = days_of(LAST)
    assert publish_days({4: first}, PANELS, tmp_path) == len(first)
    before, _ = snapshots(tmp_path)
    assert len(before) == len(first)
    # The same look again: the same snapshots, with the same content.
    assert publish_days({4: first}, PANELS, tmp_path) == 0
    assert snapshots(tmp_path)[0] == before
    # A day later: one day is new, those that have matured since are replaced, those that had matured stay.
    second = days_of(LAST + timedelta(days=1))
    changed = publish_days({4: second}, PANELS, tmp_path)
    after, board = snapshots(tmp_path)
    assert len(after) == len(before) + 1
    assert 1 < changed < len(second)
    assert publish_days({4: second}, PANELS, tmp_path) == 0
    old = f"{min(first)} version 4"
    assert after[old] == before[old]
    # Another version's days stand beside them.
    assert publish_days({4: second, 5: {LAST: first[max(first)]}}, PANELS, tmp_path) == 1
    assert len(snapshots(tmp_path)[0]) == len(after) + 1
    tabs = {tab.title: len(tab.panels) for tab in board.tabs}
    assert set(tabs) == {tab.name for tab in PANELS.tabs}
    assert tabs["Positivity"] == 1 + 5
    shown = [panel for tab in board.tabs for panel in tab.panels]
    assert len(shown) == len(set(shown)) == len(board.panels)


def test_evidentlys_tests_of_a_day_are_those_of_its_look():
    planted = {"drift_level": 3, "drift_since": date(2017, 9, 5)}
    figures = days_of(LAST, **planted)
    tests = make_day_snapshot(max(figures), 4, figures[max(figures)]).dict()["tests"]
    failed = [test["name"] for test in tests if test["status"].value == "FAIL"]
    assert len(tests) == 5 + 5
    assert len(failed) == 1
    assert "level 3" in failed[0]
    quiet = make_day_snapshot(min(figures), 4, figures[min(figures)]).dict()["tests"]
    assert quiet == []
