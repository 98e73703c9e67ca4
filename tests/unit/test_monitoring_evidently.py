import re

import numpy as np
import pytest
from test_monitoring_positivity import FACTS, judge, make_rows

from onward.monitoring.evidently_report import PROJECT, Workspace, make_snapshot, publish
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
    assert (len(board.tabs), len(board.panels)) == (1, 6)
    table, verdict = figures()
    publish(table, {**verdict, "version": 2}, page, place)
    count, board = runs()
    assert count == 2
    assert (len(board.tabs), len(board.panels)) == (1, 6)
    assert len(workspace.list_projects()) == 1
