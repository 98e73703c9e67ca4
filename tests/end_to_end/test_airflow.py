"""Airflow as people meet it: forms that refuse nonsense, a run with a task a stage, a browser that sees it green."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from builders.airflow_service import Airflow, request, running_airflow, until
from builders.hostile import promote_cases, retrain_cases
from builders.local_services import LOOPBACK, listening_addresses
from builders.planted_drift import write_log
from onward.services.local import airflow_environment

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
# Mondays. A run of the schedule is about the end of its data interval.
WEEKS = ("2018-01-15", "2018-01-22")
TASKS = {"start", *(f"pipeline.{name}" for name in STAGES), "finish", "tell_champion"}

CHAMPION = """
import json
from mlflow import MlflowClient
client = MlflowClient(tracking_uri="sqlite:///mlruns/mlflow.db", registry_uri="sqlite:///mlruns/mlflow.db")
champion = client.get_model_version_by_alias("onward", "champion")
print(json.dumps({"version": int(champion.version), "tags": champion.tags}))
"""


@pytest.fixture(scope="module")
def airflow(new_project):
    with running_airflow(new_project("airflow")) as service:
        yield service


@pytest.fixture(scope="module")
def trained(airflow):
    """A run that somebody started in a browser: Airflow's id of it, and the champion that it made."""
    run_id = browse(airflow, os.environ.get("ONWARD_SCREENSHOTS"))
    assert airflow.finished("retrain", run_id) == "success", airflow.tasks("retrain", run_id)
    return run_id, champion(airflow)


def champion(airflow):
    """The version in use, with its tags."""
    return json.loads(airflow.project.run(sys.executable, "-c", CHAMPION).stdout)


def promotion(version):
    """Who put a version in use last, and why."""
    return json.loads(max(item for item in version["tags"].items() if item[0].startswith("promoted "))[1])


def commit(project, subject):
    """Commit what has changed in the checkout."""
    project.run("git", "-c", "user.name=o", "-c", "user.email=o@example.org", "commit", "-qam", subject)


def branches(project):
    return set(project.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/runs").stdout.split())


def status(project):
    return project.run("git", "status", "--porcelain").stdout


def record(project, run):
    """What the branch of Airflow's run says of it: its name, its last run.json and the stages that are done."""
    told = {name: json.loads(project.run("git", "show", f"{name}:run.json").stdout) for name in branches(project)}
    (branch,) = [name for name, facts in told.items() if facts["run_id"] == run["dag_run_id"]]
    stages = project.run("git", "log", "--reverse", "--format=%(trailers:key=Onward-Stage,valueonly)", branch, "--")
    return branch, told[branch], stages.stdout.split()


def test_unpausing_starts_no_run(airflow):
    # Before anything else is triggered: the four DAGs have been unpaused by now.
    assert {dag: airflow.runs(dag) for dag in ("retrain", "monitor", "promote", "rollback")} == {
        "retrain": [], "monitor": [], "promote": [], "rollback": [],
    }  # fmt: skip


def test_airflow_asks_for_a_login_and_nobody_else_reaches_it(airflow):
    assert request(f"{airflow.address}/api/v2/dags")[0] == 401
    for password in ("admin", "wrong"):
        assert request(f"{airflow.address}/auth/token", {"username": "admin", "password": password})[0] == 401
    assert airflow.ask("dags")[0] == 200
    assert listening_addresses(airflow.process) == LOOPBACK


def test_the_pool_of_the_stages_is_there_before_the_first_task_needs_it(airflow):
    status, pool = airflow.ask("pools/onward_stages")
    assert status == 200
    assert pool["slots"] >= 1
    waiting = airflow.ask("dags/retrain/tasks/pipeline.ingest")[1]
    assert waiting["pool"] == "onward_stages"


def test_bad_values_are_refused_with_400_and_nothing_is_run(airflow, tmp_path):
    canary = tmp_path / "canary"
    asked = [
        (dag, name, airflow.trigger(dag, **conf)[0])
        for dag, cases in (("retrain", retrain_cases(str(canary))), ("promote", promote_cases(str(canary))))
        for name, conf in cases
    ]
    assert len(asked) >= 120
    assert [each for each in asked if each[2] != 400] == []
    assert airflow.runs("retrain") == airflow.runs("promote") == []
    assert not canary.exists()


def test_a_browser_fills_in_the_form_and_sees_the_graph_green(airflow, trained):
    run = airflow.ask(f"dags/retrain/dagRuns/{trained[0]}")[1]
    assert (run["state"], run["triggered_by"]) == ("success", "ui")
    assert (run["conf"]["as_of"], run["conf"]["precision_target"]) == ("2017-11-20", 0.12)
    assert airflow.tasks("retrain", trained[0]) == dict.fromkeys(TASKS, "success")


def test_a_run_puts_a_tagged_model_in_use_whose_outputs_are_those_of_plain_repro(airflow, trained, plain_hashes):
    made_champion = trained[1]
    tags = made_champion["tags"]
    branch = f"runs/{tags['run']}"
    lock = airflow.project.run("git", "show", f"{branch}:dvc.lock").stdout
    assert airflow.project.run("git", "cat-file", "-t", tags["git_commit"]).stdout.strip() == "commit"
    assert len(tags["dvc_lock_sha256"]) == 64
    made = {out["path"]: out["md5"] for stage in yaml.safe_load(lock)["stages"].values() for out in stage["outs"]}
    assert made == plain_hashes


def test_a_dry_run_says_what_would_run_and_runs_nothing(airflow, trained):
    before = airflow.project.run("git", "branch", "--list", "runs/*").stdout
    run_id = airflow.trigger("retrain", dry_run=True, precision_target=0.3)[1]["dag_run_id"]
    assert airflow.finished("retrain", run_id) == "success"
    assert airflow.tasks("retrain", run_id) == dict.fromkeys(TASKS, "skipped") | {"start": "success"}
    assert "fit_thresholds" in airflow.log("retrain", run_id, "start")
    assert airflow.project.run("git", "branch", "--list", "runs/*").stdout == before


def test_on_the_day_of_its_deployment_a_model_has_decided_nothing_that_could_be_looked_at(airflow, trained):
    run_id = airflow.trigger("monitor")[1]["dag_run_id"]
    assert airflow.finished("monitor", run_id) == "success"
    assert set(airflow.tasks("monitor", run_id).values()) == {"skipped"}
    assert "decides from 2017-11-20 on: nothing to assess" in airflow.log("monitor", run_id, "score")


def test_a_failure_tells_people_what_failed_where_the_log_is_and_how_to_go_on(airflow):
    run_id = airflow.trigger("promote", action="promote", reason="a version is missing here")[1]["dag_run_id"]
    assert airflow.finished("promote", run_id) == "failed"
    token, message = until("the webhook", lambda: airflow.heard[-1] if airflow.heard else None)
    assert token == "Bearer a token"
    assert (message["dag"], message["task"], message["run"]) == ("promote", "change", run_id)
    assert "promote needs a version" in message["error"]
    assert message["log"].startswith(f"{airflow.address}/dags/promote/runs/")
    assert all(message[part] in message["text"] for part in ("error", "log", "resume"))


def raise_event(airflow, name, **extra):
    """Raise an asset's event, as another system would."""
    assets = {each["name"]: each["id"] for each in airflow.ask("assets")[1]["assets"]}
    assert airflow.ask("assets/events", {"asset_id": assets[name], "extra": extra})[0] == 200


def by_event(airflow, dag, known=()):
    """Airflow's id of the run that an event started, beside those that are known."""
    (run_id,) = until(f"a run of {dag}", lambda: [
        run["dag_run_id"] for run in airflow.runs(dag)
        if run["run_type"] == "asset_triggered" and run["dag_run_id"] not in known
    ] or None)  # fmt: skip
    return run_id


def browse(airflow: Airflow, screenshots: str | None) -> str:
    """Log in, open the form, trigger a run, see its graph green at the end and the assets tied; return the run's id."""
    from playwright.sync_api import expect, sync_playwright

    program = os.environ.get("ONWARD_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.fail("no Chromium to drive: `apt-get install chromium`, or name one with ONWARD_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1330})
        page.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        page.goto(f"{airflow.address}/dags/retrain")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", airflow.password)
        page.click("button[type=submit]")
        page.get_by_test_id("trigger-dag-button").click()
        page.locator("[name=element_as_of]").fill("2017-11-20")
        page.locator("[id='number-input:element_precision_target'] input").fill("0.12")
        take(page, screenshots, "airflow-form.png")
        page.get_by_test_id("trigger-dag-submit").click()
        page.wait_for_url("**/dags/retrain/runs/manual__*")
        address = page.url
        run_id = address.rpartition("/runs/")[2].partition("/")[0].partition("?")[0]
        # A browser that draws what moves takes as much of the machine as the run itself: it comes back at the end.
        page.goto("about:blank")
        airflow.finished("retrain", run_id)
        page.goto(address)
        page.get_by_test_id("expand-all-button").click()
        page.keyboard.press("g")
        for task in sorted(TASKS):
            badge = page.get_by_test_id(f"rf__node-{task}").get_by_test_id("state-badge").first
            expect(badge).to_have_text("success")
        page.get_by_label("Collapse Details Panel").click()
        page.set_viewport_size({"width": 1700, "height": 660})
        page.locator(".react-flow__controls-fitview").click()
        take(page, screenshots, "airflow-graph.png")
        see_assets(page, airflow, screenshots)
        browser.close()
    return run_id


def see_assets(page, airflow, screenshots):
    """Follow data to model, to the version in use, to the monitor, on Airflow's page of assets."""
    from playwright.sync_api import expect

    (champion_id,) = (each["id"] for each in airflow.ask("assets")[1]["assets"] if each["name"] == "onward_champion")
    page.goto(f"{airflow.address}/assets/{champion_id}")
    page.get_by_text("Task Dependencies").click()
    tasks = ("retrain__SEPARATOR__pipeline.ingest", "retrain__SEPARATOR__pipeline.deploy", "monitor__SEPARATOR__score")
    # What lies beyond the edge of the picture is not drawn, so it has to fit.
    expect(page.locator("[data-testid^='rf__node-task']").first).to_be_visible()
    page.locator(".react-flow__controls-fitview").click()
    take(page, screenshots, "airflow-assets.png")
    for node in (f"asset:{champion_id}", *(f"task:{name}" for name in tasks)):
        expect(page.get_by_test_id(f"rf__node-{node}")).to_be_visible()
    expect(page.get_by_text("1 Asset Event")).to_be_visible()


def take(page, folder, name):
    """Keep a picture of the page; only where somebody asked for it, so that tests leave the repository alone."""
    if folder:
        page.wait_for_timeout(2000)  # until what moves has come to rest
        page.screenshot(path=Path(folder).resolve() / name)


@pytest.fixture(scope="module")
def drifted(airflow, trained):
    """The shop goes on for nine weeks, its log now in files; from the fourth week on, nearly half no longer buy."""
    project = airflow.project
    folder = project.root / "data" / "log"
    shop = yaml.safe_load((project.root / "params.yaml").read_text())["sources"]["simulator"]
    write_log(folder, shop, datetime(2018, 3, 5), 28, datetime(2017, 12, 11), 0.55)
    project.set_params({
        "run": {"source": "parquet", "as_of": "2018-01-15"}, "sources": {"parquet": {"folder": str(folder)}},
    })  # fmt: skip
    commit(project, "The log is in files")
    until("the new form", lambda: (
        airflow.ask("dags/retrain/details")[1]["params"]["source"]["value"] == "parquet"
    ))  # fmt: skip
    return champion(airflow)


@pytest.fixture(scope="module")
def alerted(airflow, drifted):
    """What the schedule does every morning, and what follows without anybody: the monitor's run, and the training's."""
    told, known = len(airflow.heard), {run["dag_run_id"] for run in airflow.runs("retrain")}
    run_id = airflow.trigger("monitor")[1]["dag_run_id"]
    assert airflow.finished("monitor", run_id) == "success", airflow.tasks("monitor", run_id)
    retrained = by_event(airflow, "retrain", known)
    assert airflow.finished("retrain", retrained) == "success", airflow.tasks("retrain", retrained)
    return run_id, [said for _, said in airflow.heard[told:] if said.get("rule")], champion(airflow)


# Two trainings and a look, if it is run alone on a busy machine.
@pytest.mark.timeout(3600)
def test_an_alert_starts_a_training_and_the_gate_puts_the_new_model_in_use_unattended(airflow, drifted, alerted):
    run_id, messages, now = alerted
    assert airflow.tasks("monitor", run_id) == {
        "score": "success", "assess": "success", "act": "success", "start_training": "success",
        "start_rollback": "skipped", "tell_people": "success", "see_it_start": "success", "page": "success",
    }  # fmt: skip
    (message,) = messages
    assert (message["rule"], message["action"]) == ("drift", "retrain")
    assert "2017-12-1" in message["text"]  # the planted day, or one soon after it
    assert (drifted["tags"]["as_of"], now["tags"]["as_of"]) == ("2017-11-20", "2018-01-15")
    said = promotion(now)
    assert said["by"] == "the gate"
    assert "against the champion" in said["reason"]
    page = (airflow.project.root / "reports" / "oncall.html").read_text()
    assert "drifted since 1" in page
    assert f"{airflow.address}/dags/retrain" in page


def test_the_same_alert_is_not_raised_again(airflow, alerted):
    before = len(airflow.runs("retrain"))
    run_id = airflow.trigger("monitor")[1]["dag_run_id"]
    assert airflow.finished("monitor", run_id) == "success"
    # The new model came into use as of this very day: there is nothing yet to hold against it.
    assert set(airflow.tasks("monitor", run_id).values()) == {"skipped"}
    assert len(airflow.runs("retrain")) == before


@pytest.fixture(scope="module")
def walked(airflow, alerted):
    """`airflow backfill create`, as a person types it beside a running `onward airflow`: two Mondays, the first one's
    training known from the alert's run. Its runs, in the order of their starts; the branches and git's status before.
    """
    project = airflow.project
    # Of so few customers, two models of the same weeks may differ by more than the gate lets through.
    project.set_params({"gate": {"max_nll_increase": 1.0, "max_recall_loss": 1.0, "pcoc_low": 0.1, "pcoc_high": 10.0}})
    commit(project, "A gate for few customers")
    before = branches(project), status(project)
    command = (sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", "retrain", "--from-date", WEEKS[0],
               "--to-date", WEEKS[-1], "--max-active-runs", "1")  # fmt: skip
    settings = airflow_environment(project.root / ".airflow", project.root / "dags", 1)
    project.run(*command, **settings)
    # Airflow counts a backfill as the schedule's own, so it goes on with the week that ended last; that one is
    # skipped, since the log does not reach it.
    for number in range(len(WEEKS)):
        runs = until(f"backfilled week {number + 1}", lambda number=number: backfilled(airflow, number + 1))
        airflow.finished("retrain", runs[number]["dag_run_id"])
    return backfilled(airflow, len(WEEKS)), before


def backfilled(airflow, least):
    """The backfill's runs by their starts, once so many have started, else None."""
    runs = [run for run in airflow.runs("retrain") if run["run_type"] == "backfill" and run["start_date"]]
    return sorted(runs, key=lambda run: run["start_date"]) if len(runs) >= least else None


def test_a_backfill_takes_weeks_in_order_and_the_last_week_is_in_use(airflow, alerted, walked):
    """All green, one after the other, week by week; each in the place of the one before; nothing else happened."""
    runs, (branches_before, status_before) = walked
    project, first = airflow.project, alerted[2]["version"]
    assert [run["state"] for run in runs] == ["success"] * len(WEEKS)
    for earlier, later in pairwise(runs):
        assert earlier["end_date"] <= later["start_date"]
    records = [record(project, run) for run in runs]
    assert tuple(branch.removeprefix("runs/")[:10] for branch, _, _ in records) == WEEKS
    assert branches(project) - branches_before == {branch for branch, _, _ in records}
    assert [stages for _, _, stages in records] == [STAGES] * len(WEEKS)
    # The first week comes to the very bundle that the alert's training came to, which is in use by then.
    assert [(facts["parent_champion"], facts["finished"]["champion"]) for _, facts, _ in records] == [
        (first, first), (first, first + 1),
    ]  # fmt: skip
    now = champion(airflow)
    assert (now["tags"]["as_of"], now["tags"]["run"]) == (WEEKS[-1], records[-1][1]["name"])
    # Nothing touched the checkout that people work in.
    assert status(project) == status_before


def test_a_version_is_promoted_by_hand_with_who_and_why_and_an_event_takes_it_back(airflow, alerted):
    before = champion(airflow)["version"]
    other = before - 1
    run_id = airflow.trigger("promote", action="promote", version=other, reason="seen to be right")[1]["dag_run_id"]
    assert airflow.finished("promote", run_id) == "success"
    now = champion(airflow)
    assert now["version"] == other
    assert promotion(now) == {"by": "admin in Airflow", "reason": "seen to be right"}
    raise_event(airflow, "onward_rollback", version=other, reason="orders fell after the change")
    assert airflow.finished("rollback", by_event(airflow, "rollback")) == "success"
    assert champion(airflow)["version"] == before


def test_whoever_triggers_a_run_while_tasks_start_is_answered_at_once(airflow, walked):
    # Over SQLite, one process for people and tasks stood still for a minute here, at one start of a task in six.
    assert len(airflow.answered) > 50
    assert max(airflow.answered) < 30, "a hang, not a slow machine"


DAG_TEST = """
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
for name, conf in (
    ("retrain", {}),
    ("monitor", {}),
    ("promote", {"action": "promote", "version": 1, "reason": "seen to be right"}),
    ("rollback", {}),
):
    print("STATE", name, bag.dags[name].test(run_conf=conf).state)
"""


def run_every_dag(project, home):
    """Airflow's own `dag.test` of every DAG, with a database of its own."""
    environment = {
        **project.environment,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project.root / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(project.root / "dags"), os.environ.get("PYTHONPATH", "")]),
        "ONWARD_RETRIES": "0",
    }
    return subprocess.run(
        [sys.executable, "-c", DAG_TEST],
        cwd=project.root, env=environment, capture_output=True, text=True, check=False, timeout=1500,
    )  # fmt: skip


def test_every_dag_passes_dag_test_without_any_service(airflow, alerted, tmp_path):
    # Everything that its training computes was computed for the alert: DVC's run cache has it.
    tested = run_every_dag(airflow.project, tmp_path)
    assert tested.returncode == 0, (tested.stdout[-4000:], tested.stderr[-4000:])
    states = [line.split()[1:] for line in tested.stdout.splitlines() if line.startswith("STATE ")]
    # No event, no reason: a rollback that nobody asked for is refused.
    assert states == [["retrain", "success"], ["monitor", "success"], ["promote", "success"], ["rollback", "failed"]]
    assert "onward_rollback needs in its extra the version" in tested.stdout + tested.stderr
