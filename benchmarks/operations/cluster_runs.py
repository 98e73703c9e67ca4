"""Follow runs of the DAG on a local cluster, and kill the workers that do them."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.operations.registry_ledger import Ledger
from onward.errors import ServiceError
from tools.testbeds.airflow_rest import FINAL, Airflow
from tools.testbeds.local_cluster import Cluster

DAG = "retrain"
_GROUP = "pipeline."
_DEPLOY = f"{_GROUP}deploy"
_PATIENCE = 1800.0
console = Console(stderr=True)


@dataclass(frozen=True)
class Kill:
    """A worker's end: in the middle of which task, and what died with it.

    Attributes:
        task: that it did.
        worker: its name.
        everything: whether all that it had started died too.
        recorded: whether the stage had been recorded.
        promoted: whether the stage's version was in use without being recorded.
    """

    task: str
    worker: str
    everything: bool
    recorded: bool
    promoted: bool = False

    def __str__(self) -> str:
        middle = "after its promotion" if self.promoted else "in its middle"
        moment = "after its commit" if self.recorded else middle
        return f"{stage_of(self.task)} {moment}, {'with all it started' if self.everything else 'alone'}"


@dataclass
class Run:
    """A run of the DAG: what was asked, what was done to it, and how it ended."""

    as_of: str
    id: str
    attacks: list[Kill] = field(default_factory=list)
    state: str = ""
    seconds: float = 0.0
    tasks: list[dict[str, Any]] = field(default_factory=list)
    branch: str = ""

    @property
    def kills(self) -> list[Kill]:
        """Those attacks that cost the task a try; one that came when the task had ended cost nothing."""
        tries = {task["task_id"]: int(task["try_number"]) for task in self.tasks}
        return [kill for kill in self.attacks if tries.get(kill.task, 1) > 1]

    @property
    def workers(self) -> dict[str, str]:
        """The worker that finished each stage, in the order of the stages' starts."""
        stages = (task for task in self.tasks if task["task_id"].startswith(_GROUP))
        return {
            stage_of(task["task_id"]): task["hostname"]
            for task in sorted(stages, key=lambda task: str(task["start_date"]))
        }

    @property
    def alternations(self) -> int:
        """How often a stage was done by another worker than the stage before it."""
        return sum(one != two for one, two in pairwise(self.workers.values()))


@dataclass
class Killer:
    """Kills the worker of each task once, in its first try, and starts it again under its name.

    Two times in three at a random moment; else, for stages, once the branch holds the stage's commit and the task has
    not yet ended. The stage that deploys dies as soon as its version is in use, before its commit, with all it started.

    Attributes:
        cluster: whose workers die.
        remote: the git remote.
        ledger: of the registry.
        expected: seconds that each task takes when left in peace.
        draw: of the moments and of what dies with the worker.
    """

    cluster: Cluster
    remote: Path
    ledger: Ledger
    expected: Mapping[str, float]
    draw: random.Random

    def __post_init__(self) -> None:
        self._due: dict[str, float] = {}
        self._done: set[str] = set()

    def look(self, run: Run, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Kill whom it is time to kill."""
        for task in tasks:
            name = task["task_id"]
            if task["state"] != "running" or name in self._done or not task["hostname"]:
                continue
            if name not in self._due:
                late = name.startswith(_GROUP) and self.draw.random() < 1 / 3
                wait = 0.0 if late else self.draw.uniform(0.1, 0.9) * self.expected[name]
                self._due[name] = time.monotonic() + wait
                if name == _DEPLOY:
                    self._due[name] = time.monotonic()
                    self._await_commit(run, name, promoted_over=self.ledger.champion())
                elif late:
                    self._await_commit(run, name)
            if time.monotonic() >= self._due[name]:
                self._done.add(name)
                self._kill(run, name, task["hostname"])

    def _kill(self, run: Run, name: str, worker: str) -> None:
        deploys = name == _DEPLOY
        everything = self.draw.random() < 0.5 or deploys
        self.cluster.workers[worker].kill(everything=everything)
        self.cluster.workers[worker].start()
        recorded = self._recorded(run, name)
        run.attacks.append(Kill(name, worker, everything, recorded, deploys and not recorded))
        console.log(f"{run.as_of} killed worker {worker}: {run.attacks[-1]}")

    def _await_commit(self, run: Run, name: str, promoted_over: int | None = None) -> None:
        """Wait for the stage's commit, or for another version in use than the one before."""
        deadline = time.monotonic() + _PATIENCE
        while not self._recorded(run, name) and time.monotonic() < deadline:
            if name == _DEPLOY and self.ledger.champion() != promoted_over:
                return
            time.sleep(0.005)

    def _recorded(self, run: Run, name: str) -> bool:
        branch = branch_of(self.cluster.airflow, run) if name.startswith(_GROUP) else None
        return branch is not None and stage_of(name) in stage_commits(self.remote, branch)


def follow(airflow: Airflow, runs: Sequence[Run], killer: Killer | None = None) -> None:
    """Wait until the runs have ended, killing meanwhile; fills in how they ended.

    Raises:
        ServiceError: a run has not ended in time.
    """
    started = time.monotonic()
    told: set[str] = set()
    while not all(run.state for run in runs):
        for run in runs:
            if run.state:
                continue
            tasks = airflow.tasks(DAG, run.id)
            for task in tasks:
                place = f"{task['state']} on {task['hostname']}, try {task['try_number']}"
                event = f"{run.as_of} {stage_of(task['task_id'])}: {place}"
                if task["state"] in {"success", "failed", "up_for_retry"} and event not in told:
                    told.add(event)
                    console.log(event)
            if killer is not None:
                killer.look(run, tasks)
            state = airflow.state(DAG, run.id)
            if state in FINAL:
                run.state, run.seconds, run.tasks = state, time.monotonic() - started, airflow.tasks(DAG, run.id)
                run.branch = branch_of(airflow, run)
        if time.monotonic() - started > _PATIENCE:
            raise ServiceError(f"runs of {[run.as_of for run in runs]} have not ended in {_PATIENCE:.0f} s")
        time.sleep(0.2)


def begin(airflow: Airflow, as_of: str) -> Run:
    """Trigger a run."""
    return Run(as_of, airflow.trigger(DAG, {"as_of": as_of}))


def branch_of(airflow: Airflow, run: Run) -> str:
    """The run's branch, as its task `start` told the others."""
    if not run.branch:
        place = f"/dags/{DAG}/dagRuns/{run.id}/taskInstances/start/xcomEntries/return_value"
        run.branch = f"runs/{airflow.ask('GET', place.replace('+', '%2B'))['value']}"
    return run.branch


def stage_commits(remote: Path, name: str) -> Counter[str]:
    """How many commits of a run's branch say of each stage that it is done."""
    said = git_said(remote, "log", "--format=%(trailers:key=Onward-Stage,valueonly)", name, "--")
    return Counter(said.split())


def stage_of(task: str) -> str:
    """The stage that a task does; tasks outside the group of stages are called by their own name."""
    return task.rpartition(".")[2]


def git_said(folder: Path, *words: str) -> str:
    """What a git command prints in a repository."""
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout
