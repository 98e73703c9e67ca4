"""Scores over HTTP by `onward serve` and by `mlflow models serve`, and the nearest of a million products.

Both servers hold the same registered bundle and call the same scoring function, one worker each, and are asked the
same requests by the same clients, in turns, so that whatever else the machine does is shared; a claimed ratio is the
median of the rounds', since one hiccup of the machine makes a whole run's p99. Pairs are drawn in two ways: as a shop
asks, products by their customers and then one of their lists' entries, which both servers look up; and pairs that stand
on no list, products by their customers each, which both have to score. The claims are of the former, and those that end
in `_unlisted` of the latter.

The index is asked alone, on vectors without structure and on vectors in clusters; truth is the product in float32.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import bundle_hash, read_bundle
from onward.deployment.registry import Registry
from onward.errors import ServiceError
from onward.services.local import HOST, free_port
from onward.services.processes import Service, running
from onward.serving.index import EmbeddingIndex
from onward.settings import ProjectSettings, as_environment

BATCHES = (1, 50)
SHOP, UNLISTED = "as a shop asks", "on no list"
SEED = 20261123
PRODUCTS, DIMENSIONS, CLUSTERS, TOP = 1_000_000, 64, 2000, 20
_CLIENTS, _ROUNDS = 2, 15
_PATIENCE = 120.0
_console = Console(stderr=True)

Floats = npt.NDArray[np.float32]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Server:
    """A server under test.

    Attributes:
        name: of the command.
        port: on loopback.
        path: that scores.
        ready: path that answers 200 once it can.
    """

    name: str
    port: int
    path: str
    ready: str

    def body(self, pairs: Pairs) -> bytes:
        """A request for the scores of pairs."""
        if self.path == "/invocations":
            table = {"columns": ["source_id", "target_id"], "data": [list(pair) for pair in pairs]}
            return json.dumps({"dataframe_split": table}).encode()
        return json.dumps({"pairs": [{"source": source, "target": target} for source, target in pairs]}).encode()

    def probabilities(self, reply: bytes) -> list[float]:
        """What a reply says of the pairs."""
        answer = json.loads(reply)
        rows = answer["predictions"] if self.path == "/invocations" else answer["pairs"]
        return [float(row["probability"]) for row in rows]


@dataclass
class Measured:
    """Latencies in seconds, and the seconds in which all of them happened."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0


Rounds = Mapping[tuple[str, str, int], list[Measured]]
"""What came of each round, by server, kind and batch."""


@contextmanager
def served(bundle: Path, folder: Path) -> Iterator[tuple[Server, Server]]:
    """Register a bundle in a registry of its own, and serve it both ways until the block ends."""
    registry = Registry(folder / "mlruns")
    tags = {"source": "benchmark", "as_of": "2017-11-20"}
    version = registry.register(bundle, bundle_hash(bundle), tags, {})
    registry.promote(version.number)
    model = registry.folder(version).parent
    ours = Server("onward serve", free_port(0), "/v1/score", "/health/ready")
    theirs = Server("mlflow models serve", free_port(0), "/invocations", "/ping")
    environment = {**as_environment(project=folder), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    onward = (sys.executable, "-m", "onward.cli", "serve", "--port", str(ours.port), "--threads", "1")
    mlflow = (sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1")
    services = [
        Service(ours.name, onward, environment, folder / "onward.log", f"http://{HOST}:{ours.port}{ours.ready}"),
        Service(
            theirs.name,
            (*mlflow, "--model-uri", str(model), "--port", str(theirs.port), "--host", HOST),
            environment,
            folder / "mlflow.log",
            f"http://{HOST}:{theirs.port}{theirs.ready}",
        ),
    ]
    with running(services, folder, _PATIENCE):
        for server in (ours, theirs):
            _wait(server)
        yield ours, theirs


def _wait(server: Server) -> None:
    deadline = time.monotonic() + _PATIENCE
    while httpx.get(f"http://{HOST}:{server.port}{server.ready}", trust_env=False).status_code != 200:
        if time.monotonic() > deadline:
            raise ServiceError(f"{server.name}: not ready in {_PATIENCE:.0f} s")
        time.sleep(0.1)


def draw_pairs(bundle: Bundle, kind: str, count: int, generator: np.random.Generator) -> Pairs:
    """Pairs of outside ids, of the bundle's lists or of none."""
    customers = bundle.model.graph.customers
    table = bundle.lists.table
    listed, other = (table[name].to_numpy(np.int64) for name in ("product", "other"))
    if kind == SHOP:
        weight = customers[listed]
        rows = generator.choice(len(table), count, p=weight / weight.sum())
        source, target = listed[rows], other[rows]
    else:
        products = len(customers)
        # More than are needed: few of them stand on a list.
        source, target = generator.choice(products, (2, 2 * count), p=customers / customers.sum())
        free = ~np.isin(
            source * products + target, np.concatenate([listed * products + other, other * products + listed])
        )
        source, target = source[free][:count], target[free][:count]
    ids = bundle.listed.product_ids
    return [(ids[u], ids[v]) for u, v in zip(source.tolist(), target.tolist(), strict=True)]


def ask(server: Server, bodies: Sequence[bytes]) -> Measured:
    """Send all requests by some clients at once, each over a connection that stays open."""
    measured = Measured()
    waiting = iter(bodies)
    lock = threading.Lock()
    failed: list[str] = []

    def client() -> None:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
        own = list[float]()
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                break
            begun = time.perf_counter()
            connection.request("POST", server.path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = reply.read()
            own.append(time.perf_counter() - begun)
            if reply.status != 200:
                failed.append(f"{reply.status} {answer[:200]!r}")
                break
        connection.close()
        with lock:
            measured.latencies.extend(own)

    begun = time.perf_counter()
    clients = [threading.Thread(target=client) for _ in range(_CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    measured.seconds = time.perf_counter() - begun
    if failed:
        raise ServiceError(f"{server.name}: {failed[0]}")
    return measured


def largest_difference(servers: Sequence[Server], pairs: Pairs) -> float:
    """By how much two servers' probabilities of the same pairs differ at most."""
    said = []
    for server in servers:
        place = f"http://{HOST}:{server.port}{server.path}"
        words = {"Content-Type": "application/json"}
        said.append(server.probabilities(httpx.post(place, content=server.body(pairs), headers=words).content))
    return float(np.abs(np.asarray(said[0]) - np.asarray(said[1])).max())


def compare(bundle: Bundle, servers: tuple[Server, Server], requests: int) -> tuple[Rounds, float]:
    """What came of each round of a server, kind and batch, and the largest difference of the answers."""
    generator = np.random.default_rng(SEED)
    difference = largest_difference(servers, draw_pairs(bundle, SHOP, 200, generator))
    rounds: dict[tuple[str, str, int], list[Measured]] = {}
    for kind in (SHOP, UNLISTED):
        for batch in BATCHES:
            total = requests * (_ROUNDS + 1)
            pairs = draw_pairs(bundle, kind, total * batch, generator)
            questions = [pairs[start : start + batch] for start in range(0, len(pairs), batch)]
            for turn in range(_ROUNDS + 1):
                for server in servers:
                    bodies = [server.body(question) for question in questions[turn * requests : (turn + 1) * requests]]
                    measured = ask(server, bodies)
                    # The first round warms whatever there is to warm.
                    if turn > 0:
                        rounds.setdefault((server.name, kind, batch), []).append(measured)
            _console.print(f"{kind}, batches of {batch}: done", highlight=False)
    return rounds, difference


def _row(server: str, kind: str, batch: int, rounds: Sequence[Measured]) -> dict[str, Cell]:
    latencies = np.concatenate([each.latencies for each in rounds])
    p50, p99 = (float(np.percentile(latencies, share)) * 1000.0 for share in (50, 99))
    pairs = len(latencies) * batch / sum(each.seconds for each in rounds)
    return {"what": server, "kind": kind, "batch": batch, "pairs a second": pairs, "p50 ms": p50, "p99 ms": p99,
            "recall": None, "memory": None}  # fmt: skip


def draw_vectors(kind: str, count: int, generator: np.random.Generator) -> Floats:
    """[count, DIMENSIONS] of unit length; clusters are the same for every draw of one kind."""
    vectors = generator.standard_normal((count, DIMENSIONS), dtype=np.float32)
    if kind == "clusters":
        centres = np.random.default_rng(SEED).standard_normal((CLUSTERS, DIMENSIONS), dtype=np.float32)
        vectors = centres[generator.integers(0, CLUSTERS, count)] + np.float32(0.35) * vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def measure_index(kind: str, queries: int, judged: int) -> dict[str, Cell]:
    """Times, recall and memory of the index over a million products."""
    generator = np.random.default_rng([SEED, len(kind)])
    vectors = draw_vectors(kind, PRODUCTS, generator)
    index = EmbeddingIndex.of(vectors)
    asked = draw_vectors(kind, queries, generator)
    hits = 0
    for query in asked[:judged]:
        scores = vectors @ query
        least = np.partition(scores, PRODUCTS - TOP)[PRODUCTS - TOP]
        # Whichever of equal products is named, it is no miss.
        hits += int((scores[index.top(query, TOP)[0]] >= least).sum())
    latencies = []
    for query in asked:
        begun = time.perf_counter()
        index.top(query, TOP)
        latencies.append(time.perf_counter() - begun)
    p50, p99 = (float(np.percentile(latencies, share)) * 1000.0 for share in (50, 99))
    return {"what": f"top {TOP} of {PRODUCTS:,}", "kind": kind, "batch": 1, "pairs a second": None, "p50 ms": p50,
            "p99 ms": p99, "recall": hits / (TOP * judged), "memory": index.nbytes / vectors.nbytes}  # fmt: skip


def _ratios(rounds: Rounds, kind: str) -> tuple[float, float]:
    """Ours over theirs, of rounds in the median: the lower throughput's and the higher p99's of the batches."""
    throughputs, p99s = [], []
    for batch in BATCHES:
        paired = list(zip(rounds["onward serve", kind, batch], rounds["mlflow models serve", kind, batch], strict=True))
        throughputs.append(float(np.median([theirs.seconds / ours.seconds for ours, theirs in paired])))
        tails = [np.percentile(ours.latencies, 99) / np.percentile(theirs.latencies, 99) for ours, theirs in paired]
        p99s.append(float(np.median(tails)))
    return min(throughputs), max(p99s)


def main() -> None:
    """Serve, ask, search and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400, help="a server, kind, batch and round")
    parser.add_argument("--queries", type=int, default=2000, help="of the index")
    parser.add_argument("--judged", type=int, default=200, help="queries whose truth is worked out")
    arguments = parser.parse_args()
    indexed = [measure_index(kind, arguments.queries, arguments.judged) for kind in ("no structure", "clusters")]
    registry = Registry.of(ProjectSettings(project=ROOT))
    champion = registry.champion()
    if champion is None:
        raise ServiceError("nothing is deployed; run `dvc repro` first")
    folder = registry.folder(champion)
    bundle = read_bundle(folder)
    with tempfile.TemporaryDirectory() as place, served(folder, Path(place)) as servers:
        rounds, difference = compare(bundle, servers, arguments.requests)
    throughput, p99 = _ratios(rounds, SHOP)
    throughput_unlisted, p99_unlisted = _ratios(rounds, UNLISTED)
    rows = [_row(*key, measured) for key, measured in rounds.items()]
    publish(Finding("serving", [SEED], [*rows, *indexed], {
        "throughput_ratio": throughput, "p99_ratio": p99,
        "throughput_ratio_unlisted": throughput_unlisted, "p99_ratio_unlisted": p99_unlisted,
        "largest_difference": difference,
        "top20_p99_ms_1m": max(float(str(row["p99 ms"])) for row in indexed),
        "recall_at_20": min(float(str(row["recall"])) for row in indexed),
        "memory_over_float32": max(float(str(row["memory"])) for row in indexed),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
