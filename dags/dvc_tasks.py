"""Render the stages of dvc.yaml as Airflow tasks, one a stage, so that the two DAGs cannot disagree.

Nothing heavy is imported here: Airflow parses this file again and again.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import TaskGroup, task

PROJECT = Path(os.environ.get("ONWARD_PROJECT", Path(__file__).resolve().parents[1]))


def stages(project: Path = PROJECT) -> dict[str, dict[str, Any]]:
    """Return the stages of a project's dvc.yaml by name."""
    pipeline: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))
    return pipeline["stages"]


def upstream(pipeline: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return, for each stage, the stages whose outputs it reads, from deps and outs alone."""
    maker = {path: name for name, stage in pipeline.items() for path in _paths(stage.get("outs", []))}
    return {name: {maker[path] for path in _paths(stage["deps"]) if path in maker} for name, stage in pipeline.items()}


def _paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def run(*command: str, project: Path = PROJECT) -> None:
    """Run `python -m …` in the project's folder, its output streamed into the task's log.

    Raises:
        RuntimeError: it failed; the message says how to repeat the command by hand.
    """
    # The stage commands say `python`: put this interpreter's folder first, whatever a login shell would choose.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        for line in process.stdout or ():
            print(line, end="", flush=True)  # noqa: T201 - the task's log is standard output
    if process.returncode != 0:
        raise RuntimeError(
            f"`python -m {' '.join(command)}` ended with status {process.returncode}: see the lines above; "
            f"repeat it by hand in {project}"
        )


def render_stages(group_id: str = "pipeline", project: Path = PROJECT) -> TaskGroup:
    """Return a task group with one `dvc repro --single-item` task a stage, ordered by deps and outs."""
    pipeline = stages(project)
    with TaskGroup(group_id=group_id) as group:
        tasks = {}
        for name, stage in pipeline.items():

            @task(
                task_id=name,
                doc_md=stage.get("desc", name),
                retries=2,
                retry_delay=timedelta(seconds=30),
                retry_exponential_backoff=True,
                execution_timeout=timedelta(hours=1),
            )
            def reproduce(stage_name: str) -> None:
                # Not plain dvc: a worker killed while DVC wrote its lock would leave every retry failing.
                run("onward.cli", "repro", "--single-item", stage_name)

            tasks[name] = reproduce(name)
        for name, sources in upstream(pipeline).items():
            for source in sorted(sources):
                tasks[source] >> tasks[name]
    return group
