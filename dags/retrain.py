"""Retrain: run every DVC stage in sequence, then push the versions and render the report."""

from datetime import datetime, timedelta

from airflow.sdk import dag, task

from dvc_tasks import render_stages, run

DOC = """
### Retrain

One task a stage of `dvc.yaml`, in the order of its deps and outs. A stage whose code, params and data have not changed
is skipped by DVC in well under a second.

**When a task fails**: its log ends with one line that says what is wrong and how to mend it. Mend it, clear the task,
and the run goes on from there; nothing before it is computed again.
"""


@dag(
    dag_id="retrain",
    schedule=None,
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["onward", "training"],
    default_args={"owner": "onward"},
    doc_md=DOC,
)
def retrain() -> None:
    """Stages of dvc.yaml, then `dvc push`, then the report."""

    @task(retries=2, retry_delay=timedelta(seconds=30), execution_timeout=timedelta(minutes=30))
    def push_versions() -> None:
        run("dvc", "push")

    @task(retries=1, retry_delay=timedelta(seconds=30), execution_timeout=timedelta(minutes=10))
    def render_report() -> None:
        run("onward.cli", "report")

    render_stages() >> push_versions() >> render_report()


retrain()
