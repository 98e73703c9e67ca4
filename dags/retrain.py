"""Retrain: every week, on drift, by hand or as a backfill, run the stages of dvc.yaml on a branch of their own."""

from datetime import date, timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from onward_tasks.assets import DRIFT, names_action
from onward_tasks.champion import tell_champion
from onward_tasks.clock import latest_day
from onward_tasks.commands import ask, run
from onward_tasks.deadlines import within
from onward_tasks.form import retrain_form
from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import RETRAIN_CRON, TRIES, last_as_of, read_yaml, time_zone
from onward_tasks.stages import render_stages, the_run

DOC = """
### Retrain

`start` opens a run: a git branch `runs/NAME` with its own `params.yaml`. Then comes one task a stage of `dvc.yaml`, in
the order of its deps and outs; each takes the branch, fetches what it needs, runs its stage if anything changed, pushes
the outputs to the DVC remote and the branch to the git remote. `finish` renders the report and tags the model version.
`tell_champion` raises an event of the asset `onward_champion` if another version has come into use.

**As of**: the end of the data interval for scheduled and backfilled runs, else what the form says. A scheduled week for
which the log has no data yet is skipped.

**When a task fails**, its log ends with one line that says what is wrong and how to mend it. Mend it and clear the
task: the run goes on from there, on any machine; nothing that was finished is computed again.
"""


@dag(
    dag_id="retrain",
    dag_display_name="Retrain",
    # No start date and nothing at once: after unpausing, Airflow waits for the next Monday, on Mondays too.
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(
            RETRAIN_CRON, timezone=time_zone().key, interval=timedelta(days=7), run_immediately=timedelta()
        ),
        assets=[DRIFT],
    ),
    catchup=False,
    max_active_runs=2,
    dagrun_timeout=timedelta(hours=24),
    deadline=within(12),
    params=retrain_form(read_yaml("dvc.yaml")["stages"], read_yaml("params.yaml")),
    tags=["onward", "training"],
    default_args={"owner": "onward", "on_failure_callback": FailureNotifier(), **TRIES},
    on_failure_callback=FailureNotifier(),
    doc_md=DOC,
)
def retrain() -> None:
    """Start, the stages of dvc.yaml, finish, and which version is in use."""

    @task(execution_timeout=timedelta(minutes=10), doc_md="Check the form's values and open the run's branch.")
    def start() -> str | None:
        context = get_current_context()
        asked: dict[str, Any] = {**context["params"]}
        drift = drift_seen(context["triggering_asset_events"])
        asked["run_from"] = asked["run_from"] or drift.get("run_from")
        if asked["as_of"] is None:
            asked["as_of"] = clock(context["dag_run"], drift.get("as_of")).isoformat()
        question = {"run_id": context["run_id"], "trigger": str(context["dag_run"].run_type.value), **asked}
        answer = ask("run", "start", question=question)
        for event in asked_by_the_rules(context["triggering_asset_events"]):
            # The action rests from now on, and nobody is told that no run has come of it.
            ask("act", f"--started-by={answer['run']}", question=event)
        return None if asked["dry_run"] else answer["run"]

    @task(execution_timeout=timedelta(minutes=20), doc_md="Render the report, tag the model version, tidy up.")
    def finish() -> None:
        run("run", "finish", the_run())

    start() >> render_stages(read_yaml("dvc.yaml")["stages"]) >> finish() >> tell_champion()


def drift_seen(events: Any) -> dict[str, Any]:
    """Return what the last event of drift says that started this run; nothing if none did."""
    # A run that somebody else started knows the asset too, with no event of it.
    told = list(events[DRIFT]) if DRIFT in events else []
    return dict(told[-1].extra) if told else {}


def asked_by_the_rules(events: Any) -> list[dict[str, Any]]:
    """Return what the events of drift say that the rules of alerts.yaml raised, and no other system."""
    told = list(events[DRIFT]) if DRIFT in events else []
    return [dict(event.extra) for event in told if names_action(event.extra)]


def clock(dag_run: Any, seen: str | None = None) -> date:
    """Return the day that a run is about when nobody named one.

    Args:
        dag_run: of Airflow.
        seen: the day as of which drift was seen, if that started the run.

    Raises:
        AirflowFailException: the event that started the run names no day.
        AirflowSkipException: the schedule has come to a day that the log does not reach.
    """
    last = last_as_of()
    if dag_run.run_type.value not in {"scheduled", "backfill"}:
        latest = latest_day(dag_run)
        return latest if seen is None else min(latest, _day_of_event(seen))
    end: date = dag_run.data_interval_end.astimezone(time_zone()).date()
    if dag_run.run_type.value == "scheduled" and last is not None and end > last:
        raise AirflowSkipException(
            f"no run as of {end}: the log can be trusted until {last}; set ONWARD_LAST_AS_OF to a later day, "
            "or to none where the log grows"
        )
    return end


def _day_of_event(seen: object) -> date:
    try:
        return date.fromisoformat(str(seen))
    except ValueError as error:
        raise AirflowFailException(
            f"the event's as_of is {str(seen)[:40]!r}, which is no day such as 2017-11-20: send it again with one"
        ) from error


retrain()
