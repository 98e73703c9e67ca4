"""Render the stages of dvc.yaml as Airflow tasks, one a stage, so that the two DAGs cannot disagree."""

from collections.abc import Mapping
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import Any

from airflow.sdk import TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from onward_tasks.assets import INLETS, OUTLETS
from onward_tasks.commands import run
from onward_tasks.settings import STAGE_POOL, STAGE_POOLS, STAGE_QUEUES, by_stage


def upstream(pipeline: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return, for each stage, the stages whose outputs it reads, from deps and outs alone."""
    maker = {path: name for name, stage in pipeline.items() for path in _paths(stage.get("outs", []))}
    return {name: {maker[path] for path in _paths(stage["deps"]) if path in maker} for name, stage in pipeline.items()}


def direct_upstream(pipeline: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return, for each stage, the stages that it has to wait for by itself: the transitive reduction of `upstream`.

    A stage whose outputs another source has waited for already is left out; the order of the tasks stays the same.

    >>> read = {"a": [], "b": ["1"], "c": ["1", "2"]}
    >>> pipeline = {name: {"deps": read[name], "outs": [out]} for name, out in zip("abc", "123")}
    >>> direct_upstream(pipeline)
    {'a': set(), 'b': {'a'}, 'c': {'b'}}
    """
    sources = upstream(pipeline)
    ancestors: dict[str, set[str]] = {}
    for name in TopologicalSorter(sources).static_order():
        ancestors[name] = sources[name].union(*(ancestors[source] for source in sources[name]))
    return {name: near.difference(*(ancestors[source] for source in near)) for name, near in sources.items()}


def _paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def the_run() -> str:
    """Return the name of the run that `start` opened, or skip the task: a dry run opens none."""
    name = get_current_context()["ti"].xcom_pull(task_ids="start", key="return_value")
    if name is None:
        raise AirflowSkipException("a dry run: the log of `start` says what would run")
    return str(name)


def render_stages(pipeline: Mapping[str, Mapping[str, Any]], group_id: str = "pipeline") -> TaskGroup:
    """Return a task group with one `onward run stage` task a stage, ordered by deps and outs.

    Args:
        pipeline: the stages of dvc.yaml by name.
        group_id: what the group is called.
    """
    pools, queues = by_stage(STAGE_POOLS, pipeline), by_stage(STAGE_QUEUES, pipeline)
    with TaskGroup(group_id=group_id, tooltip="The stages of dvc.yaml") as group:
        tasks = {}
        for name, stage in pipeline.items():
            queue = {"queue": queues[name]} if name in queues else {}

            @task(
                task_id=name, doc_md=stage.get("desc", name), pool=pools.get(name, STAGE_POOL), **queue,
                execution_timeout=timedelta(hours=2), outlets=OUTLETS.get(name), inlets=INLETS.get(name),
            )  # fmt: skip
            def run_stage(stage_name: str) -> None:
                name_of_run = the_run()
                run("run", "stage", name_of_run, stage_name)
                for asset in OUTLETS.get(stage_name, []):
                    get_current_context()["outlet_events"][asset].extra = {"run": name_of_run}

            tasks[name] = run_stage(name)
        for name, sources in direct_upstream(pipeline).items():
            for source in sorted(sources):
                tasks[source] >> tasks[name]
    return group
