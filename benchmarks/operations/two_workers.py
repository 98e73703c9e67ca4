"""Celery workers that share no folder train, promote and roll back, and are killed: is anything lost or doubled?

Each worker has a checkout, working copies and a DVC cache of its own; they share a bare git repository, a DVC remote,
PostgreSQL (Airflow's metadata and the model registry) and Redis. Two take turns at a run's stages, the third serves
the queue `control`. One run is left in peace. Then workers are killed with SIGKILL in every task, at a random moment or
just after the stage's commit (the one that deploys: just after its version is in use), half of the time with everything
they started, as by a power cut, half of the time alone, so that the task's own processes live on. Two runs with
different as_of go at once; a rollback is asked for meanwhile. Then versions are promoted and rolled back, by hand and
by event, and the worker is killed in each (killed_changes.py); `onward serve` is killed under load (killed_service.py);
`onward gc` is killed while it deletes (killed_collection.py). Every run's outs are compared with those that a plain
`dvc repro` makes in another clone with the same history.

Needs PostgreSQL and Redis; on Debian: apt-get install postgresql-15 redis-server.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from benchmarks.operations.killed_changes import Outcome, carry_out, seconds_behind_training, wishes
from benchmarks.operations.killed_collection import Collection, collect_and_kill
from benchmarks.operations.killed_service import ServiceKills, kill_service
from benchmarks.operations.registry_ledger import Ledger, ledger_of
from onward.deployment.registry import Registry
from onward.errors import RegistryError, ServiceError
from onward.settings import read_settings
from tools.testbeds.airflow_rest import Airflow
from tools.testbeds.local_cluster import CONTROL, Cluster, cluster
from tools.testbeds.local_servers import require_programs, unwind_on_signals
from tools.testbeds.small_shop import Shop, clone_shop, lock_hashes, make_shop, set_params

QUEUES = {"one": "default", "two": "default", "three": CONTROL}
SERVICE_KILLS, GC_KILLS = 4, 4
PEACE, KILLED, TOGETHER = "2017-10-23", ("2017-10-30", "2017-11-06"), ("2017-11-13", "2017-11-20")


@dataclass(frozen=True)
class AfterTraining:
    """What was done to the registry once the runs had ended.

    Attributes:
        changes: what became of each promotion and rollback.
        service: what the kills of `onward serve` led to.
        collection: what the kills of `onward gc` led to.
        orphans: versions that came into use though no branch holds the run that made them, or their bundle is gone.
        duplicates: versions beyond one a bundle.
        behind_training: seconds that a rollback took while both workers trained.
    """

    changes: Sequence[Outcome]
    service: ServiceKills
    collection: Collection
    orphans: int
    duplicates: int
    behind_training: float


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
    checkouts = {name: clone_shop(remote, folder / "checkouts" / name).root for name in ("head", *QUEUES)}
    shared = {
        "ONWARD_GIT_REMOTE": str(remote),
        "ONWARD_DVC_REMOTE": str(folder / "dvc-remote"),
        "ONWARD_REGISTRY": "{mlflow}",
        "ONWARD_REGISTRY_ARTIFACTS": str(folder / "registry-artifacts"),
        "ONWARD_RETRY_SECONDS": "1",
        "ONWARD_RETRIES": "6",
        "DVC_NO_ANALYTICS": "1",
    }
    with cluster(folder / "hosts", checkouts, shared, QUEUES) as running, ledger_of(running.database) as ledger:
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
            follow(airflow, runs[-1:], Killer(running, remote, ledger, expected, draw))
        console.log(f"two runs at once, as of {' and '.join(TOGETHER)}")
        runs += [begin(airflow, as_of) for as_of in TOGETHER]
        both_busy(airflow, runs[-2:])
        not_in_use = next(number for number in ledger.versions() if number != ledger.champion())
        behind = seconds_behind_training(running, not_in_use)
        follow(airflow, runs[-2:])
        versions, bundles = ledger.bundles()
        # Collecting deletes branches: what the runs left on them is looked at afterwards, in a copy.
        kept = folder / "before-gc.git"
        after = change_serve_and_collect(running, ledger, remote, kept, draw, versions - bundles, behind)
    busy = sum("is busy" in path.read_text(errors="replace") for path in (folder / "hosts").glob("*/logs/**/*.log"))
    return conclude(folder, kept, runs, after, busy, seed)


def change_serve_and_collect(
    running: Cluster, ledger: Ledger, remote: Path, kept: Path, draw: random.Random, duplicates: int, behind: float
) -> AfterTraining:
    """Kill promotions, rollbacks, the service and the collection, one after the other."""
    champion = ledger.champion()
    if champion is None:
        raise ServiceError("no run put its version in use")
    numbers = sorted(ledger.versions())
    changes = carry_out(running, ledger, wishes(numbers, champion), draw)
    settings = read_settings(
        project=running.head["ONWARD_PROJECT"], registry=running.head["ONWARD_REGISTRY"],
        registry_artifacts=running.head["ONWARD_REGISTRY_ARTIFACTS"],
    )  # fmt: skip
    registry = Registry.of(settings)
    other = next(number for number in numbers if number != champion)
    service = kill_service(registry, (champion, other), kept.parent / "served", draw, SERVICE_KILLS)
    subprocess.run(["git", "clone", "-q", "--mirror", str(remote), str(kept)], check=True)
    orphans = len(list(orphan_champions(registry, ledger, remote)))
    collection = collect_and_kill(running.head, remote, ledger, GC_KILLS, draw)
    return AfterTraining(changes, service, collection, orphans, duplicates, behind)


def orphan_champions(registry: Registry, ledger: Ledger, remote: Path) -> Iterator[int]:
    """Versions that are or were in use without a branch that says how they were made, or without their bundle."""
    versions = ledger.versions()
    for number in sorted({*ledger.events("promoted"), ledger.champion() or 0} - {0}):
        try:
            recorded = stage_commits(remote, f"runs/{versions[number]}")["deploy"]
            whole = registry.folder(registry.version(number)).is_dir()
        except (subprocess.CalledProcessError, RegistryError):
            recorded, whole = 0, False
        if not recorded or not whole:
            yield number


def both_busy(airflow: Airflow, runs: Sequence[Run], patience: float = 300.0) -> None:
    """Wait until each of the runs does a stage.

    Raises:
        ServiceError: that does not happen.
    """
    deadline = time.monotonic() + patience
    while not all(
        any(task["state"] == "running" and stage_of(task["task_id"]) != task["task_id"] for task in tasks)
        for tasks in (airflow.tasks(DAG, run.id) for run in runs)
    ):
        if time.monotonic() > deadline:
            raise ServiceError(f"runs {[run.as_of for run in runs]} do not train at the same time")
        time.sleep(0.2)


def conclude(folder: Path, remote: Path, runs: list[Run], after: AfterTraining, busy: int, seed: int) -> Finding:
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
            "what": f"run as of {run.as_of}", "state": run.state, "kills": len(run.kills),
            "alone": sum(not kill.everything for kill in run.kills),
            "after commit": sum(kill.recorded for kill in run.kills),
            "tries": sum(int(task["try_number"]) for task in run.tasks),
            "stages by worker": "".join(worker[0] for worker in run.workers.values()), "turns": run.alternations,
            "commits": sum(commits.values()), "outs": len(ours), "differ": " ".join(apart) or "none",
            "seconds": round(run.seconds, 1),
        })  # fmt: skip
    kills = [kill for run in runs for kill in run.kills]
    changes, service, collection = after.changes, after.service, after.collection
    rows += [_row_of(outcome, rows[0]) for outcome in changes]
    killed = {
        "promote": sum(each.kills for each in changes if each.wish.kind == "promote"),
        "rollback": sum(each.kills for each in changes if each.wish.kind != "promote"),
        "service": service.kills,
        "gc": collection.kills,
    }
    claims = {
        "kills": float(len(kills) + sum(killed.values())),
        "kills_in_training": float(len(kills)),
        **{f"kills_of_{name}": float(number) for name, number in killed.items()},
        "kills_before_push": float(sum(kill.promoted for kill in kills)),
        "kills_after_commit": float(sum(kill.recorded for kill in kills)),
        "stages_killed": float(len({stage_of(kill.task) for kill in kills} & stages)),
        "runs": float(len(runs)),
        "runs_lost": float(lost),
        "stages_done_twice": float(twice),
        "hash_mismatches": float(mismatches),
        "duplicate_versions": float(after.duplicates),
        "changes_lost": float(sum(each.lost for each in changes)),
        "double_promotions": float(sum(each.twice for each in changes if each.wish.kind == "promote")),
        "double_rollbacks": float(sum(each.twice for each in changes if each.wish.kind != "promote")),
        "orphan_champions": float(after.orphans),
        "answers_looked_for": float(service.answers),
        "decisions_lost": float(service.lost),
        "decisions_twice": float(service.twice),
        "torn_lines": float(service.torn),
        "served_another_version": float(service.behind),
        "runs_collected": float(collection.runs),
        "collected_wrongly": float(collection.lost),
        "left_by_gc": float(collection.left),
        "rollback_behind_training_s": after.behind_training,
        "busy_messages": float(busy),
        "alternations_in_peace": float(next(run for run in runs if run.as_of == PEACE).alternations),
    }
    return Finding("two_workers", [seed], rows, claims)


def _row_of(outcome: Outcome, like: Mapping[str, Cell]) -> dict[str, Cell]:
    """A change as a row of the same table as the runs."""
    own: dict[str, Cell] = {
        "what": f"{outcome.wish.kind} of version {outcome.wish.version}, killed {outcome.wish.moment}",
        "state": outcome.state, "kills": outcome.kills, "alone": int(not outcome.everything),
        "tries": outcome.tries, "seconds": round(outcome.seconds, 1),
    }  # fmt: skip
    return {**dict.fromkeys(like), **own}


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
