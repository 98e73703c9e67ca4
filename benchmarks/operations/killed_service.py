"""`onward serve` over a registry that hosts share, killed under load while the version in use changes."""

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.operations.cluster_runs import console
from benchmarks.operations.open_loop import open_loop
from benchmarks.operations.served_questions import Questions
from benchmarks.operations.serving_load import BOUND_SECONDS, SeenAnswers, logged, serving
from onward.deployment.bundle_files import read_bundle
from onward.deployment.registry import Registry
from onward.errors import ServiceError
from onward.services.local import HOST
from onward.serving.served_folders import ServedFolders

_PATIENCE = 60.0


@dataclass(frozen=True)
class ServiceKills:
    """What the kills of the service led to.

    Attributes:
        kills: while it answered.
        answers: acknowledged in time and looked for in the log.
        lost: of these, not in the log.
        twice: lines of the log beyond one an answer.
        torn: lines of the log that are not whole.
        behind: starts after which it served another version than the one in use.
    """

    kills: int
    answers: int
    lost: int
    twice: int
    torn: int
    behind: int


def kill_service(registry: Registry, versions: tuple[int, int], folder: Path, draw: random.Random, kills: int,
                 rate: float = 50.0) -> ServiceKills:  # fmt: skip
    """Serve under load, promote the other version and kill, again and again; the first version is in use at the end.

    Args:
        registry: of the hosts.
        versions: the one in use and another.
        folder: of the service's log; new.
        draw: of the moments.
        kills: how many.
        rate: requests a second.
    """
    folder.mkdir(parents=True)
    questions = Questions(read_bundle(registry.folder(registry.version(versions[0]))), draw.randrange(2**31))
    served = ServedFolders(folder / "served")
    lost = answers = behind = 0
    for number in range(kills + 1):
        with serving(registry, folder) as server:
            behind += _served(server.port) != _champion(registry)
            if number == kills:
                # The last start cuts what the last kill may have torn.
                break
            seen = SeenAnswers(versions)
            killed_at = _load_and_kill(registry, versions[(number + 1) % 2], (server.port, server.pid), questions,
                                       seen, rate, draw)  # fmt: skip
        old = {identity for identity, at in seen.acknowledged.items() if at <= killed_at - BOUND_SECONDS}
        answers += len(old)
        lost += len(old - set(logged(served.decisions)[0]))
        console.log(f"killed the service: {answers} answers looked for, {lost} lost")
    if _champion(registry) != versions[0]:
        registry.promote(versions[0])
    identities, torn = logged(served.decisions)
    return ServiceKills(kills, answers, lost, len(identities) - len(set(identities)), torn, behind)


def _load_and_kill(
    registry: Registry, next_version: int, server: tuple[int, int], questions: Questions, seen: SeenAnswers,
    rate: float, draw: random.Random,
) -> float:  # fmt: skip
    """Ask until the server is killed, just after or before another version is promoted; returns when it died."""
    port, pid = server
    died: list[float] = []

    def kill() -> None:
        died.append(time.perf_counter())
        psutil.Process(pid).kill()

    timer = threading.Timer(draw.uniform(2.5, 4.5), kill)
    change = threading.Timer(2.0, registry.promote, (next_version,))
    change.start()
    timer.start()
    open_loop((HOST, port), questions.requests(), rate, _PATIENCE, seen.take)
    timer.join()
    change.join()
    return died[0]


def _champion(registry: Registry) -> int:
    champion = registry.champion()
    if champion is None:
        raise ServiceError("no version is in use")
    return champion.number


def _served(port: int) -> int:
    return int(httpx.get(f"http://{HOST}:{port}/health/ready", trust_env=False).json()["version"])
