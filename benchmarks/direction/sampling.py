"""How fast neighbourhoods are sampled: Onward's compiled sampler against PyG's NeighborLoader on the same graph.

200,000 products, 2,000,000 edges with heavy-tailed degrees, fan-outs 10 and 5, both relations; PyG's loader is measured
on them and, since one relation is simpler for it, on the forward edges alone. Speeds are edges a second of processor
time on one thread, so that other work on the machine does not matter. "In training" times the loader inside a loop that
also trains the encoder, where caches are cold; the whole loop counts the training step too, which no sampler shortens.

Adaptive budgets hear as many neighbours over all products, but fewer around hubs, which walks meet most often: their
batches hold fewer edges. So edges a second and batches a second (over the same products) are both claimed.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.progress import track
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import NeighborLoader, NodeLoader

from benchmarks.harness.form import Cell, Finding, publish
from onward.graph.budgets import degree_adaptive_budget, uniform_budget
from onward.graph.product_graph import EDGE_COLUMNS, ProductGraph
from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data
from onward.model.encoder import DualEncoder
from onward.model.product_inputs import ProductInputs

SEED = 7
POWER = 1.0
"""β of the adaptive budgets: in proportion to degree^-β."""
FAN_OUT = (10, 5)
BATCH = {"alone": 1024, "in training": 256}
BATCHES = {"alone": 20, "in training": 5}
REPEATS = 3
INSTALL = "not installed: pip install torch-scatter torch-sparse --no-build-isolation (compiles for about 8 minutes)"
UNIFORM, BUDGETS, ADAPTIVE = "onward, uniform", "onward, adaptive budgets alone", "onward, adaptive"
BOTH, ONE = "PyG, both relations", "PyG, one relation"


@dataclass(frozen=True)
class Speed:
    """Processor seconds in the loader and in the training step, and edges that were sampled."""

    loading: float
    training: float
    edges: int


def heavy_tailed_graph(products: int, edges: int) -> ProductGraph:
    """Distinct edges between products whose popularity falls as a power of their rank, ranks shuffled for each side."""
    generator = np.random.default_rng(SEED)
    chance = np.arange(1, products + 1) ** -0.5
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < edges:
        ends = [
            generator.permutation(products)[generator.choice(products, edges, p=chance / chance.sum())]
            for _ in range(2)
        ]
        found = ends[0] * products + ends[1]
        keys = np.unique(np.concatenate([keys, found[ends[0] != ends[1]]]))
    keys = np.sort(generator.permutation(keys)[:edges])
    table = pd.DataFrame(
        {"source": keys // products, "target": keys % products, **dict.fromkeys(EDGE_COLUMNS[2:], 1.0)}
    )
    nodes = pd.DataFrame({"product": range(products), "customers": 1.0, "fresh_customers": 1.0})
    return ProductGraph.from_tables(products, table, nodes)


def trainer(graph: ProductGraph) -> Callable[[HeteroData], None]:
    """One step of the pipeline's encoder at its own dimension, on whatever batch it is given."""
    torch.manual_seed(SEED)
    inputs = ProductInputs(np.zeros((graph.products, 1), np.int64), (1,), np.ones((graph.products, 4), np.float32))
    encoder = DualEncoder(inputs, torch.zeros(graph.products, dtype=torch.bool), dimension=64, layers=len(FAN_OUT))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.001)

    def step(batch: HeteroData) -> None:
        source, target = encoder(batch[PRODUCT].n_id, batch[LEADS_TO].edge_index, batch[LED_FROM].edge_index)
        optimizer.zero_grad()
        torch.autograd.backward(-(source[:64] * target[:64]).sum())
        optimizer.step()

    return step


def loaders(graph: ProductGraph, batch: int, batches: int) -> dict[str, Iterable[Any]]:
    """A fresh loader of every kind over the same products."""
    data = graph_data(graph)
    nodes = torch.from_numpy(np.random.default_rng(SEED).permutation(graph.products)[: batch * batches])
    budgets = {
        UNIFORM: uniform_budget(graph, FAN_OUT),
        BUDGETS: degree_adaptive_budget(graph, FAN_OUT, POWER, most_walks=0, preference=0.0),
        ADAPTIVE: degree_adaptive_budget(graph, FAN_OUT, POWER),
    }
    made: dict[str, Iterable[Any]] = {
        name: NodeLoader(data, DirectedSampler(graph, budget, SEED), input_nodes=(PRODUCT, nodes), batch_size=batch)
        for name, budget in budgets.items()
    }
    if find_spec("torch_sparse") is not None:
        fans = {relation: list(FAN_OUT) for relation in (LEADS_TO, LED_FROM)}
        made[BOTH] = NeighborLoader(data, fans, input_nodes=(PRODUCT, nodes), batch_size=batch)
        forward = Data(edge_index=data[LEADS_TO].edge_index, num_nodes=graph.products)
        made[ONE] = NeighborLoader(forward, list(FAN_OUT), input_nodes=nodes, batch_size=batch)
    return made


def measure(loader: Iterable[Any], step: Callable[[HeteroData], None] | None) -> Speed:
    """Run through a loader once, timing the loader apart from the step."""
    loading, training, edges = 0.0, 0.0, 0
    batches: Iterator[Any] = iter(loader)
    while True:
        start = time.process_time()
        batch = next(batches, None)
        loading += time.process_time() - start
        if batch is None:
            return Speed(loading, training, edges)
        relations = (batch,) if isinstance(batch, Data) else (batch[LEADS_TO], batch[LED_FROM])
        edges += sum(int(relation.edge_index.shape[1]) for relation in relations)
        if step is not None:
            start = time.process_time()
            step(batch)
            training += time.process_time() - start


def main() -> None:
    """Measure by turns, so that whatever slows the machine slows all, and publish medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--products", type=int, default=200_000)
    arguments.add_argument("--edges", type=int, default=2_000_000)
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*torch_sparse.*|.*pyg-lib.*")
    graph = heavy_tailed_graph(chosen.products, chosen.edges)
    step = trainer(graph)
    speeds: dict[tuple[str, str], list[Speed]] = {}
    for setting, batch in BATCH.items():
        kinds = loaders(graph, batch, BATCHES[setting])
        for repeat in track(range(REPEATS + 1), f"sampling {setting}"):
            for kind, loader in kinds.items():
                if setting == "in training" and kind == ONE:
                    continue  # the encoder hears both relations
                speed = measure(loader, step if setting == "in training" else None)
                if repeat > 0:  # the first compiles and warms
                    speeds.setdefault((setting, kind), []).append(speed)

    def rate(setting: str, kind: str, *, whole: bool = False) -> float:
        found = speeds[setting, kind]
        return float(np.median([each.edges / (each.loading + whole * each.training) for each in found]))

    def batch_time(kind: str) -> float:
        return float(np.median([each.loading for each in speeds["alone", kind]]))

    rows: list[dict[str, Cell]] = [
        {
            "setting": setting,
            "sampler": kind,
            "million edges a second": rate(setting, kind) / 1e6,
            "edges a batch": float(np.median([each.edges for each in found])) / BATCHES[setting],
            "milliseconds a batch": 1e3 * float(np.median([each.loading for each in found])) / BATCHES[setting],
            "share of the loop": float(np.median([each.loading / (each.loading + each.training) for each in found])),
        }
        for (setting, kind), found in speeds.items()
    ]
    claims = {
        "products": float(graph.products),
        "edges": float(graph.edges),
        "adaptive_over_uniform": rate("alone", ADAPTIVE) / rate("alone", UNIFORM),
        "adaptive_over_uniform_in_batches": batch_time(UNIFORM) / batch_time(ADAPTIVE),
        "budgets_alone_over_uniform": rate("alone", BUDGETS) / rate("alone", UNIFORM),
    }
    if ("alone", BOTH) in speeds:
        claims["ratio_alone"] = rate("alone", UNIFORM) / max(rate("alone", BOTH), rate("alone", ONE))
        claims["ratio_in_training"] = rate("in training", UNIFORM) / rate("in training", BOTH)
        claims["ratio_whole_loop"] = rate("in training", UNIFORM, whole=True) / rate("in training", BOTH, whole=True)
    else:
        rows += [
            {**dict.fromkeys(rows[0]), "setting": setting, "sampler": f"{BOTH}: torch-sparse {INSTALL}"}
            for setting in BATCH
        ]
    publish(Finding("sampling", [SEED], rows, claims))


if __name__ == "__main__":
    main()
