"""The counts behind the graph: DuckDB against tuned pandas and against Spark, on Complete Journey, with equal results.

Who bought v new within so many days after u, over all purchases before the training window, by the default rules: the
step of the chain that grows fastest with a log. `make run` must have been run before. pandas joins each customer's days
in one merge within stretches of days, as the others do, on integers packed into one column, customers in portions so
that a merge fits into memory. Rounds alternate, and medians count. Spark runs once, on two threads of this machine; its
start of some seconds is counted.

Usage:
    python -m benchmarks.operations.counting
"""

import argparse
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from statistics import median

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import read_arrow
from onward.graph.counting import count_in_process, count_on_spark
from onward.graph.counts import CountRules
from onward.layout import Layout
from onward.params import read_params

THREADS = 2
PORTION = 100
"""Customers whose days pandas joins at a time."""
MASTER = f"local[{THREADS}]"

Counts = tuple[pd.DataFrame, pd.DataFrame]


def count_by_pandas(purchases: pd.DataFrame, before: datetime, rules: CountRules) -> Counts:
    """What `directed_counts` counts, by merges of portions."""
    past = purchases[purchases["purchased_at"] < before]
    day = past["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    days = pd.DataFrame({"customer": past["customer"].to_numpy(np.int64), "product": past["product"], "day": day})
    days = days.drop_duplicates().sort_values(["customer", "product", "day"], ignore_index=True)
    same = days["customer"].eq(days["customer"].shift()) & days["product"].eq(days["product"].shift())
    previous = days["day"].shift().where(same)
    following = days["day"].shift(-1).where(same.shift(-1, fill_value=False))
    new = (previous.isna() | (days["day"] - previous > rules.fresh_days)) & (
        days["day"] >= days["day"].min() + rules.fresh_days
    )
    fresh = days[new]
    nodes = days.groupby("product")["customer"].nunique().rename("customers").to_frame()
    nodes["fresh_customers"] = fresh.groupby("product")["customer"].nunique()
    nodes = nodes.fillna(0).astype(np.int64).reset_index()
    popular = nodes.loc[nodes["customers"] >= rules.min_customers, "product"]
    spells = days.assign(following=following, stretch=days["day"] // rules.follow_days)
    spells = spells[spells["product"].isin(popular)]
    fresh = fresh.assign(stretch=fresh["day"] // rules.follow_days)[fresh["product"].isin(popular)]
    products = int(days["product"].max()) + 1
    pairs = [
        _pairs(spells[_portion(spells, first)], fresh[_portion(fresh, first)], rules.follow_days, products)
        for first in range(0, int(days["customer"].max()) + 1, PORTION)
    ]
    keys, support = np.unique(np.concatenate(pairs), return_counts=True)
    edges = pd.DataFrame({"source": keys // products, "target": keys % products, "support": support})
    edges = edges[edges["support"] >= rules.min_support]
    turned = edges.rename(columns={"source": "target", "target": "source", "support": "reverse_support"})
    edges = edges.merge(turned, how="left", on=["source", "target"]).fillna({"reverse_support": 0})
    known = nodes.set_index("product")
    expected = known["customers"].loc[edges["source"]].to_numpy(float) * known["fresh_customers"].loc[edges["target"]]
    edges["expected"] = expected.to_numpy() / days["customer"].nunique()
    edges["score"] = (edges["support"] + 1) / (edges["expected"] + rules.shrinkage)
    best = edges.sort_values(["source", "score", "target"], ascending=[True, False, True])
    kept = best[best.groupby("source").cumcount() < rules.neighbours_per_product]
    return kept.sort_values(["source", "target"], ignore_index=True), nodes


def _portion(table: pd.DataFrame, first: int) -> slice:
    return slice(*np.searchsorted(table["customer"], [first, first + PORTION]))


def _pairs(spells: pd.DataFrame, fresh: pd.DataFrame, follow_days: int, products: int) -> np.ndarray:
    """Each customer's distinct pairs, as source * products + target."""
    stretched = pd.concat([fresh, fresh.assign(stretch=fresh["stretch"] - 1)])
    met = spells.merge(stretched, on=["customer", "stretch"], suffixes=("", "_new"))
    held = (
        (met["product"] != met["product_new"])
        & (met["day"] < met["day_new"])
        & (met["day"] >= met["day_new"] - follow_days)
        & ~(met["following"] < met["day_new"])
    )
    met = met[held]
    key = met["product"].to_numpy(np.int64) * products + met["product_new"].to_numpy(np.int64)
    whose = np.unique(met["customer"].to_numpy() * products**2 + key)
    return whose % products**2


def mismatches(found: Counts, expected: Counts) -> float:
    """Numbers that are not the same: whole ones exactly, others within 1e-9 of each other; -1 where rows differ."""
    if any(len(one) != len(other) for one, other in zip(found, expected, strict=True)):
        return -1.0
    wrong = 0
    for one, other in zip(found, expected, strict=True):
        for name in other:
            ours, theirs = one[name].to_numpy(float), other[name].to_numpy(float)
            wrong += int((~np.isclose(ours, theirs, rtol=1e-9, atol=0.0)).sum())
    return float(wrong)


def main() -> None:
    """Count by turns, compare and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    log, params = Layout(ROOT).serving_log, read_params(ROOT / "params.yaml")
    before, rules = params.run.training_start, CountRules(**params.graph.model_dump())
    purchases = read_arrow(log.purchases)
    table = purchases.to_pandas()
    engines: dict[str, Callable[[], Counts]] = {
        "DuckDB": partial(count_in_process, purchases, before, rules, THREADS),
        "pandas": partial(count_by_pandas, table, before, rules),
    }
    expected = engines["DuckDB"]()
    seconds: dict[str, list[float]] = {}
    wrong: dict[str, float] = {}

    def count(engine: str, counts: Callable[[], Counts]) -> None:
        started = time.perf_counter()
        found = counts()
        seconds.setdefault(engine, []).append(time.perf_counter() - started)
        wrong[engine] = mismatches(found, expected)
        Console(stderr=True).print(f"{engine}: {seconds[engine][-1]:.1f} s, {wrong[engine]:.0f} mismatches")

    for _ in range(rounds):
        for engine, counts in engines.items():
            count(engine, counts)
    count(f"Spark, {MASTER}", partial(count_on_spark, log.purchases, before, rules, MASTER))
    rows: list[dict[str, Cell]] = [
        {"engine": engine, "seconds": median(times), "runs": len(times), "mismatches": wrong[engine]}
        for engine, times in seconds.items()
    ]
    claims = {
        "purchases": float(purchases.num_rows),
        "edges": float(len(expected[0])),
        "speedup_over_pandas": median(seconds["pandas"]) / median(seconds["DuckDB"]),
        "pandas_mismatches": wrong["pandas"],
        "spark_mismatches": wrong[f"Spark, {MASTER}"],
    }
    publish(Finding("counting", [], rows, claims))


if __name__ == "__main__":
    main()
