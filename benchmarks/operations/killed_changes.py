"""Promotions and rollbacks through Airflow, whose worker is killed in the middle; what came of each wish is counted.

A wish is made by hand (DAG `promote`) or by the event `onward_rollback` (DAG `rollback`). Its worker dies at a random
moment of the task, or just after the registry holds the wish's reason, or just after the alias has moved.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.operations.cluster_runs import console
from benchmarks.operations.registry_ledger import Ledger
from onward.errors import ServiceError
from tools.testbeds.local_cluster import Cluster

_TASK = "change"
_PATIENCE = 600.0
_RANDOM, _TOLD, _MOVED = "at a random moment", "after its reason was written", "after the alias had moved"


@dataclass(frozen=True)
class Wish:
    """A change of what is in use, and when its worker is killed.

    Attributes:
        place: in the order of all wishes.
        kind: promote, roll_back, or event for a rollback that an event asks for.
        version: to come into use, or out of it.
        expected: in use when the wish is made.
        after: in use once it is carried out.
        moment: at which the worker dies; empty for none.
    """

    place: int
    kind: str
    version: int
    expected: int
    after: int
    moment: str

    @property
    def reason(self) -> str:
        """A line that no other wish has."""
        return f"benchmark, wish {self.place}: {self.kind} of version {self.version}, its worker dies {self.moment}"

    @property
    def what(self) -> str:
        """The event that the registry keeps of it."""
        return "promoted" if self.kind == "promote" else "rolled back"


@dataclass(frozen=True)
class Outcome:
    """What became of a wish.

    Attributes:
        wish: see there.
        state: of Airflow's run.
        tries: of its task.
        kills: that cost it a try.
        everything: whether all that the worker had started died with it.
        champion: in use afterwards.
        told: how often the registry holds the wish's event.
        strays: versions that are barred though nobody asked for it, or in use again though they were.
        seconds: from the wish to the end of the run.
    """

    wish: Wish
    state: str
    tries: int
    kills: int
    everything: bool
    champion: int | None
    told: int
    strays: int
    seconds: float

    @property
    def lost(self) -> bool:
        """Whether the wish was not carried out."""
        return self.state != "success" or self.champion != self.wish.after or self.told == 0

    @property
    def twice(self) -> int:
        """How often it was carried out beyond the one time."""
        return max(0, self.told - 1) + self.strays


def wishes(versions: Sequence[int], champion: int) -> list[Wish]:
    """Promotions of versions not in use, each followed by a rollback: by hand or by event in turn."""
    others = [number for number in versions if number != champion]
    moments = ((_TOLD, _MOVED), (_MOVED, _TOLD), (_RANDOM, _MOVED), (_TOLD, _RANDOM))
    made = []
    for place, (forth, back) in enumerate(moments):
        number = others[place % len(others)]
        made.append(Wish(2 * place, "promote", number, champion, number, forth))
        made.append(Wish(2 * place + 1, "event" if place % 2 else "roll_back", number, number, champion, back))
    return made


def carry_out(cluster: Cluster, ledger: Ledger, asked: Sequence[Wish], draw: random.Random) -> list[Outcome]:
    """Make the wishes, one after the other, and kill the worker of each."""
    for dag in ("promote", "rollback"):
        cluster.airflow.unpause(dag)
    barred = ledger.barred()
    found = []
    for wish in asked:
        barred = barred - {wish.version} if wish.kind == "promote" else barred | {wish.version}
        outcome = _carry_out(cluster, ledger, wish, barred, draw)
        console.log(f"{wish.reason}: {outcome.state}, {outcome.tries} tries, version {outcome.champion} in use")
        found.append(outcome)
    return found


def seconds_behind_training(cluster: Cluster, not_in_use: int) -> float:
    """How long a rollback takes that changes nothing, since another version is in use than it names."""
    cluster.airflow.unpause("promote")
    started = time.monotonic()
    reason = "benchmark: is a rollback carried out while both workers train?"
    asked = {"action": "roll_back", "expected": not_in_use, "reason": reason}
    run = cluster.airflow.trigger("promote", asked)
    state = cluster.airflow.wait("promote", run, _PATIENCE)
    if state != "success":
        raise ServiceError(f"a rollback that was to change nothing ended as {state}")
    return time.monotonic() - started


def _carry_out(cluster: Cluster, ledger: Ledger, wish: Wish, barred: set[int], draw: random.Random) -> Outcome:
    airflow = cluster.airflow
    started = time.monotonic()
    dag, run = _ask(cluster, wish)
    deadline = started + _PATIENCE
    task: dict[str, Any] = {"state": None, "hostname": ""}
    while not (task["state"] == "running" and task["hostname"]) and time.monotonic() < deadline:
        task = _change(cluster, dag, run)
        time.sleep(0.05)
    reached: dict[str, Callable[[], bool]] = {
        _TOLD: lambda: bool(ledger.events(wish.what, wish.reason)),
        _MOVED: lambda: ledger.champion() == wish.after,
    }
    everything = True
    if wish.moment in reached:
        while not reached[wish.moment]() and time.monotonic() < deadline:
            time.sleep(0.001)
    else:
        everything = draw.random() < 0.5
        # The command takes some seconds, most of which it spends on imports.
        time.sleep(draw.uniform(0.5, 5.0))
    worker = cluster.workers[task["hostname"]]
    worker.kill(everything=everything)
    worker.start()
    state = airflow.wait(dag, run, _PATIENCE)
    tries = int(_change(cluster, dag, run)["try_number"])
    told = len(ledger.events(wish.what, wish.reason))
    strays = len(ledger.barred() ^ barred)
    seconds = time.monotonic() - started
    return Outcome(wish, state, tries, int(tries > 1), everything, ledger.champion(), told, strays, seconds)


def _change(cluster: Cluster, dag: str, run: str) -> dict[str, Any]:
    """The task of a run that changes what is in use."""
    return next(task for task in cluster.airflow.tasks(dag, run) if task["task_id"] == _TASK)


def _ask(cluster: Cluster, wish: Wish) -> tuple[str, str]:
    """Make a wish; returns the DAG and its run."""
    airflow = cluster.airflow
    if wish.kind != "event":
        asked = {"action": wish.kind, "expected": wish.expected, "reason": wish.reason}
        version = {"version": wish.version} if wish.kind == "promote" else {}
        return "promote", airflow.trigger("promote", asked | version)
    known = set(_runs(cluster))
    assets = {each["name"]: each["id"] for each in airflow.ask("GET", "/assets?limit=100")["assets"]}
    extra = {"version": wish.version, "reason": wish.reason}
    airflow.ask("POST", "/assets/events", {"asset_id": assets["onward_rollback"], "extra": extra})
    deadline = time.monotonic() + _PATIENCE
    while not (new := [run for run in _runs(cluster) if run not in known]):
        if time.monotonic() > deadline:
            raise ServiceError(f"no run has come of an event in {_PATIENCE:.0f} s")
        time.sleep(0.2)
    return "rollback", new[0]


def _runs(cluster: Cluster) -> Iterator[str]:
    found = cluster.airflow.ask("GET", "/dags/rollback/dagRuns?limit=100")
    yield from (str(run["dag_run_id"]) for run in found["dag_runs"])
