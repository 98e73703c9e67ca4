"""Two Celery workers that share no folder take turns at a run's stages, and are killed: is anything lost or doubled?

Each worker has a checkout, working copies and a DVC cache of its own; they share a bare git repository, a DVC remote,
PostgreSQL (Airflow's metadata and the model registry) and Redis. One run is left in peace. Then workers are killed
with SIGKILL in the middle of every task, half of the time with everything they started, as by a power cut, half of the
time alone, so that the task's own processes live on. At last two runs with different as_of go at once. Every run's
outs are compared with those that a plain `dvc repro` makes in another clone with the same history.

Needs PostgreSQL and Redis; on Debian: apt-get install postgresql-15 redis-server.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from benchmarks.airflow_rest import FINAL, Airflow
from benchmarks.form import Cell, Finding, publish
from benchmarks.local_cluster import Cluster, cluster
from benchmarks.local_servers import Postgres, require_programs
from benchmarks.small_shop import Shop, clone_shop, lock_hashes, make_shop, set_params
from onward.errors import ServiceError

DAG = "retrain"
PEACE, KILLED, TOGETHER = "2017-10-23", ("2017-10-30", "2017-11-06"), ("2017-11-13", "2017-11-20")
_PATIENCE = 1800.0
_console = Console(stderr=True)


@dataclass
class Run:
    """A run of the DAG: what was asked, what was done to it, and how it ended."""

    as_of: str
    id: str
    killed: list[tuple[str, str, str]] = field(default_factory=list)
    state: str = ""
    seconds: float = 0.0
    tasks: list[dict[str, Any]] = field(default_factory=list)
    branch: str = ""

    @property
    def workers(self) -> dict[str, str]:
        """The worker that finished each stage, in the order of the stages' starts."""
        stages = (task for task in self.tasks if task["task_id"].startswith("pipeline."))
        return {_stage(task): task["hostname"] for task in sorted(stages, key=lambda task: str(task["start_date"]))}

    @property
    def alternations(self) -> int:
        """How often a stage was done by another worker than the stage before it."""
        order = list(self.workers.values())
        return sum(one != two for one, two in pairwise(order))


@dataclass
class Killer:
    """Kills the worker of each planned task once, at a random moment of its first try.

    Attributes:
        cluster: whose workers die; each is started again at once under its name.
        expected: seconds that each task takes when left in peace.
        draw: of the moments and of what dies with the worker.
    """

    cluster: Cluster
    expected: Mapping[str, float]
    draw: random.Random

    def __post_init__(self) -> None:
        self._moments: dict[str, float] = {}
        self._done: set[str] = set()

    def look(self, run: Run, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Kill whom it is time to kill."""
        for task in tasks:
            name = task["task_id"]
            if task["state"] != "running" or name in self._done or not task["hostname"]:
                continue
            due = self._moments.setdefault(name, time.monotonic() + self.draw.uniform(0.1, 0.9) * self.expected[name])
            if time.monotonic() < due:
                continue
            worker, everything = self.cluster.workers[task["hostname"]], self.draw.random() < 0.5
            self._done.add(name)
            # The list is a moment old: a task that has ended by now was not killed in its middle.
            if not self._still_running(run, name):
                continue
            worker.kill(everything=everything)
            worker.start()
            run.killed.append((_stage(task), worker.name, "with all it started" if everything else "alone"))
            _console.log(f"killed worker {worker.name} {run.killed[-1][2]} in the middle of {_stage(task)}")

    def _still_running(self, run: Run, name: str) -> bool:
        now = {task["task_id"]: task["state"] for task in self.cluster.airflow.tasks(DAG, run.id)}
        return bool(now[name] == "running")


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
                event = f"{run.as_of} {_stage(task)}: {task['state']} on {task['hostname']}, try {task['try_number']}"
                if task["state"] in {"success", "failed", "up_for_retry"} and event not in told:
                    told.add(event)
                    _console.log(event)
            if killer is not None:
                killer.look(run, tasks)
            state = airflow.state(DAG, run.id)
            if state in FINAL:
                run.state, run.seconds, run.tasks = state, time.monotonic() - started, airflow.tasks(DAG, run.id)
                run.branch = f"runs/{_name(airflow, run.id)}"
        if time.monotonic() - started > _PATIENCE:
            raise ServiceError(f"runs of {[run.as_of for run in runs]} have not ended in {_PATIENCE:.0f} s")
        time.sleep(0.2)


def begin(airflow: Airflow, as_of: str) -> Run:
    """Trigger a run."""
    return Run(as_of, airflow.trigger(DAG, {"as_of": as_of}))


def stage_commits(remote: Path, branch: str) -> Counter[str]:
    """How many commits of a run's branch say of each stage that it is done."""
    said = _git(remote, "log", "--format=%(trailers:key=Onward-Stage,valueonly)", branch, "--")
    return Counter(said.split())


def registered(database: Postgres) -> tuple[int, int]:
    """How many model versions there are, and how many different bundles they hold."""
    with psycopg.connect(database.address("mlflow")) as connection:
        question = "SELECT count(*), count(DISTINCT value) FROM model_version_tags WHERE key = 'bundle_sha256'"
        found = connection.execute(question).fetchone()
    if found is None:
        raise ServiceError("the registry's database does not answer")
    return int(found[0]), int(found[1])


def plain_hashes(shop: Shop, runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """Each run's outs as a plain `dvc repro` makes them, one run after the other in one clone."""
    found = {}
    for run in runs:
        _console.log(f"plain dvc repro as of {run.as_of}")
        set_params(shop.root / "params.yaml", {"run": {"as_of": run.as_of}})
        shop.run("dvc", "repro")
        found[run.id] = shop.hashes()
    return found


def measure(folder: Path, seed: int) -> Finding:
    """Run everything below `folder`."""
    draw = random.Random(seed)  # noqa: S311 - moments, no secrets
    remote = folder / "remote.git"
    shop = make_shop(folder / "shop")
    shop.run("git", "clone", "-q", "--bare", str(shop.root), str(remote))
    checkouts = {name: clone_shop(remote, folder / "checkouts" / name).root for name in ("head", "one", "two")}
    shared = {
        "ONWARD_GIT_REMOTE": str(remote),
        "ONWARD_DVC_REMOTE": str(folder / "dvc-remote"),
        "ONWARD_REGISTRY": "{mlflow}",
        "ONWARD_REGISTRY_ARTIFACTS": str(folder / "registry-artifacts"),
        "ONWARD_RETRY_SECONDS": "1",
        "ONWARD_RETRIES": "6",
        "DVC_NO_ANALYTICS": "1",
    }
    with cluster(folder / "hosts", checkouts, shared) as running:
        airflow = running.airflow
        airflow.unpause(DAG)
        _console.log(f"a run as of {PEACE}, left in peace")
        peaceful = begin(airflow, PEACE)
        follow(airflow, [peaceful])
        runs = [peaceful]
        expected = {task["task_id"]: float(task["duration"] or 1.0) for task in peaceful.tasks}
        for as_of in KILLED:
            _console.log(f"a run as of {as_of}, its workers killed in every task")
            runs.append(begin(airflow, as_of))
            follow(airflow, runs[-1:], Killer(running, expected, draw))
        _console.log(f"two runs at once, as of {' and '.join(TOGETHER)}")
        runs += [begin(airflow, as_of) for as_of in TOGETHER]
        follow(airflow, runs[-2:])
        versions, bundles = registered(running.database)
    busy = sum("is busy" in path.read_text(errors="replace") for path in (folder / "hosts").glob("*/logs/**/*.log"))
    return conclude(folder, remote, runs, versions - bundles, busy, seed)


def conclude(folder: Path, remote: Path, runs: list[Run], duplicates: int, busy: int, seed: int) -> Finding:
    """Compare what the runs left with a plain `dvc repro`."""
    # In the order in which they were registered: each was judged against the champion of its time.
    runs = sorted(runs, key=lambda run: _version(remote, run))
    plain = plain_hashes(clone_shop(remote, folder / "plain"), runs)
    stages = set(plain[runs[0].id]) and set(runs[0].workers)
    rows: list[dict[str, Cell]] = []
    lost = twice = mismatches = 0
    for run in runs:
        commits = stage_commits(remote, run.branch)
        whole = run.state == "success" and set(commits) == stages
        ours = lock_hashes(_git(remote, "show", f"{run.branch}:dvc.lock"))
        apart = sorted(path for path in ours | plain[run.id] if ours.get(path) != plain[run.id].get(path))
        lost, twice, mismatches = (
            lost + (not whole),
            twice + sum(commits.values()) - len(commits),
            mismatches + len(apart),
        )
        rows.append({
            "as_of": run.as_of, "state": run.state, "kills": len(run.killed),
            "killed in": " ".join(stage for stage, _, _ in run.killed) or "–",
            "worker alone": sum(what == "alone" for _, _, what in run.killed),
            "tries": sum(int(task["try_number"]) for task in run.tasks),
            "stages by worker": " ".join(run.workers.values()), "alternations": run.alternations,
            "commits": sum(commits.values()), "outs": len(ours), "outs that differ": " ".join(apart) or "none",
            "seconds": round(run.seconds, 1),
        })  # fmt: skip
    claims = {
        "kills": float(sum(len(run.killed) for run in runs)),
        "stages_killed": float(len({stage for run in runs for stage, _, _ in run.killed} & stages)),
        "runs": float(len(runs)),
        "runs_lost": float(lost),
        "stages_done_twice": float(twice),
        "hash_mismatches": float(mismatches),
        "duplicate_versions": float(duplicates),
        "busy_messages": float(busy),
        "alternations_in_peace": float(next(run for run in runs if run.as_of == PEACE).alternations),
    }
    return Finding("two_workers", [seed], rows, claims)


def _stage(task: Mapping[str, Any]) -> str:
    return str(task["task_id"]).rpartition(".")[2]


def _name(airflow: Airflow, run: str) -> str:
    place = f"/dags/{DAG}/dagRuns/{run}/taskInstances/start/xcomEntries/return_value"
    return str(airflow.ask("GET", place.replace("+", "%2B"))["value"])


def _version(remote: Path, run: Run) -> int:
    facts = json.loads(_git(remote, "show", f"{run.branch}:run.json"))["finished"]
    return int(facts["version"]) if facts else sys.maxsize


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20171120, help="of the moments at which workers are killed")
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it, to look into what happened")
    asked = parser.parse_args()
    try:
        require_programs()
        if asked.keep is not None:
            asked.keep.mkdir(parents=True)
            publish(measure(asked.keep.resolve(), asked.seed))
            return
        with tempfile.TemporaryDirectory(prefix="onward-two-workers-") as scratch:
            publish(measure(Path(scratch), asked.seed))
    except ServiceError as error:
        sys.exit(f"benchmarks.two_workers: {error}")


if __name__ == "__main__":
    main()
