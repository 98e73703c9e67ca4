"""When a run is late: people are told while it is still going on, long before it is ended for taking too long.

The scheduler notices it and an executor's worker tells people. Airflow's KubernetesExecutor cannot, and its scheduler
would end over it (`queue_workload` of its provider 10.25): with it there are no deadlines, and the end of a run that
takes too long is told as ever. Celery's gives it to a worker of the default queue, where it waits for its turn.
"""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback

from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import DEADLINES


def tell_late(context: Any, hours: float) -> None:
    """Tell people that a run has not ended in time.

    Args:
        context: Airflow's: dag_run and deadline.
        hours: that it had.
    """
    run = context["dag_run"]
    reason = f"late: it has not ended {hours:g} hours after it was queued, and is {run['state']}"
    FailureNotifier().notify(
        {"dag": SimpleNamespace(dag_id=run["dag_id"]), "run_id": run["dag_run_id"], "reason": reason}
    )


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
