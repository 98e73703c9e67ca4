"""Does the group finder find the groups that are bad, and no others?

The simulated shop gives every impression its true chance. The model is that chance, but for three planted groups, drawn
anew with each seed, in which its odds are doubled or halved. Groups are values of target and source category, of the
target's degree, of departments, of where it was shown, and segments of customers: about two hundred. A find is false
when it is not one of the three. The repair is fitted on half of the customers and judged on the rest.
"""

import argparse
import time
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow.compute as pc
from rich.progress import track
from scipy.special import expit, logit

from benchmarks.harness.form import Cell, Finding, publish
from onward.data.sources.simulator import simulate
from onward.evaluation.groups import Group, find_groups
from onward.metrics.intervals import wilson
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.group_repair import GroupRepair

SEEDS = tuple(range(20))
PRODUCTS, CUSTOMERS, DAYS, PER_DAY = 3600, 6000, 60, 6000
SEGMENTS = 50
PLANTED = 3
SHIFT = float(np.log(2.0))
FEWEST = 200.0  # conversions that a planted group holds


def draw(seed: int) -> tuple[Floats, Floats, Ints, dict[str, np.ndarray]]:
    """Return label, true chance, customer and slices of every impression of one simulated shop."""
    log = simulate(PRODUCTS, CUSTOMERS, DAYS, PER_DAY, seed, end=datetime(2024, 1, 1), attribution_days=28)
    shown, truth, products = log.log.tables["impressions"], log.truth["impressions"], log.log.tables["products"]
    source, target = (
        pc.index_in(shown[f"{end}_product_id"], products["product_id"].combine_chunks()).to_numpy()
        for end in ("source", "target")
    )
    customer = np.unique(shown["customer_id"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    path = products["category"].to_numpy(zero_copy_only=False).astype(str)
    sales = log.truth["products"]["sales"].to_numpy()
    degree = np.searchsorted(np.quantile(sales, np.arange(1, 10) / 10), sales, side="right").astype(str)
    segment = np.random.default_rng([seed, 11]).integers(0, SEGMENTS, customer.max() + 1).astype(str)
    slices = {
        "target category": path[target],
        "source category": path[source],
        "target department": np.char.partition(path[target], " > ")[:, 0],
        "degree of the target": degree[target],
        "segment of customers": segment[customer],
        "slot": shown["context_slot"].to_numpy(zero_copy_only=False).astype(str),
        "rank": np.minimum(shown["context_rank"].to_numpy(), 8).astype(str),
    }
    chance = truth["probability"].to_numpy()
    return truth["converted"].to_numpy(zero_copy_only=False).astype(np.float64), chance, customer, slices


def plant(chance: Floats, slices: Mapping[str, np.ndarray], seed: int) -> tuple[Floats, list[str]]:
    """Return what the model says, and the names of the groups in which it is wrong."""
    rng = np.random.default_rng([seed, 12])
    eligible = [
        (column, value)
        for column in ("target category", "source category", "segment of customers")
        for value in np.unique(slices[column])
        if chance[slices[column] == value].sum() >= FEWEST
    ]
    odds, names = logit(chance), []
    for place, way in zip(rng.permutation(len(eligible))[:PLANTED], rng.choice([-1.0, 1.0], PLANTED), strict=True):
        column, value = eligible[place]
        odds[slices[column] == value] += way * SHIFT
        names.append(f"{column}={value}")
    return expit(odds), names


def gap(label: Floats, said: Floats, slices: Mapping[str, np.ndarray], names: list[str], rows: np.ndarray) -> float:
    """Mean over groups of |log (promised / observed)|."""
    gaps = []
    for name in names:
        column, _, value = name.partition("=")
        inside = rows & (slices[column].astype(str) == value)
        gaps.append(abs(float(np.log(said[inside].sum() / label[inside].sum()))))
    return float(np.mean(gaps))


def measure(seed: int) -> dict[str, float]:
    """Plant, search, repair; return counts of one seed."""
    label, chance, customer, slices = draw(seed)
    said, planted = plant(chance, slices, seed)
    started = time.process_time()
    found: list[Group] = find_groups(label, said, customer, slices, seed=seed)
    seconds = time.process_time() - started
    confirmed = [group.name for group in found if group.confirmed]
    first = np.random.default_rng([seed, 13]).random(customer.max() + 1)[customer] < 0.5
    repair = GroupRepair.fit(label[first], said[first], {k: v[first] for k, v in slices.items()}, confirmed)
    mended = repair.apply(said, slices)
    return {
        "groups": float(sum(len(np.unique(values)) for values in slices.values())),
        "impressions": float(len(label)),
        "conversions": float(label.sum()),
        "named": float(len(found)),
        "confirmed": float(len(confirmed)),
        "planted found": float(len(set(planted) & set(confirmed))),
        "false": float(len(set(confirmed) - set(planted))),
        "false without confirming": float(len({group.name for group in found} - set(planted))),
        "gap before repair": gap(label, said, slices, planted, ~first),
        "gap after repair": gap(label, mended, slices, planted, ~first),
        "seconds": seconds,
    }


def main() -> None:
    """Run every seed and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    drawn = [measure(seed) for seed in track(SEEDS, description="shops")]
    rows: list[dict[str, Cell]] = [{"seed": seed, **row} for seed, row in zip(SEEDS, drawn, strict=True)]
    total = {key: sum(row[key] for row in drawn) for key in drawn[0]}
    bounds = wilson(total["false"], total["confirmed"])
    claims = {
        "planted_found": total["planted found"] / (PLANTED * len(SEEDS)),
        "false_group_rate": total["false"] / max(total["confirmed"], 1.0),
        "false_group_rate_high": bounds.high,
        "false_group_rate_without_confirming": total["false without confirming"] / max(total["named"], 1.0),
        "groups": total["groups"] / len(SEEDS),
        "gap_before_repair": total["gap before repair"] / len(SEEDS),
        "gap_after_repair": total["gap after repair"] / len(SEEDS),
    }
    publish(Finding("groups", SEEDS, rows, claims))


if __name__ == "__main__":
    main()
