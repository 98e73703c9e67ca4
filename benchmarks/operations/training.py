"""The encoder's whole loop: from 10,000 to a million products, and against an equal model fed by PyG's own loader.

An epoch draws as many pairs as the graph has edges, ten a product. What is timed is a second epoch as the product runs
it: sampling, forward, backward, the optimizers' steps, the embeddings of all products over all edges, and what held-out
pairs say of them. Each size has a process of its own, whose highest memory counts (the shop is made in it).

The rivals share encoder, pairs, draws, optimizers, rates and the epoch's end. One hears neighbourhoods of PyG's
NeighborSampler with torch-sparse, of as many edges a product and role; it is given what torch-sparse does not say, that
only the pairs' own products need embedding. The other hears all edges in every step. They train by turns.

Usage:
    python -m benchmarks.operations.training                    # about half an hour on two cores
    python -m benchmarks.operations.training --products 10000 100000
"""

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from statistics import median

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData
from torch_geometric.loader import LinkLoader
from torch_geometric.sampler import NeighborSampler

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.harness.measured import measure
from benchmarks.operations.grouped_shop import HELD_OUT, make_lesson
from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, graph_data
from onward.model.embeddings import RELATIONS
from onward.model.encoder import DualEncoder, Reach
from onward.model.one_cycle import OneCycle
from onward.model.reproducible import reproducible
from onward.model.training import EncoderSettings, Lesson, infer, information, train_on

PRODUCTS = (10_000, 100_000, 1_000_000)
EDGES_A_PRODUCT = 10
PRODUCTS_A_GROUP = 400
SAMPLED, IN_ONE = 100_000, 10_000
"""Products of the shops on which the rivals run: all edges in every step are too many for the larger one."""
BATCH = 1024
EPOCHS = {SAMPLED: 3, IN_ONE: 9}
"""In a comparison; after fewer the loops stand at different places of the same way."""
SEEDS = (1, 2, 3)
THREADS = 2
FAN_OUT = 8
ONWARD, PYG, WHOLE = "onward", "PyG's neighbours", "all edges in every step"
INSTALL = "not installed: pip install torch-scatter torch-sparse --no-build-isolation (compiles for about 8 minutes)"


@dataclass(frozen=True)
class Trained:
    """Seconds of each epoch, and nats a held-out pair in the end, mean of both relations."""

    seconds: tuple[float, ...]
    information: float


def lesson_of(products: int, seed: int) -> Lesson:
    """Ten edges a product, of one and a half times as many pairs."""
    edges = products * EDGES_A_PRODUCT
    return make_lesson(products, products // PRODUCTS_A_GROUP, edges * 3 // 4, edges, seed)


def settings_of(lesson: Lesson, epochs: int) -> EncoderSettings:
    """The default's, but for the steps of an epoch: as many pairs as edges."""
    steps = max(1, round(lesson.messages.edges / (len(RELATIONS) * BATCH)))
    return EncoderSettings(64, 1, (FAN_OUT,), 0.0, epochs, steps, BATCH, 0.01, 0.1, HELD_OUT)


def onward(lesson: Lesson, settings: EncoderSettings, seed: int) -> Trained:
    """The product's own loop."""
    ends = [time.perf_counter()]
    trained = train_on(lesson, settings, seed, THREADS, keep=lambda _: ends.append(time.perf_counter()))
    return Trained(tuple(np.diff(ends).tolist()), float(np.mean(trained.epochs[-1].information)))


Training = Callable[[Lesson, EncoderSettings, int], Trained]
Heard = tuple[Tensor, Tensor, Tensor, Reach | None, Tensor]
"""Of a step: products, both ways' edges by their places, what has to be embedded, and the places of the pairs' ends."""


def sampled_by_pyg(lesson: Lesson, pairs: np.ndarray) -> Iterable[Heard]:
    """Neighbourhoods of PyG's sampler around pairs [2, steps, 2 BATCH]."""
    data = graph_data(lesson.heard)
    sampler = NeighborSampler(data, {LEADS_TO: [FAN_OUT], LED_FROM: [FAN_OUT]})
    labels = (LEADS_TO, torch.from_numpy(pairs.reshape(2, -1)))
    for batch in LinkLoader(data, sampler, edge_label_index=labels, batch_size=pairs.shape[2]):
        yield _heard_of_pyg(batch)


def _heard_of_pyg(batch: HeteroData) -> Heard:
    ends = batch[LEADS_TO].edge_label_index
    forth, back = batch[LEADS_TO].edge_index, batch[LED_FROM].edge_index
    nodes = batch[PRODUCT].n_id
    reach = Reach((int(ends.max()) + 1, len(nodes)), (0, forth.shape[1]), (0, back.shape[1]))
    return nodes, forth, back, reach, ends


def whole_graph(lesson: Lesson, pairs: np.ndarray) -> Iterable[Heard]:
    """All edges, in every step."""
    edges = torch.from_numpy(np.stack([lesson.heard.sources, lesson.heard.out_targets]))
    nodes, back = torch.arange(lesson.heard.products), edges.flip(0)
    for step in range(pairs.shape[1]):
        yield nodes, edges, back, None, torch.from_numpy(pairs[:, step])


def rival(
    heard: Callable[[Lesson, np.ndarray], Iterable[Heard]], lesson: Lesson, settings: EncoderSettings, seed: int
) -> Trained:
    """The same encoder, pairs and optimizers, by another way to hear neighbours."""
    generator = np.random.default_rng(seed)
    seconds = []
    with reproducible(seed, THREADS):
        connected = torch.from_numpy(lesson.heard.connected)
        encoder = DualEncoder(lesson.inputs, connected, settings.dimension, settings.layers)
        cycle = OneCycle(encoder, settings.learning_rate, settings.epochs * settings.steps)
        for _ in range(settings.epochs):
            started = time.perf_counter()
            encoder.train()
            drawn = [np.stack(pairs.draw(settings.steps * BATCH, generator)) for pairs in lesson.learnt]
            by_step = np.concatenate([pairs.reshape(2, settings.steps, BATCH) for pairs in drawn], axis=2)
            for nodes, forth, back, reach, ends in heard(lesson, by_step):
                source, target = encoder(nodes, forth, back, reach)
                losses = [
                    functional.cross_entropy(encoder.log_lifts(number, source[u], target[v]), torch.arange(len(u)))
                    for number, (u, v) in enumerate(ends.chunk(len(RELATIONS), dim=1))
                ]
                cycle.step(torch.stack(losses).sum())
            embedded = infer(encoder, lesson.heard)
            told = [information(embedded, *each, seed) for each in zip(RELATIONS, lesson.held_out, strict=True)]
            seconds.append(time.perf_counter() - started)
    return Trained(tuple(seconds), float(np.mean(told)))


def measure_one(products: int) -> None:
    """One size, in this process: prints seconds of a second epoch and what was learnt."""
    lesson = lesson_of(products, SEEDS[0])
    settings = settings_of(lesson, 2)
    trained = onward(lesson, settings, SEEDS[0])
    found = {"edges": lesson.messages.edges, "pairs": settings.steps * BATCH * len(RELATIONS)}
    print(json.dumps({**found, "seconds": trained.seconds[1], "information": trained.information}))


def scale(products: int) -> dict[str, Cell]:
    """One size, in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.operations.training", "--one", str(products))
    ran = measure(command, ROOT, progress=True)
    found: dict[str, float] = json.loads(ran.said)
    return {"loop": "onward", "products": products, **found, "pairs a second": found["pairs"] / found["seconds"],
            "peak GB": ran.gigabytes}  # fmt: skip


def compare(products: int, kinds: Mapping[str, Training]) -> list[dict[str, Cell]]:
    """Train every kind with every seed, by turns; a first epoch, which compiles and warms, does not count."""
    found: dict[str, list[Trained]] = {kind: [] for kind in kinds}
    for seed in SEEDS:
        lesson = lesson_of(products, seed)
        settings = settings_of(lesson, EPOCHS[products])
        for kind, training in kinds.items():
            found[kind].append(training(lesson, settings, seed))
    rows: list[dict[str, Cell]] = []
    for kind, runs in found.items():
        seconds = median(each for trained in runs for each in trained.seconds[1:])
        pairs = settings.steps * BATCH * len(RELATIONS)
        told = float(np.mean([trained.information for trained in runs]))
        rows.append({"loop": kind, "products": products, "edges": lesson.messages.edges, "pairs": pairs,
                     "seconds": seconds, "information": told, "pairs a second": pairs / seconds,
                     "peak GB": None})  # fmt: skip
    return rows


def main() -> None:
    """Measure and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--products", type=int, nargs="+", default=list(PRODUCTS))
    arguments.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.one is not None:
        measure_one(asked.one)
        return
    warnings.filterwarnings("ignore", message=".*torch_sparse.*|.*pyg-lib.*")
    console = Console(stderr=True)
    rows = [scale(products) for products in asked.products]
    for row in rows:
        console.print(row, highlight=False)
    least, most = rows[0], rows[-1]
    times, sizes = (float(str(most[key])) / float(str(least[key])) for key in ("seconds", "products"))
    claims = {
        "products_most": float(str(most["products"])),
        "exponent": math.log(times) / math.log(sizes),
        "epoch_minutes_most": float(str(most["seconds"])) / 60,
        "peak_gb_most": float(str(most["peak GB"])),
    }
    rivals: dict[str, tuple[int, str, Training]] = {"whole_graph": (IN_ONE, WHOLE, partial(rival, whole_graph))}
    if find_spec("torch_sparse") is not None:
        rivals["pyg"] = (SAMPLED, PYG, partial(rival, sampled_by_pyg))
    else:
        rows.append({**dict.fromkeys(rows[0]), "loop": f"{PYG}: torch-sparse {INSTALL}"})
    for name, (products, kind, training) in rivals.items():
        ours, theirs = compared = compare(products, {ONWARD: onward, kind: training})
        rows += compared
        console.print(compared, highlight=False)
        claims[f"whole_loop_ratio_{name}"] = float(str(theirs["seconds"])) / float(str(ours["seconds"]))
        claims[f"information_beyond_{name}"] = float(str(ours["information"])) - float(str(theirs["information"]))
    publish(Finding("training", SEEDS, rows, claims))


if __name__ == "__main__":
    main()
