"""Does degree-adaptive sampling help products of low degree: the same encoder, as many neighbours in all, five seeds.

The control hears at most `FAN_OUT` neighbours a product and hop, drawn uniformly. Adaptive budgets hear as many in all,
but more around products of low degree (see onward/graph/budgets.py), in four ways; validation edges choose the way.
Every encoder is trained with its budget and then embeds the catalogue over all edges, as the pipeline does; the rows
"within the budget" embed it with one sampled neighbourhood a product instead. Low, middle and high are thirds of the
test edges' sources by out-degree in training. An ablation changes one thing of the control.

The edges are the pairs of both of the trainer's relations, each seen once. Targets are ranked by their probability: log
lift plus the logarithm of their share of the training edges.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from benchmarks.direction.adaptive_budgets import adaptive_budget, neighbours_allowed
from benchmarks.direction.datasets import cora_ml, data_folder, photo
from benchmarks.direction.degree_law import fit_degree_law
from benchmarks.direction.shops import FOLLOW_DAYS, FRESH_DAYS, online_retail
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Trial, Trials, settings_key
from onward.graph.budgets import Budget
from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules
from onward.graph.pair_support import PairSupport
from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NeighbourhoodSampler
from onward.model.embeddings import Embeddings
from onward.model.encoder import DualEncoder, Reach
from onward.model.product_inputs import ProductInputs
from onward.model.training import DEFAULT, EncoderSettings, Lesson, Variant, train_on
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_ranks import rank_links, rivals_of
from onward.ranking.link_split import LinkSplit, random_split
from onward.ranking.method import Method

SEEDS = (1, 2, 3, 4, 5)
ABLATION_SEEDS = (1,)
"""The ablation is there to be looked at and claims nothing."""
FAN_OUT = (3, 3)
ATTRIBUTES = 64
MOST_TEST_EDGES = 6000
EPOCHS = {"cora_ml": 30, "uci": 12, "photo": 5}
"""Times that each training edge is drawn on average, by both relations together."""
BATCH_PAIRS = {"cora_ml": 512, "uci": 512, "photo": 1024}
"""Of each relation, a step."""
CLAIMED = ("cora_ml", "uci")
"""The data sets whose least gain is claimed; Photo takes hours and is there to be asked for."""
FOLLOWERS = 50
"""Out-edges of a UCI product, at most: as many as the pipeline keeps, so that degrees differ as they do there."""
THIRDS = ("low", "middle", "high")


class SingleEncoder(DualEncoder):
    """The ablation "dual -> single": one vector a product, which hears both relations, in both roles."""

    def exchange(
        self, vectors: Tensor, leads_to: Tensor, led_from: Tensor, reach: Reach | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like the dual encoder's, with s = t."""
        both = self.as_source(vectors)
        for number, layer in enumerate(self.layers):
            one = functional.normalize(functional.leaky_relu(both) if number > 0 else both, dim=1)
            both, mirrored = layer(one, one, leads_to, led_from)
            both = both + mirrored
        if reach is not None:
            both = both[: reach.nodes[0]]
        both = functional.normalize(both, dim=1)
        return both, both


@dataclass(frozen=True)
class Run:
    """What one training found: hit rates at 10 of the test edges, in all and by third, and MRR on validation edges."""

    hit_rate: float
    thirds: tuple[float, float, float]
    validation: float


def adaptive(most_walks: int, preference: float, graph: ProductGraph, fan_out: tuple[int, ...]) -> Budget:
    out_law, in_law = (fit_degree_law(degrees, d_min=1) for degrees in (graph.out_degrees, graph.in_degrees))
    return adaptive_budget(graph, fan_out, out_law, in_law, most_walks, preference)


CONTROL = "uniform"
WAYS: Mapping[str, Variant] = {
    "adaptive: budgets by degree": Variant(budget=partial(adaptive, 0, 0.0)),
    "adaptive: and neighbours of high degree preferred": Variant(budget=partial(adaptive, 0, 0.5)),
    "adaptive: and a further hop where edges run out": Variant(budget=partial(adaptive, 8, 0.0)),
    "adaptive: both": Variant(budget=partial(adaptive, 8, 0.5)),
}
ABLATIONS: Mapping[str, Variant] = {
    "single embedding": Variant(encoder=SingleEncoder),
    "no features": DEFAULT,
}


def product_graph(graph: DirectedGraph) -> ProductGraph:
    """The training edges as the pipeline's graph, each seen once."""
    found = graph.adjacency.tocoo()
    source, target = (each.astype(np.int64) for each in (found.row, found.col))
    return ProductGraph.from_edges(graph.nodes, source, target, np.ones(found.nnz))


def product_inputs(graph: DirectedGraph, *, features: bool) -> ProductInputs:
    """The first attribute dimensions (they are ordered by weight), each of variance 1; or none."""
    attributes = graph.attributes if features else None
    numbers = np.zeros((graph.nodes, 1), np.float32) if attributes is None else attributes[:, :ATTRIBUTES]
    spread = numbers.std(axis=0, keepdims=True)
    scaled = ((numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    return ProductInputs(np.zeros((graph.nodes, 1), np.int64), (1,), scaled)


def embed_within(encoder: DualEncoder, graph: ProductGraph, budget: Budget, seed: int) -> Embeddings:
    """Embed every product by one sampled neighbourhood instead of all edges."""
    first = Budget(
        budget.out_fan[:1],
        budget.in_fan[:1],
        budget.out_walks[:1],
        budget.in_walks[:1],
        budget.out_weight,
        budget.in_weight,
    )
    everything = np.arange(graph.products)
    found = NeighbourhoodSampler(graph, first).sample(everything, everything, np.empty(0, np.int64), seed)
    encoder.eval()
    with torch.no_grad():
        source, target = encoder(
            torch.from_numpy(everything),
            torch.from_numpy(found.in_edges),
            torch.from_numpy(found.out_edges).flip(0),
        )
        scale = torch.exp(encoder.log_scale)
    return Embeddings(source.numpy(), target.numpy(), scale.numpy())


def by_probability(embeddings: Embeddings, graph: DirectedGraph) -> Method:
    """Log P(v | u) up to a constant of u: the lift, and what share of the training edges leads to v."""
    share = np.log((graph.in_degrees + 1.0) / (graph.in_degrees.sum() + graph.nodes))
    everything = np.arange(graph.nodes)
    return lambda queries: embeddings.log_lift_matrix("after", queries, everything).astype(np.float64) + share


def judge(method: Method, split: LinkSplit) -> Run:
    """Rank test edges among the whole catalogue, known targets left out, and validation edges likewise."""
    pairs: Ints = split.test[:MOST_TEST_EDGES]
    hit = rank_links(method, pairs, rivals_of(split.known)).rank <= 10
    sources = np.unique(pairs[:, 0])
    degrees = split.graph.out_degrees[sources]
    thirds = np.array_split(sources[np.lexsort((sources, degrees))], 3)
    low, middle, high = (float(hit[np.isin(pairs[:, 0], part)].mean()) for part in thirds)
    # Test edges are rivals here like any other pair: what picks must not know them.
    validation = rank_links(method, split.validation, rivals_of(split.edges)).rank
    return Run(float(hit.mean()), (low, middle, high), float((1.0 / validation).mean()))


def train_and_judge(split: LinkSplit, name: str, variant: Variant, seed: int, *, features: bool) -> tuple[Run, Run]:
    """One training; the catalogue embedded over all edges, and within the budget."""
    graph = product_graph(split.graph)
    settings = EncoderSettings(
        dimension=32,
        layers=len(FAN_OUT),
        fan_out=FAN_OUT,
        epochs=EPOCHS[name],
        steps=-(-graph.edges // (2 * BATCH_PAIRS[name])),
        batch_pairs=BATCH_PAIRS[name],
        learning_rate=0.01,
        temperature=0.1,
        held_out_pairs=0.01,
    )
    edges = PairSupport(graph.sources, graph.out_targets, graph.support)
    inputs = product_inputs(split.graph, features=features)
    lesson = Lesson.of((edges, edges), graph, inputs, settings.held_out_pairs, seed)
    trained = train_on(lesson, settings, seed, 1, variant=variant)
    within = embed_within(trained.encoder, graph, variant.budget(graph, FAN_OUT), seed)
    full, sampled = (judge(by_probability(each, split.graph), split) for each in (trained.embeddings, within))
    return full, sampled


def _trial(split: LinkSplit, name: str, variant: Variant, seed: int, *, features: bool) -> Trial:
    """`train_and_judge` as plain values."""
    runs = train_and_judge(split, name, variant, seed, features=features)
    return {"runs": [(run.hit_rate, run.thirds, run.validation) for run in runs]}


def mean(runs: list[Run], value: Callable[[Run], float]) -> float:
    return float(np.mean([value(run) for run in runs]))


def row(name: str, what: str, heard: float | None, runs: list[Run], control: list[Run]) -> dict[str, Cell]:
    """One line: means over the seeds, and the gains over the control on the same seeds."""
    control = control[: len(runs)]
    low_gains = [run.thirds[0] / even.thirds[0] - 1 for run, even in zip(runs, control, strict=True)]
    return {
        "data": name,
        "what": what,
        "neighbours a product": heard,
        "hr@10": mean(runs, lambda run: run.hit_rate),
        **{third: mean(runs, lambda run, i=i: run.thirds[i]) for i, third in enumerate(THIRDS)},  # type: ignore[misc]
        "validation mrr": mean(runs, lambda run: run.validation),
        "gain low": mean(runs, lambda run: run.thirds[0]) / mean(control, lambda run: run.thirds[0]) - 1,
        "gain low, sd over seeds": float(np.std(low_gains, ddof=1)) if len(runs) > 1 else None,
        "gain overall": mean(runs, lambda run: run.hit_rate) / mean(control, lambda run: run.hit_rate) - 1,
        "seeds": len(runs),
    }


def uci(folder: Path) -> tuple[Ints, int, np.ndarray]:
    """UCI Online Retail: the strongest followers of each product, by new purchases within 30 days."""
    shop = online_retail(folder)
    log = shop.log
    bought = pa.table(
        {
            "customer": log.customer,
            "product": log.product,
            "purchased_at": (log.day.astype("datetime64[D]")).astype("datetime64[us]"),
        }
    )
    rules = CountRules(10, 4, FRESH_DAYS, FOLLOW_DAYS, 5.0, FOLLOWERS)
    edges, _ = count_in_process(bought, datetime(2012, 1, 1), rules, 1)
    return edges[["source", "target"]].to_numpy(np.int64), log.products, shop.vectors


def compare(
    name: str, graph: tuple[Ints, int, np.ndarray], seeds: tuple[int, ...], trials: Trials
) -> tuple[list[dict[str, Cell]], str]:
    """All rows of one data set, and the adaptive way that validation edges choose."""
    console = Console(stderr=True)
    kinds = {CONTROL: DEFAULT, **WAYS, **ABLATIONS}
    full: dict[str, list[Run]] = {kind: [] for kind in kinds}
    within: dict[str, list[Run]] = {kind: [] for kind in kinds}
    heard: dict[str, float] = {}
    for seed in seeds:
        split = random_split(graph, name, seed, 0.05, 0.20)
        known = product_graph(split.graph)
        for kind, variant in kinds.items():
            if kind in ABLATIONS and seed not in ABLATION_SEEDS:
                continue
            console.print(f"{name}, seed {seed}: {kind}", highlight=False)
            key = f"{name}, seed {seed}, {kind}, {settings_key(FAN_OUT, EPOCHS, BATCH_PAIRS, FOLLOWERS)}"
            make = partial(_trial, split, name, variant, seed, features=kind != "no features")
            both = trials.run(key, make)["runs"]
            full[kind].append(Run(*both[0]))
            within[kind].append(Run(*both[1]))
            budget = variant.budget(known, FAN_OUT)
            heard[kind] = float(neighbours_allowed(known, budget)[0].sum() / known.products)
    rows = [row(name, kind, heard[kind], full[kind], full[CONTROL]) for kind in (CONTROL, *WAYS)]
    rows += [
        row(name, f"{kind}, embedded within the budget", heard[kind], within[kind], within[CONTROL])
        for kind in (CONTROL, *WAYS)
    ]
    rows += [row(name, f"ablation: {kind}", heard[kind], full[kind], full[CONTROL]) for kind in ABLATIONS]
    return rows, max(WAYS, key=lambda way: mean(full[way], lambda run: run.validation))


def laws(name: str, graph: tuple[Ints, int, np.ndarray]) -> list[dict[str, Cell]]:
    """What the degrees of a data set follow, for the console."""
    edges, nodes, _ = graph
    found = []
    for side, column in (("out", 0), ("in", 1)):
        degrees = np.bincount(edges[:, column], minlength=nodes)
        law = fit_degree_law(degrees, samples=50)
        found.append(
            {"data": name, "degree": side, "exponent": law.exponent, "ks": law.distance, "verdict": law.verdict}
        )
    return found  # type: ignore[return-value]


def main() -> None:
    """Train, rank and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--sets", nargs="+", default=list(CLAIMED), choices=list(EPOCHS))
    arguments.add_argument("--fresh", action="store_true", help="forget finished trainings")
    arguments.add_argument("--seeds", type=int, default=len(SEEDS), help="how many; the claims need all")
    chosen = arguments.parse_args()
    folder, seeds = Path(chosen.data), SEEDS[: chosen.seeds]
    readers = {"cora_ml": cora_ml, "uci": uci, "photo": photo}
    trials = Trials("direction_adaptive", fresh=chosen.fresh)
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    gains: list[tuple[float, float]] = []
    for name in chosen.sets:
        graph = readers[name](folder)
        for law in laws(name, graph):
            Console(stderr=True).print(law, highlight=False)
            claims[f"{name}_{law['degree']}_exponent"] = float(str(law["exponent"]))
            claims[f"{name}_{law['degree']}_ks"] = float(str(law["ks"]))
        found, way = compare(name, graph, seeds, trials)
        rows += [{**each, "chosen by validation": each["what"] == way} for each in found]
        best = next(each for each in found if each["what"] == way)
        gains.append((float(str(best["gain low"])), float(str(best["gain overall"]))))
    if set(CLAIMED) <= set(chosen.sets) and seeds == SEEDS:  # a part of the work claims nothing
        claims["low_degree_gain_min"] = min(low for low, _ in gains)
        claims["overall_gain_min"] = min(overall for _, overall in gains)
    publish(Finding("direction_adaptive", list(seeds), rows, claims))


if __name__ == "__main__":
    main()
