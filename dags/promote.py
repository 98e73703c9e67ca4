"""Promote: put a version in use, or return to the one before, always with a reason; rollback also on an event."""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from onward_tasks.assets import ROLLBACK, names_action
from onward_tasks.champion import tell_champion
from onward_tasks.commands import ask, run
from onward_tasks.deadlines import within
from onward_tasks.form import promote_form
from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import CONTROL, TRIES

DOC = """
### Promote

By hand only. *Promote* puts a registered version in use, whatever the gate said of it; *roll back* returns to the
version before, which the gate will not undo by itself. The reason is kept with the version: `onward lineage VERSION`.

A try again changes nothing twice: is another version in use than the form names, or was it changed after the form was
sent, nothing is changed, and the log says so.
"""

DOC_ROLLBACK = """
### Rollback

Started by the event `onward_rollback`, whose extra must hold the `version` to take out of use and a `reason` of at
least 10 characters. An event that comes late or twice changes nothing, and the log says so. By hand: use promote.
"""

SETTINGS: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "dagrun_timeout": timedelta(hours=1),
    "deadline": within(0.25),
    "tags": ["onward", "deployment"],
    "on_failure_callback": FailureNotifier(),
    "default_args": {"owner": "onward", "on_failure_callback": FailureNotifier(), **TRIES, **CONTROL},
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
        words = [f"--reason={asked['reason']}", f"--by={by}", f"--asked-at={context['dag_run'].run_after.isoformat()}"]
        if asked["expected"] is not None:
            words.append(f"--expected={int(asked['expected'])}")
        if asked["action"] == "roll_back":
            if asked["expected"] is None:
                raise AirflowFailException("roll back needs the version in use: see `onward status`, and trigger again")
            run("rollback", *words)
        elif asked["version"] is None:
            raise AirflowFailException("promote needs a version: see `onward find`, and trigger again with it")
        else:
            run("promote", str(int(asked["version"])), *words)

    change() >> tell_champion()


@dag(dag_id="rollback", dag_display_name="Rollback on an event", schedule=[ROLLBACK], doc_md=DOC_ROLLBACK, **SETTINGS)
def rollback() -> None:
    """Return to the version before, for the reason that the event gives."""

    @task(execution_timeout=timedelta(minutes=10), doc_md="Return to the version before.")
    def change() -> None:
        context = get_current_context()
        events = context["triggering_asset_events"]
        events_of_run = list(events[ROLLBACK]) if ROLLBACK in events else []
        unusable = [event for event in events_of_run if not names_version_and_reason(event.extra)]
        # The earliest first: each names the version that it saw in use.
        for event in sorted(events_of_run, key=lambda event: event.timestamp):
            if event not in unusable:
                reason = " ".join(event.extra["reason"].split())[:500]
                run(
                    "rollback", f"--expected={event.extra['version']}", f"--asked-at={event.timestamp.isoformat()}",
                    f"--reason={reason}", "--by=event onward_rollback in Airflow",
                )  # fmt: skip
                if names_action(event.extra):
                    ask("act", f"--started-by={context['run_id']}", question=event.extra)
        if unusable or not events_of_run:
            raise AirflowFailException(
                "onward_rollback needs in its extra the version to take out of use, and a reason of 10 characters"
            )

    change() >> tell_champion()


def names_version_and_reason(extra: dict[str, Any]) -> bool:
    """Whether an event says what to take out of use, and why."""
    version, reason = extra.get("version"), extra.get("reason")
    whole = isinstance(version, int) and not isinstance(version, bool) and version >= 1
    return whole and isinstance(reason, str) and len(" ".join(reason.split())) >= 10


promote()
rollback()
