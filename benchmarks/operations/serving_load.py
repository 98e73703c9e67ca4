"""`onward serve` under load for minutes while champions swap, then killed under load again and again.

The deployed bundle, and a copy of it that lacks one head so that all its chances differ, are in a registry apart.
Requests come at a fixed rate from one process (open_loop.py); another promotes the two versions in turn. Every answer's
bytes are held against what its version answers in this process, worked out after the load: an answer in which two
versions are mixed equals neither. Then the server is killed (SIGKILL) under the same load at moments drawn at random,
and what it had acknowledged is looked for in its log.
"""

import argparse
import hashlib
import multiprocessing
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx
import numpy as np
import orjson
import psutil
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.operations.open_loop import LoadReport, Request, open_loop
from benchmarks.operations.served_questions import FEEDBACK, KINDS, Questions
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import bundle_hash, read_bundle, write_bundle
from onward.deployment.registry import Registry
from onward.errors import ServiceError
from onward.services.local import HOST, free_port
from onward.services.processes import Service, running
from onward.serving.loaded_version import load_version
from onward.serving.new_products import NewProducts
from onward.serving.served_folders import ServedFolders
from onward.settings import ProjectSettings, as_environment

SEED = 20261123
BOUND_SECONDS = 1.0
"""Within which an acknowledged decision has to be on disk."""
_PATIENCE = 120.0
_WARM_SECONDS = 20.0
_THREADS = 2
_ID_AT, _ID_LENGTH = len(b'{"request_id":"'), 32
_VERSION = re.compile(rb'^,"version":(\d+),')
_console = Console(stderr=True)


@dataclass
class SeenAnswers:
    """Every answer of a load: by question and version a digest of what it said.

    Attributes:
        digests: by question's number and version.
        strange: answers of no version that was served, or unlike an earlier one of the same version.
        acknowledged: by request id, when the answer came.
    """

    versions: tuple[int, ...]
    digests: dict[tuple[int, int], bytes] = field(default_factory=dict)
    strange: int = 0
    answers: int = 0
    acknowledged: dict[str, float] = field(default_factory=dict)

    def take(self, request: Request, body: bytes, at: float) -> None:
        """Take an answer down."""
        if request.kind == FEEDBACK:
            return
        self.answers += 1
        self.acknowledged[body[_ID_AT : _ID_AT + _ID_LENGTH].decode()] = at
        said = body[_ID_AT + _ID_LENGTH + 1 :]
        match = _VERSION.match(said)
        version = int(match.group(1)) if match else -1
        if version not in self.versions:
            self.strange += 1
            return
        digest = hashlib.blake2b(said, digest_size=8).digest()
        self.strange += self.digests.setdefault((request.question, version), digest) != digest


def two_versions(project: Path, folder: Path) -> tuple[Registry, Bundle]:
    """A registry of the project's deployed bundle and of one that lacks a head, the first in use."""
    deployed = Registry.of(ProjectSettings(project=project))
    champion = deployed.champion()
    if champion is None:
        raise ServiceError("nothing is deployed; run `dvc repro` first")
    bundle = read_bundle(deployed.folder(champion))
    scorer = replace(bundle.model.scorer, heads=bundle.model.scorer.heads[:-1])
    other = replace(bundle, model=replace(bundle.model, scorer=scorer)).with_listed_scores(_THREADS)
    registry = Registry(folder / "mlruns")
    for number, version in enumerate((bundle, other), 1):
        place = folder / f"bundle{number}"
        write_bundle(place, version)
        registry.register(place, bundle_hash(place), champion.tags, {})
    registry.promote(1)
    return registry, bundle


def promote_in_turn(root: Path, seconds: float, stop: Event) -> None:
    """Promote the versions 2, 1, 2, … at times that far apart, until told to stop; a process of its own."""
    registry = Registry(root)
    registry.champion()
    begun, done = time.monotonic(), 0
    # By a timetable: what a promotion takes itself does not put off the next.
    while not stop.wait(max(0.0, begun + (done + 1) * seconds - time.monotonic())):
        done += 1
        registry.promote(1 + done % 2)


@contextmanager
def promoting(registry: Registry, seconds: float) -> Iterator[None]:
    """Promote in another process, so that its work is no part of the generator's time."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=promote_in_turn, args=(registry.root, seconds, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join(_PATIENCE)


@dataclass(frozen=True)
class Server:
    """A running `onward serve`."""

    port: int
    pid: int
    ready_seconds: float

    def swaps(self) -> int:
        """Versions that took over, the first left out."""
        page = httpx.get(f"http://{HOST}:{self.port}/metrics", trust_env=False).text
        (line,) = [line for line in page.splitlines() if line.startswith("onward_champion_swaps ")]
        return int(float(line.split()[1])) - 1


@contextmanager
def serving(registry: Registry, folder: Path) -> Iterator[Server]:
    """Start `onward serve` and wait until it is ready; killed ones are no error."""
    port = free_port(0)
    shared = {} if registry.settings is None else {"registry_artifacts": registry.settings.artifacts}
    environment = as_environment(project=folder, registry=registry.address, served=folder / "served", **shared)
    command = (sys.executable, "-m", "onward.cli", "serve", "--port", str(port))
    service = Service("onward serve", command, environment, folder / "serve.log", f"http://{HOST}:{port}/health/live")
    begun = time.perf_counter()
    with running([service], folder, _PATIENCE) as (process,), httpx.Client(trust_env=False) as client:
        while client.get(f"http://{HOST}:{port}/health/ready").status_code != 200:
            if time.perf_counter() - begun > _PATIENCE:
                raise ServiceError(f"onward serve: not ready in {_PATIENCE:.0f} s; see {service.log}")
            time.sleep(0.02)
        yield Server(port, process.pid, time.perf_counter() - begun)


@contextmanager
def sampling(pid: int, memory: list[float]) -> Iterator[None]:
    """Take down a process's resident memory in MB once a second."""
    stop = threading.Event()

    def sample() -> None:
        process = psutil.Process(pid)
        while not stop.wait(1.0):
            memory.append(process.memory_info().rss / 2**20)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A line with a clock; told what to say."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_console, refresh_per_second=1) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=text)


def held_under_load(
    registry: Registry, questions: Questions, folder: Path, seconds: float, rate: float, swap_seconds: float
) -> tuple[LoadReport, SeenAnswers, list[float], int]:
    """Ask at a rate while versions are promoted in turn; returns also memory by the second, and the swaps."""
    seen, memory = SeenAnswers((1, 2)), list[float]()
    requests = questions.requests()
    with serving(registry, folder) as server, progress("warming") as tell:
        address = (HOST, server.port)
        # The first answers wait for what is made once: they are asked, and verified, but not in the figures.
        warming = open_loop(address, requests, rate, min(_WARM_SECONDS, seconds / 3), seen.take)
        if warming.errors:
            tell(f"warming: {len(warming.errors)} errors, first {warming.errors[0]}")
        tell(f"{seconds / 60:g} minutes at {rate:g} requests/s")
        with promoting(registry, swap_seconds), sampling(server.pid, memory):
            report = open_loop(address, requests, rate, seconds, seen.take)
        swaps = server.swaps()
    return report, seen, memory, swaps


def mixed_answers(registry: Registry, questions: Questions, seen: SeenAnswers, folder: Path) -> int:
    """How many questions were answered by something that their version does not say."""
    mixed = seen.strange
    added = NewProducts(folder / "no products", 1.0)
    for number in seen.versions:
        version = registry.version(number)
        loaded = load_version(version, registry.folder(version))
        asked = [question for question, answered in seen.digests if answered == number]
        with progress(f"version {number}: {len(asked)} different answers are worked out anew"):
            for question in asked:
                said = b"," + questions.answer(question, loaded, added)[1:]
                mixed += seen.digests[question, number] != hashlib.blake2b(said, digest_size=8).digest()
    return mixed


def killed_under_load(
    registry: Registry, questions: Questions, folder: Path, kills: int, rate: float
) -> tuple[int, int, int, list[float]]:
    """Kill the server at random moments; returns decisions lost, lines torn, decisions looked for, seconds to ready."""
    generator = np.random.default_rng([SEED, kills])
    lost, looked_for, ready = 0, 0, list[float]()
    served = ServedFolders(folder / "served")
    requests = questions.requests()
    with progress("kills") as tell:
        for number in range(kills):
            seen = SeenAnswers((1, 2))
            with serving(registry, folder) as server:
                ready.append(server.ready_seconds)
                killed = list[float]()
                process = psutil.Process(server.pid)

                def kill(process: psutil.Process = process, killed: list[float] = killed) -> None:
                    killed.append(time.perf_counter())
                    process.kill()

                timer = threading.Timer(float(generator.uniform(2.0, 5.0)), kill)
                timer.start()
                open_loop((HOST, server.port), requests, rate, _PATIENCE, seen.take)
                timer.join()
            old = {identity for identity, at in seen.acknowledged.items() if at <= killed[0] - BOUND_SECONDS}
            looked_for += len(old)
            lost += len(old - set(logged(served.decisions)[0]))
            tell(f"kill {number + 1} of {kills}: {looked_for} answers looked for, {lost} lost")
        # The last start cuts what the last kill may have torn.
        with serving(registry, folder) as server:
            ready.append(server.ready_seconds)
    return lost, logged(served.decisions)[1], looked_for, ready


def logged(folder: Path) -> tuple[list[str], int]:
    """Request ids in a log since yesterday, one a line, and how many lines are not whole."""
    ids: list[str] = []
    torn = 0
    for day in (date.today() - timedelta(days=1), date.today()):
        for path in sorted(folder.glob(f"day={day}/*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                try:
                    identity = orjson.loads(line)["request_id"]
                except orjson.JSONDecodeError:
                    torn += 1
                    continue
                torn += not line.endswith(b"\n")
                ids.append(str(identity))
    return ids, torn


def rows_of(report: LoadReport) -> list[dict[str, Cell]]:
    """Percentiles of latency in ms, by kind and over all."""
    merged = {kind: report.latencies[kind] for kind in KINDS if kind in report.latencies}
    merged["all"] = [seconds for latencies in merged.values() for seconds in latencies]
    rows: list[dict[str, Cell]] = []
    for kind, latencies in merged.items():
        quantiles = np.percentile(np.array(latencies) * 1000.0, (50, 90, 99, 99.9, 100)).tolist()
        names = ("p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms")
        rows.append({"kind": kind, "requests": len(latencies), **dict(zip(names, quantiles, strict=True))})
    return rows


def main() -> None:
    """Load, swap, verify, kill and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second")
    parser.add_argument("--swaps", type=int, default=24, help="promotions in that time")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--project", type=Path, default=ROOT, help="whose deployed bundle is served")
    arguments = parser.parse_args()
    seconds = 60.0 * arguments.minutes
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with progress("two versions are registered"):
            registry, bundle = two_versions(arguments.project, folder)
        questions = Questions(bundle, SEED)
        apart = seconds / (arguments.swaps + 1)
        report, seen, memory, swaps = held_under_load(registry, questions, folder, seconds, arguments.rate, apart)
        for error in report.errors[:3]:
            _console.print(error, highlight=False, markup=False)
        mixed = mixed_answers(registry, questions, seen, folder)
        lost, torn, looked_for, ready = killed_under_load(registry, questions, folder, arguments.kills, arguments.rate)
    rows = rows_of(report)
    fifth = max(len(memory) // 5, 1)
    early, late = float(np.median(memory[fifth : 2 * fifth])), float(np.median(memory[-fifth:]))
    publish(Finding("serving_load", [SEED], rows, {
        "minutes": arguments.minutes, "rate": arguments.rate, "swaps": float(swaps),
        "load_errors": float(len(report.errors)),
        "load_p50_ms": float(str(rows[-1]["p50 ms"])), "load_p99_ms": float(str(rows[-1]["p99 ms"])),
        "sent_late_ms": report.late * 1000.0,
        "answers_verified": float(seen.answers), "mixed_version_answers": float(mixed),
        "memory_mb": late, "memory_peak_mb": max(memory), "memory_growth_mb": late - early,
        "kills": float(arguments.kills), "answers_looked_for": float(looked_for), "decisions_lost": float(lost),
        "torn_lines": float(torn), "ready_s": max(ready), "ready_median_s": float(np.median(ready)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
