"""The first weeks of the decisions beside the last ones, for Evidently's preset; nobody else waits for Evidently."""

import subprocess
import sys
from datetime import date

import pytest

from builders.daily_files import day_number, draw_rows, lay_out
from onward.daily import drift_pages
from onward.daily.assessment_history import StoredAssessment
from onward.daily.drift_pages import compared_weeks, last_figures

COLUMNS = ["score", "level"]


def look(tmp_path, days, version=3, **more):
    return StoredAssessment(version, day_number(days), tmp_path, {"verdict": "ok"}, **more)


@pytest.mark.parametrize(("days", "each"), [(60, 28), (11, 5), (2, 1)])
def test_the_first_and_the_last_weeks_never_overlap(tmp_path, days, each):
    rows = draw_rows(days=days, a_day=20)
    folder = lay_out(tmp_path, rows)
    compared = compared_weeks(look(tmp_path, days), folder, COLUMNS)
    scores = rows["decisions"]["score"].tolist()
    assert compared.reference["score"].tolist() == scores[: 20 * each]
    assert compared.current["score"].tolist() == scores[-20 * each :]
    assert f"{day_number(days - each)} to {day_number(days - 1)}" in compared.says
    assert f"{day_number(0)} to {day_number(each - 1)}" in compared.says


def test_products_that_the_version_does_not_know_are_left_out_and_many_rows_are_thinned(tmp_path, monkeypatch):
    rows = draw_rows(days=10, a_day=100)
    rows["decisions"].loc[::2, "level"] = -1
    monkeypatch.setattr(drift_pages, "_MOST_ROWS", 60)
    compared = compared_weeks(look(tmp_path, 10), lay_out(tmp_path, rows), COLUMNS)
    assert 40 <= len(compared.reference) <= 60
    assert (compared.reference["level"] >= 0).all()


def test_where_there_is_nothing_to_compare_there_is_no_page(tmp_path):
    folder = lay_out(tmp_path, draw_rows(days=1, a_day=20))
    assert compared_weeks(look(tmp_path, 1), folder, COLUMNS) is None
    assert compared_weeks(look(tmp_path, 1, version=4), folder, COLUMNS) is None
    assert compared_weeks(look(tmp_path, 1, before_use=True), folder, COLUMNS) is None


def test_the_levels_own_figures_are_those_of_the_last_day_with_tests():
    first, last = date(2017, 11, 1), date(2017, 11, 2)
    tested = {"level 0": {"score_psi": 0.1, "drift_statistic": 0.4}, "all": {"n": 5.0}}
    assert last_figures({first: tested, last: {"level 0": {"score_psi": 0.2}}}) == {"level 0": tested["level 0"]}
    assert last_figures({last: {"level 0": {"score_psi": 0.2}}}) == {"level 0": {"score_psi": 0.2}}
    assert last_figures({}) == {}


@pytest.mark.slow
def test_no_command_imports_evidently_before_it_makes_a_page():
    modules = "onward.commands.daily, onward.commands.oncall, onward.commands.status, onward.daily.oncall"
    code = f"import sys, {modules}, onward.daily.list_watch; sys.exit('evidently' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
