"""Promote: put a version in use, or return to the one before, always with a reason; rollback also on an event."""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from onward_tasks.assets import ROLLBACK
from onward_tasks.commands import run
from onward_tasks.form import promote_form
from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import TRIES

DOC = """
### Promote

By hand only. *Promote* puts a registered version in use, whatever the gate said of it; *roll back* returns to the
version before, which the gate will not undo by itself. The reason is kept with the version: `onward lineage VERSION`.
"""

DOC_ROLLBACK = """
### Rollback

Started by the event `onward_rollback`, whose extra must hold a reason of at least 10 characters. By hand: use promote.
"""

SETTINGS: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "dagrun_timeout": timedelta(hours=1),
    "tags": ["onward", "deployment"],
    "on_failure_callback": FailureNotifier(),
    "default_args": {"owner": "onward", "on_failure_callback": FailureNotifier(), **TRIES},
}


@dag(
    dag_id="promote",
    dag_display_name="Promote or roll back",
    schedule=None,
    params=promote_form(),
    doc_md=DOC,
    **SETTINGS,
)
def promote() -> None:
    """One change of what is deployed, as the form says."""

    @task(execution_timeout=timedelta(minutes=10), doc_md="Change what is deployed.")
    def change() -> None:
        context = get_current_context()
        asked, by = context["params"], f"{context['dag_run'].triggering_user_name or 'somebody'} in Airflow"
        if asked["action"] == "roll_back":
            run("rollback", f"--reason={asked['reason']}", f"--by={by}")
        elif asked["version"] is None:
            raise AirflowFailException("promote needs a version: see `onward find`, and trigger again with it")
        else:
            run("promote", str(int(asked["version"])), f"--reason={asked['reason']}", f"--by={by}")

    change()


@dag(dag_id="rollback", dag_display_name="Rollback on an event", schedule=[ROLLBACK], doc_md=DOC_ROLLBACK, **SETTINGS)
def rollback() -> None:
    """Return to the version before, for the reason that the event gives."""

    @task(execution_timeout=timedelta(minutes=10), doc_md="Return to the version before.")
    def change() -> None:
        events = get_current_context()["triggering_asset_events"]
        reasons = [str(event.extra.get("reason", "")) for event in events[ROLLBACK]] if ROLLBACK in events else []
        if not reasons or len(reasons[-1]) < 10:
            raise AirflowFailException("onward_rollback needs a reason of at least 10 characters in its extra")
        reason = " ".join(reasons[-1].split())[:500]
        run("rollback", f"--reason={reason}", "--by=event onward_rollback in Airflow")

    change()


promote()
rollback()
