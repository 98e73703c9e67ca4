"""The encoder trained by one process and by two, at equal batches: pairs a second, loss, and what a kill costs.

The loss is that of Complete Journey, trained as `make run` does, which must have been run before. Pairs a second are of
a shop of 20,000 products whose popularity and degrees follow a power law, with groups that lead to one another. Every
process has one thread. A training of few epochs is taken from one of many, so that starting costs nothing; rounds
alternate, and medians count. In batches of the default size most of a step is what processes tell each other, in large
ones most is the rivals of every pair. Needs two cores that nothing else uses.

Usage:
    python -m benchmarks.operations.processes
"""

import argparse
import time
from dataclasses import replace
from statistics import median

import numpy as np
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.operations.grouped_shop import HELD_OUT, make_lesson
from onward.artifacts import read_table
from onward.layout import Layout
from onward.model.training import EncoderSettings, Lesson, TrainedEncoder
from onward.params import read_params
from onward.stages.encoder_processes import Work, train_by_processes
from onward.stages.ranking_training import encoder_lesson, ranking_training_data
from tools.testbeds.killed_encoder import killing_one_after_an_epoch

PRODUCTS = 20_000
GROUPS = 50
PAIRS = 600_000
EDGES = 300_000
SETTINGS = EncoderSettings(
    dimension=64, layers=1, fan_out=(8,), degree_power=0.0, epochs=1, steps=50, batch_pairs=1024, learning_rate=0.01,
    temperature=0.1, held_out_pairs=HELD_OUT,
)  # fmt: skip
FEW, MANY = 1, 3
SIZES = ((1024, 50), (8192, 8))
"""Pairs of a relation in a batch, and steps of an epoch."""
LONG = replace(SETTINGS, epochs=5)
SEEDS = (1, 2, 3)


def complete_journey() -> tuple[Lesson, EncoderSettings]:
    """What `train_gnn` teaches its encoder, and how."""
    log, params = Layout(ROOT).serving_log, read_params(ROOT / "params.yaml")
    products, purchases = read_table(log.products), read_table(log.purchases)
    data = ranking_training_data(params, products, purchases, read_table(log.customers))
    return encoder_lesson(data, params, products, purchases)


def train(lesson: Lesson, settings: EncoderSettings, processes: int, seed: int) -> tuple[TrainedEncoder, float]:
    """What was learnt, and seconds."""
    started = time.perf_counter()
    trained = train_by_processes(Work(lesson, settings, seed, 1), processes)
    return trained, time.perf_counter() - started


def pairs_per_second(lesson: Lesson, batch: int, steps: int, processes: int) -> float:
    """Of the loop alone: what further epochs take beyond a first one."""
    settings = replace(SETTINGS, batch_pairs=batch, steps=steps)
    few, many = (train(lesson, replace(settings, epochs=each), processes, SEEDS[0])[1] for each in (FEW, MANY))
    return len(lesson.learnt) * batch * steps * (MANY - FEW) / (many - few)


def same(left: TrainedEncoder, right: TrainedEncoder) -> bool:
    """Whether two trainings gave the same numbers, to the last bit."""
    others = right.embeddings.to_arrays()
    return left.epochs == right.epochs and all(
        np.array_equal(values, others[name]) for name, values in left.embeddings.to_arrays().items()
    )


def main() -> None:
    """Measure and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    console = Console(stderr=True)
    lesson = make_lesson(PRODUCTS, GROUPS, PAIRS, EDGES, SEEDS[0])
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    for batch, steps in SIZES:
        pace = [[pairs_per_second(lesson, batch, steps, processes) for processes in (1, 2)] for _ in range(rounds)]
        one, two = (median(each) for each in zip(*pace, strict=True))
        speedup = median(both / alone for alone, both in pace)
        claims[f"speedup_two_{batch}"] = speedup
        rows.append({"compared": f"pairs a second, batches of {batch}", "one": one, "two": two, "two / one": speedup})
        console.print(rows[-1], highlight=False)
    losses = []
    real, settings = complete_journey()
    for seed in SEEDS:
        alone, both = (train(real, settings, processes, seed)[0].epochs[-1] for processes in (1, 2))
        losses.append(both.loss / alone.loss)
        rows.append({"compared": f"loss, seed {seed}", "one": alone.loss, "two": both.loss, "two / one": losses[-1]})
        told = alone.information[0], both.information[0]
        rows.append({"compared": f"information, seed {seed}", "one": told[0], "two": told[1],
                     "two / one": told[1] / told[0]})  # fmt: skip
        console.print(rows[-1], highlight=False)
    whole = train(lesson, LONG, 2, SEEDS[0])[0]
    with killing_one_after_an_epoch() as killed:
        broken = train(lesson, LONG, 2, SEEDS[0])[0]
    claims |= {
        "loss_difference_max": max(abs(each - 1.0) for each in losses),
        "kills": float(len(killed)),
        "different_after_a_kill": float(not same(whole, broken)),
    }
    publish(Finding("processes", SEEDS, rows, claims))


if __name__ == "__main__":
    main()
