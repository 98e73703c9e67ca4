"""`onward act` and `onward oncall` on assessments that lie on disk and a registry with two versions."""

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.daily_files import day_number, draw_rows, lay_out, params_of
from builders.made_assessments import FIRST, verdict, write_assessment
from builders.registries import new_registry
from builders.tiny_bundle import TAGS, make_bundle
from onward import cli
from onward.artifacts import read_json
from onward.commands import status
from onward.daily.assessment_history import AssessmentHistory
from onward.daily.monitor import still_maturing
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.reasons import Reason
from onward.deployment.registry import Registry
from onward.errors import MonitoringError, RegistryError

# Writes the page and the dashboard again and again.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
AS_OF, SINCE = date(2017, 11, 20), date(2017, 10, 30)
PLANTED = {"drift_level": 3, "drift_since": SINCE}


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory):
    """A registry of two versions, the second in use; tests take copies, as a project that was moved would."""
    folder = tmp_path_factory.mktemp("registered")
    registry = new_registry(folder / "mlruns")
    for seed in (0, 1):
        bundle = folder / f"bundle{seed}"
        write_bundle(bundle, make_bundle(seed))
        registry.register(bundle, bundle_hash(bundle), {**TAGS, "as_of": f"2017-0{8 + seed}-01"}, {})
        registry.promote(seed + 1, Reason("better on the same rows", "the gate"))
    return registry


@pytest.fixture
def project(tmp_path, two_versions, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ONWARD_PROJECT", "ONWARD_LOOKS", "ONWARD_ACTIONS", "ONWARD_DASHBOARDS", "AIRFLOW__API__BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "monitoring").mkdir()
    for name in ("alerts.yaml", "panels.yaml", "runbook.md"):
        (tmp_path / "monitoring" / name).write_text((ROOT / "monitoring" / name).read_text())
    shutil.copytree(two_versions.root, tmp_path / "mlruns")
    return tmp_path


def run(*words, said=None):
    text = None if said is None else json.dumps(said)
    return CliRunner().invoke(cli.app, list(words), input=text, catch_exceptions=False)


def assessed(project, as_of=AS_OF, **kind):
    return write_assessment(project / "monitoring" / "looks", as_of, version=2, first=FIRST, **kind)


def last_line(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_decision_is_printed_kept_and_the_same_when_asked_again(project):
    assessed(project, **PLANTED)
    first = last_line(run("act"))
    assert (first["action"], first["rule"], first["run_from"]) == (
        "refit_thresholds", "drift-of-one-level", "fit_thresholds",
    )  # fmt: skip
    assert (first["version"], first["level"], first["since"]) == (2, 3, "2017-10-30")
    kept = project / "monitoring" / "actions" / "version=2" / "as_of=2017-11-20.json"
    before = kept.read_bytes()
    # What the monitor printed may be less than what it wrote: the whole verdict is found by version and day.
    assert last_line(run("act", said={"version": 2, "as_of": "2017-11-20", "verdict": "drifted"})) == first
    assert kept.read_bytes() == before


def test_from_another_folder_the_monitor_writes_where_the_rules_and_the_pages_read(
    project, tmp_path_factory, monkeypatch
):
    lay_out(project, draw_rows(days=14, a_day=60), version=2)
    params_of(project)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("ONWARD_PROJECT", str(project))
    looked = last_line(run("monitor", f"--as-of={day_number(14)}"))
    decided = last_line(run("act"))
    assert (decided["version"], decided["as_of"]) == (looked["version"], looked["as_of"]) == (2, str(day_number(14)))
    assert f"as of {day_number(14)}" in run("status").stdout
    run("oncall")
    assert (project / "reports" / "oncall.html").is_file()
    assert list(elsewhere.iterdir()) == []


def test_the_next_day_an_action_rests_that_a_run_has_carried_out(project):
    assessed(project, **PLANTED)
    asked = last_line(run("act"))
    last_line(run("act", "--started-by=2017-11-20-3f2a9c1b", said=asked))
    assessed(project, AS_OF + timedelta(days=1), **PLANTED)
    again = last_line(run("act"))
    assert (again["action"], again["wanted"]) == ("wait", "refit_thresholds")
    rest = read_json(project / "monitoring" / "actions" / "version=2" / "as_of=2017-11-21.json")["rests_until"]
    assert rest == "2017-11-27"


def test_a_drift_right_after_the_first_decisions_returns_to_the_version_before(project):
    assessed(project, drift_level=1, drift_since=FIRST + timedelta(days=3))
    assert last_line(run("act"))["action"] == "rollback"


def test_a_verdict_without_a_folder_is_taken_as_it_is_said(project):
    assert last_line(run("act", said=verdict(AS_OF, version=2)))["action"] == "none"


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (verdict(AS_OF, version=1), "is of version 1, in use is version 2; assess again"),
        (["a list"], "not a JSON object"),
        (None, "no assessment of version 2 yet"),
    ],
)
def test_what_cannot_be_acted_on_is_refused(project, said, match):
    with pytest.raises(MonitoringError, match=match):
        run("act", said=said)
    assert not (project / "monitoring" / "actions").exists()


def test_rules_that_are_gone_or_broken_are_named(project):
    assessed(project)
    rules = project / "monitoring" / "alerts.yaml"
    rules.write_text(rules.read_text().replace("action: retrain", "action: pray"))
    with pytest.raises(MonitoringError, match=r"monitoring/alerts.yaml: rules.\d+.action = 'pray'"):
        run("act")
    rules.unlink()
    with pytest.raises(MonitoringError, match=r"alerts.yaml: no such file; `git checkout"):
        run("act")


def test_without_a_model_in_use_there_is_nothing_to_watch(project):
    Registry(project / "mlruns")._client().delete_registered_model_alias("onward", "champion")
    for command in ("act", "oncall"):
        with pytest.raises(RegistryError, match="no version is in use"):
            run(command)


def test_the_page_and_the_dashboard_follow_the_assessments(project):
    assessed(project, date(2017, 9, 6))
    shown = run("oncall").stdout
    assert "Every level keeps its promise: reports/oncall.html" in shown
    assert "Evidently: 5 days are new or have changed" in shown
    assert (project / "monitoring" / "workspace").is_dir()
    assert "Evidently: 0 days are new or have changed" in run("oncall").stdout
    page = (project / "reports" / "oncall.html").read_text()
    assert "Version 2 came into use" in page
    assert "better on the same rows" in page
    assert "knows the log until" in page


def history_of(project):
    monitoring = project / "monitoring"
    return AssessmentHistory(monitoring / "looks", monitoring / "actions", project / "artifacts" / "monitoring")


def test_a_failed_assessment_is_shown_and_what_was_known_before_stays(project):
    place = assessed(project, date(2017, 9, 6))
    failed = assessed(project, date(2017, 9, 7))
    (failed / "daily.parquet").unlink()
    (failed / "verdict.json").write_text(json.dumps({
        **verdict(date(2017, 9, 7), version=2), "verdict": "failed", "levels": [], "reason": "no matured labels",
    }))  # fmt: skip
    history = history_of(project)
    assert [assessment.folder for assessment in history.of_version(2)] == [place, failed]
    assert len(history.daily(2)) == 5 * 5
    assert "The monitor cannot see" in run("oncall").stdout
    assert "No matured labels" in (project / "reports" / "oncall.html").read_text()


def test_status_tells_of_the_last_assessment_and_where_to_read_on(project, monkeypatch):
    monkeypatch.setattr(status._out, "width", 200)
    (project / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    assert "has not run" in run("status").stdout
    assessed(project, **PLANTED)
    shown = run("status").stdout
    assert "drifted for version 2 as of 2017-11-20, on what it decided: Level 3" in shown
    assert "`onward act` says what to do about it" in shown


def first_assessment(project, version=2, **kind):
    """What the pipeline's stage `monitor` leaves, before the version has decided anything."""
    place = write_assessment(project / "first", date(2017, 9, 6), version=version, first=FIRST, **kind)
    shutil.copytree(place, project / "artifacts" / "monitoring")


def test_the_stage_s_assessment_is_the_first_until_there_is_a_daily_one(project):
    first_assessment(project)
    history = history_of(project)
    assert history.last(2).before_use
    assert history.first_decided(2) is None
    assert last_line(run("act"))["rule"] == "all-well"
    shown = run("oncall").stdout
    assert "Every level keeps its promise: reports/oncall.html" in shown
    assert "Evidently: 5 days are new or have changed" in shown
    page = (project / "reports" / "oncall.html").read_text()
    assert "test customers, before it came into use" in page
    assert "http://127.0.0.1:5000/#/models/onward/versions/2" in page
    assert re.search(r"http://127.0.0.1:8000/projects/[0-9a-f-]{36}", page)
    assessed(project, date(2017, 9, 8))
    assert not history.last(2).before_use
    assert history.first_decided(2) == FIRST
    # The days of test customers leave the dashboard, on which they would stand beside those of all customers.
    assert "Evidently: 7 days are new or have changed" in run("oncall").stdout
    assert "Evidently: 0 days are new or have changed" in run("oncall").stdout


def test_the_first_assessment_of_a_version_that_was_refused_says_nothing_of_the_one_in_use(project):
    first_assessment(project, version=3)
    assert history_of(project).before_use().version == 3
    with pytest.raises(MonitoringError, match="no assessment of version 2 yet"):
        run("oncall")


def test_a_verdict_of_an_earlier_release_is_refused_with_the_remedy(project):
    assessed(project, changes={"schema": 2})
    with pytest.raises(MonitoringError, match=r"verdict\.json has schema 2, not 3; make it again with"):
        run("act")


def test_which_days_to_score_is_said_in_one_way(project):
    for words in ([], ["--day=2017-11-01", "--as-of=2017-11-02"], ["--to=2017-11-02", "--as-of=2017-11-02"]):
        with pytest.raises(MonitoringError, match="say either --day"):
            run("score", *words)


def test_a_version_that_was_replaced_is_assessed_until_its_last_label_has_matured(tmp_path):
    for version, days in {1: (1, 5), 2: (6, 9), 3: (10, 12)}.items():
        for day in range(days[0], days[1] + 1):
            path = tmp_path / f"day=2017-11-{day:02}" / f"version={version}.parquet"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    assert still_maturing(tmp_path, 3, date(2017, 11, 13), 28) == [1, 2]
    assert still_maturing(tmp_path, 3, date(2017, 12, 4), 28) == [1, 2]
    assert still_maturing(tmp_path, 3, date(2017, 12, 5), 28) == [2]
    # Of what came after the day, nobody knows on that day.
    assert still_maturing(tmp_path, 1, date(2017, 11, 6), 28) == []
