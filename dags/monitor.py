"""Monitor: every day, ask whether the deployed model keeps its promise; drift starts a retraining."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from onward_tasks.assets import DRIFT
from onward_tasks.commands import ask
from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import MONITOR_CRON, STAGE_POOL, TRIES

DOC = """
### Monitor

`look` fetches the run of the model in use and reads the verdict of its monitor stage: ok, too early to tell, or
drifted. `announce` raises the event `onward_drift`, once a model version and state of the log, which starts retrain.

**Red means that nobody is watching**: no model is in use, its run cannot be fetched, or the verdict is about another
version. The last line of the log says which, and what to do.
"""


@dag(
    dag_id="monitor",
    dag_display_name="Monitor",
    schedule=CronTriggerTimetable(MONITOR_CRON, timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    tags=["onward", "monitoring"],
    default_args={"owner": "onward", "on_failure_callback": FailureNotifier(), **TRIES},
    on_failure_callback=FailureNotifier(),
    doc_md=DOC,
)
def monitor() -> None:
    """Look, then announce what was seen."""

    @task(pool=STAGE_POOL, execution_timeout=timedelta(minutes=30), doc_md="Read the verdict on the model in use.")
    def look() -> dict[str, Any]:
        return ask("run", "look")

    @task(
        inlets=[DRIFT], outlets=[DRIFT], execution_timeout=timedelta(minutes=5),
        doc_md="Raise the event `onward_drift` if the model has drifted and nobody has said so yet.",
    )  # fmt: skip
    def announce(seen: dict[str, Any]) -> None:
        if seen["verdict"] != "drifted":
            raise AirflowSkipException(f"version {seen['version']}: {seen['verdict']}; nothing to announce")
        context = get_current_context()
        extra = {key: seen[key] for key in ("version", "as_of", "level", "since", "action")}
        if any(told(event.extra, extra) for event in context["inlet_events"][DRIFT]):
            raise AirflowSkipException(f"drift of version {seen['version']} as of {seen['as_of']} was announced before")
        context["outlet_events"][DRIFT].extra = extra

    announce(look())


def told(earlier: dict[str, Any], extra: dict[str, Any]) -> bool:
    """Tell whether an earlier event was about the same version and the same state of the log."""
    return all(earlier.get(key) == extra[key] for key in ("version", "as_of"))


monitor()
