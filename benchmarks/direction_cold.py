"""Products that nobody has bought yet: a fifth of the nodes of two public graphs lose all edges, and are asked for.

Every edge between a known and a cold node is a question: rank the cold node among all nodes after the known one, or
all nodes after the cold one. The encoder never saw the cold nodes, but was trained with
a share of the known ones shown as if they were cold; `embed_new` embeds them by their attributes alone,
and nothing is trained again. "With neighbours" adds the mean embedding of the nodes most alike in attributes. Baselines
are those that can score a node without edges; the best of them by the test itself is the rival, which favours it.
"""

import argparse
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from benchmarks.direction_adaptive import product_graph
from benchmarks.direction_data import cora_ml, data_folder, photo
from benchmarks.form import Cell, Finding, publish
from benchmarks.trials import Trial, Trials
from onward.evaluation.links import rank_links, rivals_of
from onward.evaluation.ranking import Method
from onward.graph.directed_graph import DirectedGraph, Ints
from onward.graph.link_scores import LinkScore, Popularity, PropagatedAttributes, SmoothedEdges
from onward.model.embeddings import Embeddings
from onward.model.encoder import DualEncoder
from onward.model.product_inputs import ProductInputs
from onward.model.training import EncoderSettings, TrainedEncoder, Variant, train_encoder

SEEDS = (1, 2, 3)
SETS = {"cora_ml": (cora_ml, 30, 1024), "photo": (photo, 5, 2048)}
COLD = 0.2
COLD_IN_TRAINING = 0.3
ALIKE = 20
MOST_PAIRS = 6000
TIMED = 50
BASELINES: Mapping[str, LinkScore] = {
    "popularity": Popularity(),
    "attributes": PropagatedAttributes(0, 0),
    "attributes, around the source": PropagatedAttributes(1, 0),
    "attributes, around the target": PropagatedAttributes(0, 1),
    "edges of the most alike targets": SmoothedEdges("target", ALIKE),
    "edges of the most alike sources": SmoothedEdges("source", ALIKE),
}
WAYS = {"asked for": 1, "asking": 0}
"""Which end of a tested edge is the cold one."""


class ColdReadyEncoder(DualEncoder):
    """In training, a share of each batch's nodes is shown as cold: no free vector, and nobody's messages."""

    def forward(
        self, nodes: Tensor, leads_to: Tensor, led_from: Tensor, together: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Like the dual encoder's."""
        if not self.training:
            return super().forward(nodes, leads_to, led_from, together)
        cold, tower = torch.rand(len(nodes)) < COLD_IN_TRAINING, self.tower
        described = tower.described(tower.codes[nodes], tower.numbers[nodes])
        vectors = torch.where(cold[:, None], described, tower(nodes))
        heard = (relation[:, ~cold[relation[1]]] for relation in (leads_to, led_from))
        return self.exchange(vectors, *heard, together)


def with_neighbours(found: Embeddings, attributes: np.ndarray, cold: Ints) -> Embeddings:
    """Each cold node's embeddings, plus the mean of those of the `ALIKE` known nodes most alike in attributes."""
    known = np.setdiff1d(np.arange(len(attributes)), cold)
    alike = attributes[cold] @ attributes[known].T
    best = np.argpartition(alike, len(known) - ALIKE, axis=1)[:, len(known) - ALIKE :]
    weight = np.maximum(np.take_along_axis(alike, best, axis=1), 0.0) ** 2
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    source, target, bias = found.source.copy(), found.target.copy(), found.bias.copy()
    for table in (source, target):
        mean = np.einsum("ck,ckd->cd", weight, table[known[best]])
        table[cold] = functional.normalize(torch.from_numpy(table[cold] + 2.0 * mean), dim=1).numpy()
    bias[cold] = (weight * bias[known[best]]).sum(axis=1)
    return Embeddings(source, target, bias, found.temperature)


def milliseconds(trained: TrainedEncoder, codes: torch.Tensor, numbers: torch.Tensor) -> float:
    """Median time to embed one product and to rank the catalogue after it."""
    taken, known = [], trained.embeddings
    for row in range(TIMED):
        start = time.perf_counter()
        source, _, _ = trained.encoder.embed_new(codes[row : row + 1], numbers[row : row + 1])
        scores = source.numpy() @ known.target.T / known.temperature + known.bias
        np.argpartition(scores[0], len(scores[0]) - 10)
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))


def judge(name: str, seed: int, folder: Path) -> Trial:
    """Hit rates of all methods by way and seed."""
    read, epochs, batch = SETS[name]
    edges, nodes, attributes = read(folder)
    generator = np.random.default_rng([seed, 0xC01D])
    cold = np.sort(generator.permutation(nodes)[: round(COLD * nodes)])
    is_cold = np.isin(np.arange(nodes), cold)[edges]
    everything = DirectedGraph.from_edges(edges, nodes, attributes)
    graph = everything.with_edges(edges[~is_cold.any(axis=1)])
    settings = EncoderSettings(
        dimension=64, layers=2, fan_out=(8, 4), epochs=epochs, batch_edges=batch, learning_rate=0.01, temperature=0.1,
        uniform_negatives=256, held_out_edges=0.03,
    )  # fmt: skip
    spread = np.maximum(attributes.std(axis=0), 1e-6)
    inputs = ProductInputs(np.zeros((nodes, 1), np.int64), (1,), ((attributes - attributes.mean(axis=0)) / spread))
    trained = train_encoder(product_graph(graph), inputs, settings, seed, 1, Variant(encoder=ColdReadyEncoder))
    codes, numbers = (torch.from_numpy(each[cold]) for each in (inputs.codes, inputs.numbers))
    source, target, bias = (each.numpy() for each in trained.encoder.embed_new(codes, numbers))
    tables = [each.copy() for each in (trained.embeddings.source, trained.embeddings.target, trained.embeddings.bias)]
    for table, new in zip(tables, (source, target, bias), strict=True):
        table[cold] = new
    alone = Embeddings(tables[0], tables[1], tables[2], trained.embeddings.temperature)
    both = with_neighbours(alone, attributes, cold)
    methods: dict[str, Method] = {key: score.fit(graph) for key, score in BASELINES.items()}
    methods |= {"encoder, by attributes": partial(_ask, alone), "encoder, with neighbours": partial(_ask, both)}
    found: dict[str, dict[str, float]] = {}
    for way, end in WAYS.items():
        pairs = generator.permutation(edges[is_cold[:, end] & ~is_cold[:, 1 - end]])[:MOST_PAIRS]
        for method, score in methods.items():
            ranks = rank_links(score, pairs, rivals_of(everything))
            found.setdefault(way, {})[method] = float(ranks.metrics()["hr@10"].mean())
    Console(stderr=True).print(f"{name}, seed {seed}: {found}", highlight=False)
    return {"hr@10": found, "milliseconds": milliseconds(trained, codes, numbers)}


def _ask(embeddings: Embeddings, queries: Ints) -> np.ndarray:
    return embeddings.relevance_to_all(queries).astype(np.float64)


def main() -> None:
    """Run what is missing and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments.add_argument("--fresh", action="store_true", help="forget finished trials")
    asked = arguments.parse_args()
    trials = Trials("direction_cold", fresh=asked.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    slowest = 0.0
    for name in asked.sets:
        done = [trials.run(f"{name}, seed {seed}", partial(judge, name, seed, Path(asked.data))) for seed in SEEDS]
        slowest = max(slowest, *(each["milliseconds"] for each in done))
        for way in WAYS:
            mean = {key: float(np.mean([each["hr@10"][way][key] for each in done])) for key in done[0]["hr@10"][way]}
            sd = {key: float(np.std([each["hr@10"][way][key] for each in done], ddof=1)) for key in mean}
            rows += [
                {"data": name, "cold nodes are": way, "method": key, "hr@10": mean[key], "sd over seeds": sd[key]}
                for key in mean
            ]
            best = max(mean[key] for key in BASELINES)
            ratio = max(mean[key] for key in mean if key not in BASELINES) / max(best, 1e-12)
            claims[f"{name}_{way.replace(' ', '_')}_hr10_ratio"] = ratio
    if set(asked.sets) == set(SETS):
        claims["cold_hr10_ratio"] = min(claims[f"{name}_asked_for_hr10_ratio"] for name in SETS)
    claims["add_product_ms"] = slowest
    publish(Finding("direction_cold", list(SEEDS), rows, claims))


if __name__ == "__main__":
    main()
