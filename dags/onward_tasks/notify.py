"""Say what failed, where its log is and how to go on: in the log, and to a webhook where a connection names one."""

import logging
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier
from airflow.sdk.configuration import conf

from onward_tasks.settings import PAGES_URL
from onward_tasks.webhook import WebhookError, tell

_log = logging.getLogger(__name__)


class FailureNotifier(BaseNotifier):
    """Tell people of a task that failed for good, or of a run that failed without one: out of time, or stuck.

    A webhook that is down fails nothing; the log says that it was.

    The webhook is the Airflow connection `onward_webhook`: a whole http(s) address in `host`, and a bearer token in
    `password` if it asks for one. It gets JSON with `text` and the parts of it. No connection: the log only.
    """

    def notify(self, context: Any) -> None:
        """Write the message to the log and send it to the webhook."""
        if context.get("reason") == "task_failure":
            return  # the task has said it, and more of it
        message = run_message(context) if "reason" in context else failure_message(context)
        _log.error("%s", message["text"])
        try:
            tell(message)
        except WebhookError as error:
            _log.warning("%s", error)


def runbook_link(rule: str) -> str:
    """Return where the runbook tells of a rule or a notice: on the page for on-call, where one is served."""
    return f"{PAGES_URL}/oncall.html#runbook-{rule}" if PAGES_URL else f"monitoring/runbook.md#{rule}"


def alert_message(decided: dict[str, Any]) -> dict[str, str]:
    """Return what a person needs to know of an alert: what was seen, what is done, where to read on."""
    runbook = runbook_link(decided["rule"])
    text = (
        f"monitor: version {decided['version']} as of {decided['as_of']}: {decided['verdict']}: {decided['reason']}\n"
        f"Action: {decided['action']}. {decided['why']}\nRunbook: {runbook}"
    )
    return {"text": text, "action": decided["action"], "rule": decided["rule"], "runbook": runbook}


def notice_message(decided: dict[str, Any], notice: dict[str, str]) -> dict[str, str]:
    """Return what a person needs to know besides the alert: a notice of `onward act`."""
    runbook = runbook_link(notice["name"])
    text = (
        f"monitor: version {decided['version']} as of {decided['as_of']}: {notice['name']}\n{notice['says']}\n"
        f"Runbook: {runbook}"
    )
    return {"text": text, "action": "none", "rule": notice["name"], "runbook": runbook}


def failure_message(context: Any) -> dict[str, str]:
    """Return what a person needs to know of a failed task, as JSON for a webhook."""
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
    return {
        "text": text, "dag": instance.dag_id, "task": instance.task_id, "run": instance.run_id, "error": error,
        "log": instance.log_url, "resume": resume,
    }  # fmt: skip


def run_message(context: Any) -> dict[str, str]:
    """Return what a person needs to know of a run that ended without a failed task."""
    dag, run = context["dag"].dag_id, context["run_id"]
    log = f"{conf.get('api', 'base_url', fallback='http://localhost:8080').rstrip('/')}/dags/{dag}/runs/{quote(run)}"
    resume = "see which task it waited for (its pool exists? a worker runs?), then clear that task with those after it"
    text = f"{dag}: run {run} failed: {context['reason']}\nRun: {log}\nTo go on: {resume}"
    return {"text": text, "dag": dag, "task": "", "run": run, "error": context["reason"], "log": log, "resume": resume}
