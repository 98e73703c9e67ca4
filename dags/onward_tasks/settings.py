"""Every setting of the DAGs, from the environment of the DAG processor and the workers; read when a file is parsed."""

import os
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from airflow.sdk.configuration import conf

# A checkout of Onward's code on this machine. The command line reads the same variable (`onward.settings`), which stays
# out of DAG files: they are parsed again and again, and import nothing heavy.
PROJECT = Path(os.environ.get("ONWARD_PROJECT") or Path(__file__).resolve().parents[2])

# When retrain runs by itself, in the shop's time zone: a week of data ends on Monday at midnight.
RETRAIN_CRON = os.environ.get("ONWARD_RETRAIN_CRON") or "0 0 * * 1"
MONITOR_CRON = os.environ.get("ONWARD_MONITOR_CRON") or "0 6 * * *"

# The pool of the stages. Airflow lets tasks of a pool that does not exist wait for ever, and tasks cannot make pools:
# the default is the one that always exists, and whoever makes another (`onward airflow` does) names it here.
STAGE_POOL = os.environ.get("ONWARD_POOL") or "default_pool"

# Where single stages run: ONWARD_STAGE_POOLS=train_gnn=gpu,evaluate=large names a pool for each of two, and
# ONWARD_STAGE_QUEUES likewise the Celery queue, which workers on machines of that size serve.
STAGE_POOLS = "ONWARD_STAGE_POOLS"
STAGE_QUEUES = "ONWARD_STAGE_QUEUES"

# The queue of what must not wait behind a training: changes of the champion, and what the monitor decides. Celery's
# workers leave tasks of a queue that none of them serves for ever: it is the default one, unless somebody starts a
# worker for another (`airflow celery worker --queues control`) and names it here. Other executors have no queues.
CONTROL: dict[str, Any] = {"queue": queue} if (queue := os.environ.get("ONWARD_CONTROL_QUEUE")) else {}

# Whether runs have deadlines: only where a scheduler runs (`onward airflow` says so). Airflow 3.3's `dags test` breaks
# off at the end of a run that has one (github.com/apache/airflow/issues/73428), and the KubernetesExecutor cannot tell.
DEADLINES = bool(os.environ.get("ONWARD_DEADLINES")) and "KubernetesExecutor" not in conf.get("core", "executor")

# Tries double their distance; a try that is lost with its worker counts as one.
TRIES: dict[str, Any] = {
    "retries": int(os.environ.get("ONWARD_RETRIES") or 3),
    "retry_delay": timedelta(seconds=float(os.environ.get("ONWARD_RETRY_SECONDS") or 30)),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}


def by_stage(variable: str, stages: Collection[str]) -> dict[str, str]:
    """What a variable such as `train_gnn=gpu,evaluate=large` says of some stages.

    Raises:
        ValueError: it names no stage of the pipeline, or nothing for one; Airflow shows that as an import error.
    """
    said = {}
    for part in filter(None, os.environ.get(variable, "").split(",")):
        stage, _, name = (word.strip() for word in part.partition("="))
        if stage not in stages or not name:
            raise ValueError(f"{variable}: {part!r} is no STAGE=NAME; stages are {', '.join(stages)}")
        said[stage] = name
    return said


def read_yaml(name: str, project: Path = PROJECT) -> dict[str, Any]:
    """Return a YAML file of the project."""
    content: dict[str, Any] = yaml.safe_load((project / name).read_text(encoding="utf-8"))
    return content


def time_zone(project: Path = PROJECT) -> ZoneInfo:
    """The shop's time zone, by its name in params.yaml; without one UTC. Its days are the log's days."""
    return ZoneInfo(read_yaml("params.yaml", project).get("shop", {}).get("time_zone", "UTC"))


def last_as_of(project: Path = PROJECT) -> date | None:
    """The last day for which the log can be trusted and tested, or None where the log grows every day.

    Default: the clock in params.yaml, since the default log ended years ago. ONWARD_LAST_AS_OF names another day, or
    `none`.
    """
    asked = os.environ.get("ONWARD_LAST_AS_OF") or read_yaml("params.yaml", project)["run"]["as_of"]
    return None if asked.lower() == "none" else date.fromisoformat(asked)
