"""Monitor: every day, log what the model in use decided, assess what became of it, and act on the verdict by rule."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from onward_tasks.assets import CHAMPION, DRIFT, ROLLBACK, told
from onward_tasks.channels import tell
from onward_tasks.clock import latest_day
from onward_tasks.commands import ask, run
from onward_tasks.deadlines import within
from onward_tasks.form import DAY
from onward_tasks.notify import FailureNotifier
from onward_tasks.settings import CONTROL, MONITOR_CRON, STAGE_POOL, TRIES, time_zone

DOC = """
### Monitor

`score` logs what the version in use decides on the days that are not logged yet. `assess` assesses it, level by level:
ok, inconclusive or drifted. `act` asks the rules of `monitoring/alerts.yaml` what to do about it. `tell_people` tells
people of its alerts, and nothing waits for it: red, it means that somebody was not told. `start_training` raises
`onward_drift`, which starts *Retrain* (or only from `fit_thresholds` on), and `start_rollback` raises
`onward_rollback`: once a version and state of the log. `see_it_start` waits for the run that carries the action out;
red, it means that none has begun: is the DAG paused? Unpause it, and clear `act` with what comes after it. `page`
writes `reports/oncall.html` and brings the Evidently dashboard up to date.

**Red means that nobody is watching**: no model is in use, the log is not complete, the labels are not to be had, or the
assessment could not be computed. The last line of the log says which, and what to do. A version that came into use
today has decided nothing yet: the tasks are skipped, with that reason.
"""


@dag(
    dag_id="monitor",
    dag_display_name="Monitor",
    # Without this a day's moment that has gone by less than 2.4 hours ago would be made up for when unpaused.
    schedule=CronTriggerTimetable(MONITOR_CRON, timezone=time_zone().key, run_immediately=timedelta()),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    deadline=within(3),
    params={
        "as_of": Param(
            None, type=["string", "null"], format="date", pattern=DAY, title="As of",
            description="The first day that is not known, such as 2017-12-11. Empty: today, or the log's last day.",
        )
    },
    tags=["onward", "monitoring"],
    default_args={"owner": "onward", "on_failure_callback": FailureNotifier(), **TRIES},
    on_failure_callback=FailureNotifier(),
    doc_md=DOC,
)  # fmt: skip
def monitor() -> None:
    """Score, assess, act; show the assessment whether or not it succeeded."""

    @task(
        pool=STAGE_POOL, inlets=[CHAMPION], execution_timeout=timedelta(hours=1),
        doc_md="Log what the model in use decides.",
    )  # fmt: skip
    def score() -> str:
        context = get_current_context()
        as_of: str = context["params"]["as_of"] or latest_day(context["dag_run"]).isoformat()
        log_days_before(as_of)
        return as_of

    @task(pool=STAGE_POOL, execution_timeout=timedelta(hours=1), doc_md="Assess the model in use.")
    def assess(as_of: str) -> dict[str, Any]:
        return ask("monitor", f"--as-of={as_of}")

    @task(**CONTROL, execution_timeout=timedelta(minutes=10), doc_md="Ask the rules what to do about the verdict.")
    def act(verdict: dict[str, Any]) -> dict[str, Any]:
        return ask("act", "--no-tell", question=verdict)

    @task(
        execution_timeout=timedelta(minutes=5),
        doc_md="Tell people of the alerts by every channel that is set up; nothing waits for it.",
    )
    def tell_people(decided: dict[str, Any]) -> None:
        if not tell()["due"]:
            raise AirflowSkipException(f"version {decided['version']}: {decided['verdict']}; nothing to tell")

    @task(
        **CONTROL, inlets=[DRIFT], outlets=[DRIFT], execution_timeout=timedelta(minutes=5),
        doc_md="Raise the event `onward_drift` if the rules ask for a training and nobody has said so yet.",
    )  # fmt: skip
    def start_training(decided: dict[str, Any]) -> None:
        announce(DRIFT, decided, {"retrain", "refit_thresholds"})

    @task(
        **CONTROL, inlets=[ROLLBACK], outlets=[ROLLBACK], execution_timeout=timedelta(minutes=5),
        doc_md="Raise the event `onward_rollback` if the rules ask for it and nobody has said so yet.",
    )  # fmt: skip
    def start_rollback(decided: dict[str, Any]) -> None:
        announce(ROLLBACK, decided, {"rollback"})

    @task.sensor(
        # A run that begins takes seconds; between two looks the worker is free.
        mode="reschedule", poke_interval=30, timeout=timedelta(hours=5), trigger_rule="none_failed_min_one_success",
        execution_timeout=timedelta(minutes=5), **CONTROL,
        doc_md="Wait for the run that carries the action out; red if none has begun in time, and people are told.",
    )  # fmt: skip
    def see_it_start(decided: dict[str, Any]) -> bool:
        return has_started(decided)

    @task(
        # After an assessment that failed too, but not when there was nothing to assess.
        trigger_rule="none_skipped", execution_timeout=timedelta(minutes=30),
        doc_md="Write the page for on-call, and bring the Evidently dashboard up to date.",
    )  # fmt: skip
    def page() -> None:
        run("oncall")

    verdict = assess(score())
    decided = act(verdict)
    tell_people(decided)
    [start_training(decided), start_rollback(decided)] >> see_it_start(decided)
    verdict >> page()


def log_days_before(as_of: str) -> None:
    """Log what the model in use decided before a day.

    Raises:
        AirflowSkipException: it has decided nothing yet.
    """
    done = ask("score", f"--as-of={as_of}")
    if not done["days"] and not done["kept"]:
        raise AirflowSkipException(f"version {done['version']} decides from {done['from']} on: nothing to assess")


def has_started(decided: dict[str, Any]) -> bool:
    """Return whether a run carries out what the rules decided.

    Raises:
        AirflowSkipException: there is nothing to carry out.
        AirflowFailException: no run does though one should by now.
    """
    if decided["action"] in {"wait", "none", "check_tracking"}:
        raise AirflowSkipException(f"version {decided['version']}: {decided['action']}, so no run is to begin")
    seen = ask("act", "--whether-started", question=decided)
    if seen["notices"]:
        raise AirflowFailException(seen["notices"][0]["says"])
    return seen["run"] is not None


def announce(event: Asset, decided: dict[str, Any], actions: set[str]) -> None:
    """Raise an event for a decision, once a version and state of the log.

    Raises:
        AirflowSkipException: the rules ask for something else, or the event was raised before.
    """
    if decided["action"] not in actions:
        raise AirflowSkipException(f"version {decided['version']}: {decided['verdict']}; {decided['why']}")
    context = get_current_context()
    # Asked again: no run came of the event before, so it is raised once more.
    raised = not decided["asked_again"] and any(
        told(earlier.extra, decided) for earlier in context["inlet_events"][event]
    )
    if raised:
        raise AirflowSkipException(f"{event.name} was raised before for version {decided['version']}")
    context["outlet_events"][event].extra = {**decided, "reason": f"{decided['rule']}: {decided['reason']}"}


monitor()
