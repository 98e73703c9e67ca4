"""Airflow's own backfill walks as_of week by week over the simulator, and nobody has to be there."""

import json
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest

from onward.deployment.registry import Registry
from onward.services.local import airflow_environment
from tools.testbeds.airflow_rest import FINAL
from tools.testbeds.local_airflow import local_airflow
from tools.testbeds.small_shop import make_shop

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(2400)]

# Mondays. A run of the schedule is about the end of its data interval.
WEEKS = ("2017-11-06", "2017-11-13", "2017-11-20")
STAGES = (
    "fingerprint_source", "ingest", "correct_label_delay", "train_gnn", "calibrate_uncertainty", "fit_thresholds",
    "evaluate", "deploy",
    "monitor",
)  # fmt: skip


def backfill(shop, first, last):
    """`airflow backfill create`, as a person types it beside a running `onward airflow`."""
    command = (sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", "retrain", "--from-date", first,
               "--to-date", last, "--max-active-runs", "1")  # fmt: skip
    settings = airflow_environment(shop.root / ".airflow", shop.root / "dags", 1)
    return shop.run(*command, **settings)


def wait(airflow, count, patience):
    """Wait until as many runs of the backfill have ended; returns them in the order of their starts."""
    deadline = time.monotonic() + patience
    while True:
        # Airflow counts a backfill as the schedule's own, so it goes on with the week that ended last; that one is
        # skipped, since the log does not reach it.
        runs = airflow.ask("GET", "/dags/retrain/dagRuns?limit=100&run_type=backfill")["dag_runs"]
        if len(runs) == count and all(run["state"] in FINAL for run in runs):
            return sorted(runs, key=lambda run: run["start_date"])
        assert time.monotonic() < deadline, [(run["dag_run_id"], run["state"]) for run in runs]
        time.sleep(1)


def branches(shop):
    return shop.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/runs").split()


def record(shop, run):
    """What a run's branch says of it: its name, its last run.json and the stages that are done."""
    told = {branch: json.loads(shop.run("git", "show", f"{branch}:run.json")) for branch in branches(shop)}
    (branch,) = [branch for branch, facts in told.items() if facts["run_id"] == run["dag_run_id"]]
    stages = shop.run("git", "log", "--reverse", "--format=%(trailers:key=Onward-Stage,valueonly)", branch, "--")
    return branch, told[branch], stages.split()


def test_weeks_in_order_and_the_last_week_is_in_use(tmp_path):
    shop = make_shop(tmp_path / "shop")
    with local_airflow(shop, {"ONWARD_RETRY_SECONDS": "1"}) as airflow:
        airflow.unpause("retrain")
        backfill(shop, WEEKS[0], WEEKS[-1])
        runs = wait(airflow, len(WEEKS), 1500)
    require_a_walk(shop, runs)


def require_a_walk(shop, runs):
    """All green, one after the other, week by week; each in the place of the one before; nothing else happened."""
    assert Counter(run["state"] for run in runs) == {"success": len(WEEKS)}
    for earlier, later in pairwise(runs):
        assert earlier["end_date"] <= later["start_date"]
    records = [record(shop, run) for run in runs]
    assert tuple(branch.removeprefix("runs/")[:10] for branch, _, _ in records) == WEEKS
    assert set(branches(shop)) == {branch for branch, _, _ in records}
    for number, (_, facts, stages) in enumerate(records, 1):
        assert tuple(stages) == STAGES
        assert (facts["parent_champion"] or 0, facts["finished"]["champion"]) == (number - 1, number)
    champion = Registry(shop.root / "mlruns").champion()
    assert champion.tags["as_of"] == WEEKS[-1]
    assert champion.tags["run"] == records[-1][1]["name"]
    # Nothing touched the checkout that people work in.
    assert shop.run("git", "status", "--porcelain") == ""
