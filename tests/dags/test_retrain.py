"""The DAG is dvc.yaml: same stages, same edges, parsed without importing anything heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["torch", "pandas", "numpy", "mlflow", "evidently", "duckdb", "lightgbm", "sklearn", "onward"]

# Airflow reads its settings at import and warns on its own account, so each question gets a process of its own.
QUESTION = """
import json, sys, time
sys.path.insert(0, "dags")
import airflow.sdk, airflow.providers.standard
before = set(sys.modules)
import retrain
added = {name.partition(".")[0] for name in set(sys.modules) - before}
dag = retrain.retrain()
json.dump({
    "heavy": sorted(added & set(sys.argv[1].split(","))),
    "edges": {t.task_id: sorted(t.upstream_task_ids) for t in dag.tasks},
    "retries": {t.task_id: t.retries for t in dag.tasks},
    "timeouts": {t.task_id: t.execution_timeout is not None for t in dag.tasks},
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    result = subprocess.run(
        [sys.executable, "-c", QUESTION, ",".join(HEAVY)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": str(Path(sys.executable).parent), "AIRFLOW_HOME": str(home), "HOME": str(home)},
    )
    return json.loads(result.stdout.splitlines()[-1])


def test_parsing_the_dag_imports_nothing_heavy(answer):
    assert answer["heavy"] == []


def test_tasks_are_the_stages_of_dvc_yaml_in_the_order_of_their_outputs(answer):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    rendered = {name.removeprefix("pipeline.") for name in answer["edges"] if name.startswith("pipeline.")}
    assert rendered == set(stages)
    for name, stage in stages.items():
        makers = {
            f"pipeline.{other}"
            for other, candidate in stages.items()
            for out in candidate["outs"]
            if (next(iter(out)) if isinstance(out, dict) else out) in stage["deps"]
        }
        assert set(answer["edges"][f"pipeline.{name}"]) == makers


def test_every_task_has_retries_and_a_timeout(answer):
    assert min(answer["retries"].values()) >= 1
    assert all(answer["timeouts"].values())
