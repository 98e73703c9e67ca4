"""Products that nobody has bought yet: a fifth of the nodes of two public graphs lose all edges, and are asked for.

Every edge between a known and a cold node is a question: rank the cold node after the known one, or all nodes after the
cold one. A cold node that is asked for is ranked among all nodes, where known ones crowd it out, and among cold ones,
as a shelf of new products would. The encoder is trained on the known nodes alone; its embeddings are then carried over
to a new node by attributes, in one of `WAYS`, and nothing is trained again. Which way is picked by known nodes: a
fifth of them is embedded as if they were new, and their edges are asked for. Baselines are those that can score a node
without edges; the best of them by the test itself is the rival, which favours it.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from rich.console import Console
from sklearn.linear_model import RidgeCV

from benchmarks.direction.datasets import cora_ml, data_folder, photo
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Kept, Trial, Trials
from onward.metrics.customer_bootstrap import Floats
from onward.model.encoder import DualEncoder
from onward.model.product_inputs import ProductInputs
from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_ranks import rank_links, rivals_of
from onward.ranking.link_scores import LinkScore, Popularity, PropagatedAttributes, SmoothedEdges
from onward.ranking.method import Method
from onward.ranking.whole_graph import WholeGraphEncoder

SETS = {"cora_ml": (cora_ml, (1, 2, 3)), "photo": (photo, (1,))}
NODES_A_STEP = 35.0
COLD = 0.2
PENALTIES = (0.1, 1.0, 10.0, 100.0)
MOST_PAIRS = 6000
TIMED = 50
CATALOGUE = 91_638
"""Products of the catalogue that is ranked after a new product: as many as Complete Journey has."""

ENCODER = "encoder, the way picked by known nodes"
RIDGE = "encoder, new nodes by ridge regression"
RIDGE_FOR_ALL = "encoder, all answers by ridge regression"
ALIKE = "encoder, new nodes as their like"
WAYS = (RIDGE, RIDGE_FOR_ALL, ALIKE)
LIKE = 10
"""Known nodes whose embeddings a new one takes the mean of."""
BASELINES: Mapping[str, LinkScore] = {
    "popularity": Popularity(),
    "attributes": PropagatedAttributes(0, 0),
    "attributes, around the source": PropagatedAttributes(1, 0),
    "attributes, around the target": PropagatedAttributes(0, 1),
    "edges of the most alike targets": SmoothedEdges("target"),
    "edges of the most alike sources": SmoothedEdges("source"),
}
Rates = dict[str, dict[str, float]]
"""By way of asking and method."""

ASKED_FOR, AMONG_COLD, ASKING = "asked for", "asked for, among cold ones", "asking"
ENDS = {ASKED_FOR: 1, AMONG_COLD: 1, ASKING: 0}
"""Which end of a tested edge is the cold one."""


Tables = tuple[np.ndarray, np.ndarray]
"""Source and target embeddings [n, d]."""


@dataclass(frozen=True)
class Embedder:
    """Embeds nodes by attributes alone, as an encoder of other nodes would."""

    source: RidgeCV
    target: RidgeCV

    @classmethod
    def fit(cls, attributes: np.ndarray, tables: Tables) -> "Embedder":
        """Learn from known nodes' attributes [N, F] and their embeddings."""
        source, target = (RidgeCV(alphas=PENALTIES).fit(attributes, table) for table in tables)
        return cls(source, target)

    def embed(self, attributes: np.ndarray) -> Tables:
        """Embeddings of [n, F] attributes."""
        source, target = (np.asarray(each.predict(attributes), np.float32) for each in (self.source, self.target))
        return source, target


def milliseconds(embedder: Embedder, attributes: np.ndarray) -> float:
    """Median time to embed one product and to rank a catalogue of `CATALOGUE` after it."""
    dimension = embedder.target.coef_.shape[0]
    known = np.random.default_rng(0).standard_normal((CATALOGUE, dimension)).astype(np.float32)
    taken = []
    for row in range(TIMED):
        start = time.perf_counter()
        source, _ = embedder.embed(attributes[row : row + 1])
        np.argpartition(known @ source[0], CATALOGUE - 10)
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))


def pipeline_milliseconds() -> float:
    """The same for the pipeline's own encoder and its `embed_new`, on a catalogue with 3 categories and 3 numbers."""
    inputs = ProductInputs(np.zeros((CATALOGUE, 3), np.int64), (40, 300, 2000), np.ones((CATALOGUE, 3), np.float32))
    encoder = DualEncoder(inputs, torch.ones(CATALOGUE, dtype=torch.bool), dimension=64, layers=2).eval()
    known, taken = torch.randn(CATALOGUE, 64), []
    for _ in range(TIMED):
        start = time.perf_counter()
        source, _ = encoder.embed_new(torch.tensor([[3, 7, 9]]), torch.ones(1, 3))
        torch.topk(known @ source[0], 10)
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))


def carried_over(attributes: np.ndarray, known: Ints, learnt: Tables) -> tuple[dict[str, Chain], Embedder]:
    """Scores of all nodes in each of `WAYS`, and the regression: learnt are the embeddings of the known nodes."""
    embedder = Embedder.fit(attributes[known], learnt)
    by_ridge = embedder.embed(attributes)
    unit = attributes / np.maximum(np.linalg.norm(attributes, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit[known].T
    like = np.argpartition(-likeness, LIKE - 1, axis=1)[:, :LIKE]
    by_like = tuple(table[like].mean(axis=1) for table in learnt)
    mixed = {}
    for way, guessed in ((RIDGE, by_ridge), (ALIKE, by_like)):
        mixed[way] = tuple(table.astype(np.float32) for table in guessed)
        for table, own in zip(mixed[way], learnt, strict=True):
            table[known] = own
    mixed[RIDGE_FOR_ALL] = (mixed[RIDGE][0], by_ridge[1])
    chains = {way: Chain((source, np.ascontiguousarray(target.T))) for way, (source, target) in mixed.items()}
    return chains, embedder


def hit_rates(methods: Mapping[str, Method], edges: Ints, new: Ints, rivals: sp.csr_matrix, seed: int) -> Rates:
    """HR@10 of each method by way of asking, over edges between the new nodes and the others."""
    is_new = np.isin(edges, new)
    others = np.setdiff1d(np.arange(rivals.shape[0]), new)
    found: Rates = {way: {} for way in ENDS}
    for way, end in ENDS.items():
        pairs = edges[is_new[:, end] & ~is_new[:, 1 - end]]
        pairs = np.random.default_rng(seed).permutation(pairs)[:MOST_PAIRS]
        for method, score in methods.items():
            ranks = rank_links(partial(_without, score, others) if way == AMONG_COLD else score, pairs, rivals)
            found[way][method] = float(ranks.metrics()["hr@10"].mean())
    return found


def judge(name: str, seed: int, folder: Path) -> Trial:
    """Hit rates of all methods by way of asking."""
    edges, nodes, attributes = SETS[name][0](folder)
    generator = np.random.default_rng([seed, 0xC01D])
    cold = np.sort(generator.permutation(nodes)[: round(COLD * nodes)])
    known = np.setdiff1d(np.arange(nodes), cold)
    everything = DirectedGraph.from_edges(edges, nodes, attributes)
    kept = edges[~np.isin(edges, cold).any(axis=1)]
    graph = everything.with_edges(kept)
    among_known = DirectedGraph.from_edges(np.searchsorted(known, kept), len(known), attributes[known])
    trained = Kept(WholeGraphEncoder(steps=round(nodes / NODES_A_STEP), seed=seed)).fit(among_known)
    learnt = (np.asarray(trained.matrices[0]), np.asarray(trained.matrices[1].T))
    as_if_new = np.sort(generator.permutation(len(known))[: round(COLD * len(known))])
    rest = np.setdiff1d(np.arange(len(known)), as_if_new)
    trial, _ = carried_over(attributes[known], rest, (learnt[0][rest], learnt[1][rest]))
    picking = hit_rates(trial, among_known.edges, as_if_new, rivals_of(among_known), seed)
    chains, embedder = carried_over(attributes, known, learnt)
    methods: dict[str, Method] = {key: score.fit(graph) for key, score in BASELINES.items()}
    found = hit_rates(methods | chains, edges, cold, rivals_of(everything), seed)
    picked = {way: max(WAYS, key=rates.__getitem__) for way, rates in picking.items()}
    for way, rates in found.items():
        rates[ENCODER] = rates[picked[way]]
    Console(stderr=True).print(f"{name}, seed {seed}: {found}, {picked}", highlight=False)
    return {"hr@10": found, "picked": picked, "milliseconds": milliseconds(embedder, attributes[cold])}


def _without(method: Method, left_out: Ints, queries: Ints) -> Floats:
    scores = method(queries)
    scores[:, left_out] = -np.inf
    return scores


def main() -> None:
    """Run what is missing and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments.add_argument("--fresh", action="store_true", help="forget finished trials")
    asked = arguments.parse_args()
    trials = Trials("direction_cold", fresh=asked.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {"add_product_ms": pipeline_milliseconds()}
    for name in asked.sets:
        done = [
            trials.run(f"{name}, seed {each}, {len(WAYS)} ways", partial(judge, name, each, Path(asked.data)))
            for each in SETS[name][1]
        ]
        claims["add_product_ms"] = max(claims["add_product_ms"], *(each["milliseconds"] for each in done))
        for way in ENDS:
            values = {key: [each["hr@10"][way][key] for each in done] for key in done[0]["hr@10"][way]}
            mean = {key: float(np.mean(each)) for key, each in values.items()}
            rows += [
                {"data": name, "cold nodes are": way, "method": key, "hr@10": mean[key], "seeds": len(done),
                 "sd over seeds": float(np.std(each, ddof=1)) if len(each) > 1 else None}
                for key, each in values.items()
            ]  # fmt: skip
            best = max(mean[key] for key in BASELINES)
            claims[f"{name}_{way.replace(',', '').replace(' ', '_')}_hr10_ratio"] = mean[ENCODER] / max(best, 1e-12)
    if set(asked.sets) == set(SETS):
        claims["cold_hr10_ratio"] = min(value for claim, value in claims.items() if claim.endswith("_ratio"))
    publish(Finding("direction_cold", [1, 2, 3], rows, claims))


if __name__ == "__main__":
    main()
