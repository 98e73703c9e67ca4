"""Two Celery workers that share no folder take turns at a run's stages, and are killed: is anything lost or doubled?

Each worker has a checkout, working copies and a DVC cache of its own; they share a bare git repository, a DVC remote,
PostgreSQL (Airflow's metadata and the model registry) and Redis. One run is left in peace. Then workers are killed
with SIGKILL in every task, at a random moment or just after the stage's commit, half of the time with everything they
started, as by a power cut, half of the time alone, so that the task's own processes live on. At last two runs with
different as_of go at once. Every run's outs are compared with those that a plain `dvc repro` makes in another clone
with the same history.

Needs PostgreSQL and Redis; on Debian: apt-get install postgresql-15 redis-server.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.operations.cluster_runs import (
    DAG,
    Killer,
    Run,
    begin,
    console,
    follow,
    git_said,
    stage_commits,
    stage_of,
)
from onward.errors import ServiceError
from tools.testbeds.local_cluster import cluster
from tools.testbeds.local_servers import Postgres, require_programs, unwind_on_signals
from tools.testbeds.small_shop import Shop, clone_shop, lock_hashes, make_shop, set_params

PEACE, KILLED, TOGETHER = "2017-10-23", ("2017-10-30", "2017-11-06"), ("2017-11-13", "2017-11-20")


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
        console.log(f"plain dvc repro as of {run.as_of}")
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
        console.log(f"a run as of {PEACE}, left in peace")
        peaceful = begin(airflow, PEACE)
        follow(airflow, [peaceful])
        runs = [peaceful]
        expected = {task["task_id"]: float(task["duration"] or 1.0) for task in peaceful.tasks}
        for as_of in KILLED:
            console.log(f"a run as of {as_of}, its workers killed in every task")
            runs.append(begin(airflow, as_of))
            follow(airflow, runs[-1:], Killer(running, remote, expected, draw))
        console.log(f"two runs at once, as of {' and '.join(TOGETHER)}")
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
        ours = lock_hashes(git_said(remote, "show", f"{run.branch}:dvc.lock"))
        apart = sorted(path for path in ours | plain[run.id] if ours.get(path) != plain[run.id].get(path))
        lost, twice, mismatches = (
            lost + (not whole),
            twice + sum(commits.values()) - len(commits),
            mismatches + len(apart),
        )
        rows.append({
            "as_of": run.as_of, "state": run.state, "kills": len(run.kills),
            "alone": sum(not kill.everything for kill in run.kills),
            "after commit": sum(kill.recorded for kill in run.kills),
            "tries": sum(int(task["try_number"]) for task in run.tasks),
            "stages by worker": "".join(worker[0] for worker in run.workers.values()), "turns": run.alternations,
            "commits": sum(commits.values()), "outs": len(ours), "differ": " ".join(apart) or "none",
            "seconds": round(run.seconds, 1),
        })  # fmt: skip
    kills = [kill for run in runs for kill in run.kills]
    claims = {
        "kills": float(len(kills)),
        "kills_after_commit": float(sum(kill.recorded for kill in kills)),
        "stages_killed": float(len({stage_of(kill.task) for kill in kills} & stages)),
        "runs": float(len(runs)),
        "runs_lost": float(lost),
        "stages_done_twice": float(twice),
        "hash_mismatches": float(mismatches),
        "duplicate_versions": float(duplicates),
        "busy_messages": float(busy),
        "alternations_in_peace": float(next(run for run in runs if run.as_of == PEACE).alternations),
    }
    return Finding("two_workers", [seed], rows, claims)


def _version(remote: Path, run: Run) -> int:
    facts = json.loads(git_said(remote, "show", f"{run.branch}:run.json"))["finished"]
    return int(facts["version"]) if facts else sys.maxsize


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20171120, help="of the moments at which workers are killed")
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it, to look into what happened")
    asked = parser.parse_args()
    unwind_on_signals()
    try:
        require_programs()
        if asked.keep is not None:
            asked.keep.mkdir(parents=True)
            publish(measure(asked.keep.resolve(), asked.seed))
            return
        with tempfile.TemporaryDirectory(prefix="onward-two-workers-") as scratch:
            publish(measure(Path(scratch), asked.seed))
    except ServiceError as error:
        sys.exit(f"benchmarks.operations.two_workers: {error}")


if __name__ == "__main__":
    main()
