"""The DAG files parse without errors or heavy imports, and the training DAG is dvc.yaml: same stages, same edges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from onward.choices import AUTO, ESTIMATORS, SEARCHES, SOURCES

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
HEAVY = [
    "torch",
    "pandas",
    "numpy",
    "mlflow",
    "evidently",
    "duckdb",
    "lightgbm",
    "sklearn",
    "pydantic_settings",
]

# Airflow reads its settings at import and warns on its own account, so questions get a process of their own.
QUESTION = """
import json, sys
sys.path.insert(0, "dags")
import airflow.sdk, airflow.dag_processing.dagbag, airflow.providers.standard
before = set(sys.modules)
bag = airflow.dag_processing.dagbag.DagBag("dags")
added = {name.partition(".")[0] for name in set(sys.modules) - before}
json.dump({
    "errors": bag.import_errors,
    "heavy": sorted(added & set(sys.argv[1].split(","))),
    "onward": sorted(name for name in sys.modules if name.partition(".")[0] == "onward"),
    "dags": {dag_id: {
        "catchup": dag.catchup, "start": str(dag.start_date), "doc": dag.doc_md, "tags": sorted(dag.tags),
        "timeout": str(dag.dagrun_timeout), "active": dag.max_active_runs, "periodic": dag.timetable.can_be_scheduled,
        "callback": type(dag.on_failure_callback).__name__,
        "late_after": [[each.interval.total_seconds(), each.reference.reference_name, each.callback.path]
                       for each in dag.deadline or []],
        "late": str(getattr(getattr(dag.timetable, "timetable", dag.timetable), "run_immediately", None)),
        "params": {name: [param.schema, param.description] for name, param in dag.params.items()},
        "tasks": {each.task_id: {
            "upstream": sorted(each.upstream_task_ids), "retries": each.retries, "owner": each.owner,
            "seconds": each.retry_delay.total_seconds(), "backoff": each.retry_exponential_backoff,
            "timeout": each.execution_timeout is not None, "pool": each.pool, "queue": each.queue,
            "inlets": sorted(asset.name for asset in each.inlets if hasattr(asset, "name")),
            "outlets": sorted(asset.name for asset in each.outlets if hasattr(asset, "name")),
            "start": str(each.start_date),
            "callbacks": [type(callback).__name__ for callback in each.on_failure_callback],
        } for each in dag.tasks},
    } for dag_id, dag in bag.dags.items()},
}, sys.stdout)
"""


def parse(home, **environment):
    result = subprocess.run(
        [sys.executable, "-c", QUESTION, ",".join(HEAVY)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            "PATH": str(Path(sys.executable).parent),
            "AIRFLOW_HOME": str(home),
            "HOME": str(home),
            "PYTHONPATH": str(ROOT / "src"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **environment,
        },
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    return parse(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def tasks(parsed):
    return {(name, task): facts for name, dag in parsed["dags"].items() for task, facts in dag["tasks"].items()}


def test_all_dags_parse_without_errors(parsed):
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == {"retrain", "monitor", "promote", "rollback"}


def test_parsing_imports_nothing_heavy(parsed):
    assert parsed["heavy"] == []
    assert parsed["onward"] == ["onward", "onward.choices"]


def reachable(edges, name):
    """All that `name` waits for, directly or through others."""
    return edges[name].union(*(reachable(edges, above) for above in edges[name]))


def test_tasks_are_the_stages_of_dvc_yaml_in_the_order_of_their_outputs(parsed):
    rendered = parsed["dags"]["retrain"]["tasks"]
    assert {name.removeprefix("pipeline.") for name in rendered if name.startswith("pipeline.")} == set(STAGES)
    readers = {
        name: {
            other
            for other, candidate in STAGES.items()
            for out in candidate["outs"]
            if (next(iter(out)) if isinstance(out, dict) else out) in stage["deps"]
        }
        for name, stage in STAGES.items()
    }
    drawn = {
        name: {above.removeprefix("pipeline.") for above in rendered[f"pipeline.{name}"]["upstream"]} - {"start"}
        for name in STAGES
    }
    for name in STAGES:
        assert reachable(drawn, name) == reachable(readers, name)
        # No line says what the other lines say already.
        for above in drawn[name]:
            assert above not in reachable(drawn | {name: drawn[name] - {above}}, name)
        assert ("start" in rendered[f"pipeline.{name}"]["upstream"]) == (not readers[name])
    read = {above for name in STAGES for above in drawn[name]}
    assert set(rendered["finish"]["upstream"]) == {f"pipeline.{name}" for name in STAGES if name not in read}


def test_every_task_has_an_owner_retries_with_backoff_a_timeout_and_a_notifier(tasks):
    for name, facts in tasks.items():
        assert facts["owner"] == "onward", name
        assert facts["retries"] >= 1, name
        assert facts["backoff"] >= 2, name
        assert facts["timeout"], name
        assert facts["callbacks"] == ["FailureNotifier"], name


def test_every_dag_says_what_it_does_and_ends_one_day(parsed):
    for name, dag in parsed["dags"].items():
        assert len(dag["doc"]) > 80, name
        assert "onward" in dag["tags"], name
        assert dag["timeout"] != "None", name
        assert dag["callback"] == "FailureNotifier", name


def test_unpausing_starts_nothing(parsed, tasks):
    # A trigger timetable without any start date waits for its next moment, unless the last one is less than a tenth of
    # the schedule ago, which even False allows; only no time at all forbids it. With a start date it takes the last.
    assert {name: dag["late"] for name, dag in parsed["dags"].items()} == {
        "retrain": "0:00:00", "monitor": "0:00:00", "promote": "None", "rollback": "None",
    }  # fmt: skip
    for name, dag in parsed["dags"].items():
        assert dag["catchup"] is False, name
        assert dag["start"] == "None", name
    assert {facts["start"] for facts in tasks.values()} == {"None"}


def test_two_trainings_may_run_at_once_but_one_change_of_the_champion(parsed):
    assert parsed["dags"]["retrain"]["active"] > 1
    assert parsed["dags"]["promote"]["active"] == parsed["dags"]["rollback"]["active"] == 1


def test_stages_wait_in_the_pool_that_the_environment_names_and_else_in_the_one_that_always_exists(tasks, tmp_path):
    assert {facts["pool"] for facts in tasks.values()} == {"default_pool"}
    named = parse(tmp_path, ONWARD_POOL="heavy", ONWARD_RETRIES="7", ONWARD_RETRY_SECONDS="1.5")
    rendered = named["dags"]["retrain"]["tasks"]
    assert {name for name, facts in rendered.items() if facts["pool"] == "heavy"} == {
        f"pipeline.{each}" for each in STAGES
    }
    assert {(facts["retries"], facts["seconds"]) for facts in rendered.values()} == {(7, 1.5)}


def test_single_stages_wait_in_pools_and_queues_of_machines_of_their_size(tmp_path):
    named = parse(
        tmp_path,
        ONWARD_POOL="heavy",
        ONWARD_STAGE_POOLS="train_gnn=gpu, evaluate=large",
        ONWARD_STAGE_QUEUES="train_gnn=gpu",
    )
    rendered = named["dags"]["retrain"]["tasks"]
    assert {rendered[f"pipeline.{stage}"]["pool"] for stage in STAGES} == {"heavy", "gpu", "large"}
    assert rendered["pipeline.train_gnn"]["pool"] == rendered["pipeline.train_gnn"]["queue"] == "gpu"
    assert rendered["pipeline.evaluate"]["pool"] == "large"
    assert {name for name, facts in rendered.items() if facts["queue"] != "default"} == {"pipeline.train_gnn"}


@pytest.mark.parametrize("said", ["train=gpu", "train_gnn=", "gpu"])
def test_a_stage_that_is_none_is_an_import_error_that_names_the_stages(tmp_path, said):
    errors = parse(tmp_path, ONWARD_STAGE_POOLS=said)["errors"]
    assert any("ONWARD_STAGE_POOLS" in error and "train_gnn" in error for error in errors.values())


def test_changes_and_what_the_monitor_decides_wait_in_the_queue_that_the_environment_names(tasks, tmp_path):
    # Without a name in the default one: a worker that serves no other would leave them waiting for ever.
    assert {facts["queue"] for facts in tasks.values()} == {"default"}
    named = parse(tmp_path, ONWARD_CONTROL_QUEUE="control")["dags"]
    found = {
        name: {task for task, facts in dag["tasks"].items() if facts["queue"] == "control"}
        for name, dag in named.items()
    }
    assert found == {
        "promote": {"change", "tell_champion"}, "rollback": {"change", "tell_champion"},
        "monitor": {"act", "start_training", "start_rollback", "see_it_start"}, "retrain": {"tell_champion"},
    }  # fmt: skip


def test_assets_tie_the_dags_into_one_chain(parsed):
    """Airflow's page of assets draws them: from the data to the champion, to who watches it, and back to a training."""
    edges = {
        (asset, made)
        for dag in parsed["dags"].values()
        for task in dag["tasks"].values()
        for asset in task["inlets"]
        for made in task["outlets"]
        if asset != made
    }
    assert edges == {("onward_data", "onward_model"), ("onward_model", "onward_champion")}
    made_by = {asset: {(name, task) for name, dag in parsed["dags"].items() for task, facts in dag["tasks"].items() if (
        asset in facts["outlets"]
    )} for asset in ("onward_data", "onward_model", "onward_champion", "onward_drift", "onward_rollback")}  # fmt: skip
    assert made_by == {
        "onward_data": {("retrain", "pipeline.ingest")},
        "onward_model": {("retrain", "pipeline.deploy")},
        "onward_champion": {(name, "tell_champion") for name in ("retrain", "promote", "rollback")},
        "onward_drift": {("monitor", "start_training")},
        "onward_rollback": {("monitor", "start_rollback")},
    }
    assert "onward_champion" in parsed["dags"]["monitor"]["tasks"]["score"]["inlets"]


def test_a_run_that_is_late_is_told_before_it_is_ended(parsed, tmp_path):
    # `airflow dags test` cannot bear one.
    assert [dag["late_after"] for dag in parsed["dags"].values()] == [[]] * 4
    for name, dag in parse(tmp_path, ONWARD_DEADLINES="1")["dags"].items():
        ((seconds, counted_from, path),) = dag["late_after"]
        hours, minutes, _ = dag["timeout"].replace("1 day, 0", "24").split(":")
        assert 0 < seconds < 3600 * int(hours) + 60 * int(minutes), name
        assert (counted_from, path) == ("DagRunQueuedAtDeadline", "onward_tasks.deadlines.tell_late")
    # The scheduler of that executor ends when a deadline is missed.
    of_pods = parse(tmp_path, ONWARD_DEADLINES="1", AIRFLOW__CORE__EXECUTOR="KubernetesExecutor")["dags"]
    assert [dag["late_after"] for dag in of_pods.values()] == [[]] * 4


def test_the_form_offers_what_params_yaml_allows(parsed):
    params = parsed["dags"]["retrain"]["params"]
    assert set(params) == {
        "source",
        "as_of",
        "precision_target",
        "estimator",
        "search",
        "popularity_weight",
        "degree_power",
        "run_from",
        "dry_run",
    }
    assert params["source"][0]["enum"] == [*SOURCES]
    assert params["estimator"][0]["enum"] == [None, AUTO, *ESTIMATORS]
    assert params["search"][0]["enum"] == [None, AUTO, *SEARCHES]
    assert params["run_from"][0]["enum"] == [None, *STAGES]
    for name, (schema, description) in (params | parsed["dags"]["promote"]["params"]).items():
        assert schema["title"], name
        assert len(description) > 20, name
