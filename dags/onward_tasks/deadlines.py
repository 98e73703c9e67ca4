"""When a run is late: people are told while it is still going on, long before it is ended for taking too long.

The scheduler notices it and an executor's worker tells people. Airflow's KubernetesExecutor cannot, and its scheduler
would end over it (`queue_workload` of its provider 10.25): with it there are no deadlines, and the end of a run that
takes too long is told as ever. Celery's gives it to a worker of the default queue, where it waits for its turn.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback

from onward_tasks.notify import late_message, say
from onward_tasks.settings import DEADLINES


def tell_late(context: Any, hours: float) -> None:
    """Tell people that a run has not ended in time.

    Args:
        context: Airflow's: dag_run and deadline.
        hours: that it had.
    """
    run = context["dag_run"]
    say(late_message(run["dag_id"], run["dag_run_id"], hours, run["state"]))


def within(hours: float) -> list[DeadlineAlert]:
    """Return the deadline of a DAG's runs, counted from the moment at which they are queued."""
    if not DEADLINES:
        return []
    return [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=hours),
            callback=SyncCallback(tell_late, {"hours": hours}),
            name="late",
        )
    ]
