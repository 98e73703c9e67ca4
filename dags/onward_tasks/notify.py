"""Say what failed, where its log is and how to go on: in the log, and by every channel that is set up."""

import logging
import re
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier
from airflow.sdk.configuration import conf

from onward_tasks.channels import tell

_log = logging.getLogger(__name__)
# By the first word of a message's key.
_SAID = {"failed": "failed", "late": "is late"}


class FailureNotifier(BaseNotifier):
    """Tell people of a task that failed for good, or of a run that failed without one: out of time, or stuck.

    A channel that is down fails nothing; the log says that it was. Which there are: see channels.py; without any, the
    log alone says it. People are told once: nobody closes such an incident but they.
    """

    def notify(self, context: Any) -> None:
        """Write the message to the log and send it to the channels."""
        if context.get("reason") == "task_failure":
            return  # the task has said it, and more of it
        say(run_message(context) if "reason" in context else failure_message(context))


def say(message: dict[str, str]) -> None:
    """Write a message to the log and send it to the channels; whoever could not be told, the task's end stays."""
    _log.error("%s", message["text"])
    try:
        tell(message)
    except Exception as error:  # noqa: BLE001 - a channel may fail in any way, and is not what the task is for
        _log.warning("%s", " ".join(str(error).split()))


def failure_message(context: Any) -> dict[str, str]:
    """Return what a person needs to know of a failed task, as `onward tell --message` takes it."""
    instance = context["ti"]
    error = " ".join(str(context.get("exception") or "the worker was lost or the task was ended from outside").split())
    resume = (
        "mend the cause, then clear this task of this run with those after it (Clear on the page of the log, "
        "downstream included): the run goes on from here, and what was finished is not run again"
    )
    text = (
        f"{instance.dag_id}: task {instance.task_id} of run {instance.run_id} failed at try {instance.try_number}: "
        f"{error[:1000]}\nLog: {instance.log_url}\nTo go on: {resume}"
    )
    details = {"dag": instance.dag_id, "task": instance.task_id, "run": instance.run_id, "error": error}
    return _message("failed", details, text, instance.log_url, resume)


def run_message(context: Any) -> dict[str, str]:
    """Return what a person needs to know of a run that ended without a failed task."""
    resume = "see which task it waited for (its pool exists? a worker runs?), then clear that task with those after it"
    return _of_run("failed", context["dag"].dag_id, context["run_id"], str(context["reason"]), resume)


def late_message(dag: str, run: str, hours: float, state: str) -> dict[str, str]:
    """Return what a person needs to know of a run that goes on for longer than it should."""
    reason = f"it has not ended {hours:g} hours after it was queued, and is {state}"
    resume = "see which task it waits for (its pool exists? a worker runs?); nothing has failed yet"
    return _of_run("late", dag, run, reason, resume)


def _of_run(trouble: str, dag: str, run: str, reason: str, resume: str) -> dict[str, str]:
    page = f"{conf.get('api', 'base_url', fallback='http://localhost:8080').rstrip('/')}/dags/{dag}/runs/{quote(run)}"
    text = f"{dag}: run {run} {_SAID[trouble]}: {reason}\nRun: {page}\nTo go on: {resume}"
    return _message(trouble, {"dag": dag, "task": "", "run": run, "error": reason}, text, page, resume)


def _message(trouble: str, details: dict[str, str], text: str, log: str, resume: str) -> dict[str, str]:
    dag, task = details["dag"], details["task"]
    what = f"task {task}" if task else "a run"
    return {
        "key": re.sub(r"[^a-z0-9_.-]", "-", f"{trouble}-{dag}-{task or 'run'}".lower())[:120],
        # Nobody watches, or what should go back does not; a training that fails leaves the version in use as it was.
        "severity": "critical" if dag in {"monitor", "rollback"} else "warning",
        "summary": f"{dag}: {what} {_SAID[trouble]}: {details['error'] or 'for no reason that is known'}"[:400],
        "text": text, "link": log, **details, "log": log, "resume": resume,
    }  # fmt: skip
