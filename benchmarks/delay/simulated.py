"""Delay estimators in simulated worlds whose true probabilities are known.

Every method gets the same late labels and fits the same model; it is judged by the true probabilities of the week
after the clock. RI = (naive − method) / (naive − oracle) of the log loss, per seed over its three clocks together:
0 is as good as naive, 100 as good as knowing every label. RI may pass 100, since the future drifts and the oracle
has not seen it either.

Finished trials are kept in artifacts/benchmarks/delay_simulated.jsonl, so that a stopped run goes on where it was;
`--fresh` forgets them.
"""

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.delay import methods
from benchmarks.delay.methods import DEFAULT
from benchmarks.delay.world import KINDS, simulate, true_pending_probability
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.boosting import Boosting
from onward.params import read_params

SEEDS = (1, 2, 3, 4, 5)
CLOCKS = (50, 64, 78)
STORE = ROOT / "artifacts" / "benchmarks" / "delay_simulated.jsonl"
TRUE_Z = "soft label, true z"  # told what no estimator knows: the best that splitting labels can do
STABLE = ("informative", "useless", "low drift", "base-rate jump")
_T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}

Trial = Mapping[str, Any]


def run(kind: str, seed: int, clock: int) -> dict[str, Any]:
    """Try every method in one world at one clock."""
    delay = read_params(ROOT / "params.yaml").delay
    boosting = Boosting(
        delay.iterations, delay.learning_rate, delay.leaves, delay.min_rows_in_leaf, delay.l2, seed, threads=1
    )
    with threadpool_limits(1):
        world = simulate(KINDS[kind], seed, clock)
        trial = methods.begin(world, clock, boosting, delay.counterfactual_clocks)
        found = methods.references(trial) | methods.on_snapshots(trial, delay.max_weight) | methods.on_streams(trial)
        corrected, notes = methods.corrections(trial, delay.max_weight)
        found |= corrected
        found[TRUE_Z] = methods.with_z(trial, true_pending_probability(KINDS[kind], seed, clock, world))
        if kind == "informative":
            shuffled = methods.begin(
                methods.shuffle_engagement(world, seed), clock, boosting, delay.counterfactual_clocks
            )
            found["soft label, engagement shuffled"] = methods.on_snapshots(shuffled, delay.max_weight)["soft label"]
    quality = {name: asdict(each) for name, each in found.items()}
    return {"kind": kind, "seed": seed, "clock": clock, "notes": notes, "quality": quality}


def run_all(seeds: Sequence[int], workers: int) -> list[Trial]:
    """Run what the store lacks, and return everything asked for."""
    done = {_key(trial): trial for trial in _stored()}
    asked = [(kind, seed, clock) for seed in seeds for clock in CLOCKS for kind in KINDS]
    missing = [key for key in asked if key not in done]
    STORE.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool, STORE.open("a", encoding="utf-8") as store:
        futures = [pool.submit(run, *key) for key in missing]
        for future in track(as_completed(futures), "trials", total=len(futures)):
            trial = future.result()
            done[_key(trial)] = trial
            store.write(json.dumps(trial) + "\n")
            store.flush()
    return [done[key] for key in asked]


def recovered(trials: Iterable[Trial], method: str) -> dict[int, float]:
    """RI of the log loss in percent, by seed."""
    gained: dict[int, float] = {}
    possible: dict[int, float] = {}
    for trial in trials:
        quality, seed = trial["quality"], trial["seed"]
        gained[seed] = gained.get(seed, 0.0) + quality["naive"]["nll"] - quality[method]["nll"]
        possible[seed] = possible.get(seed, 0.0) + quality["naive"]["nll"] - quality["oracle"]["nll"]
    return {seed: 100.0 * gained[seed] / possible[seed] for seed in gained}


def rows_of(trials: Sequence[Trial]) -> list[dict[str, Cell]]:
    """One row for each world and method."""
    rows: list[dict[str, Cell]] = []
    for kind in KINDS:
        mine = [trial for trial in trials if trial["kind"] == kind]
        for method in mine[0]["quality"]:
            quality = [trial["quality"] for trial in mine]
            ri = list(recovered(mine, method).values())
            half = _T_95[len(ri)] * float(np.std(ri, ddof=1)) / len(ri) ** 0.5 if len(ri) in _T_95 else None
            mean = float(np.mean(ri))
            rows.append(
                {
                    "world": kind,
                    "method": method,
                    "RI %": mean,
                    "low": None if half is None else mean - half,
                    "high": None if half is None else mean + half,
                    "worst seed": min(ri),
                    "NLL": float(np.mean([each[method]["nll"] for each in quality])),
                    "|PCOC − 1|": float(np.mean([abs(each[method]["pcoc"] - 1) for each in quality])),
                    "PCOC / oracle": float(
                        np.mean([each[method]["pcoc"] / each["oracle"]["pcoc"] for each in quality])
                    ),
                    "AUC": float(np.mean([each[method]["auc"] for each in quality])),
                }
            )
    return rows


def claims_of(trials: Sequence[Trial]) -> dict[str, float]:
    """Figures of the default, for the groups of worlds that have targets."""
    claims = {}
    for group, kinds in (("stable", STABLE), ("shift", ("delay shift",)), ("few", ("few positives",))):
        by_kind = [[trial for trial in trials if trial["kind"] == kind] for kind in kinds]
        ri = [list(recovered(mine, DEFAULT).values()) for mine in by_kind]
        claims[f"ri_nll_mean_{group}"] = float(np.mean(ri))
        claims[f"ri_nll_worst_{group}"] = float(np.min(ri))
        claims[f"ri_nll_lowest_world_mean_{group}"] = float(np.mean(ri, axis=1).min())
        quality = [trial["quality"] for mine in by_kind for trial in mine]
        ratio = np.array([each[DEFAULT]["pcoc"] / each["oracle"]["pcoc"] for each in quality])
        claims[f"pcoc_from_oracle_mean_{group}"] = float(np.abs(ratio - 1).mean())
        claims[f"pcoc_from_oracle_of_mean_{group}"] = float(abs(ratio.mean() - 1))
    return claims


def _stored() -> list[Trial]:
    if not STORE.exists():
        return []
    return [json.loads(line) for line in STORE.read_text(encoding="utf-8").splitlines()]


def _key(trial: Trial) -> tuple[str, int, int]:
    return trial["kind"], trial["seed"], trial["clock"]


def main() -> None:
    """Run, or go on, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--fresh", action="store_true", help="forget finished trials")
    asked = parser.parse_args()
    if asked.fresh:
        Path(STORE).unlink(missing_ok=True)
    trials = run_all(asked.seeds, asked.workers)
    publish(Finding("delay_simulated", asked.seeds, rows_of(trials), claims_of(trials)))


if __name__ == "__main__":
    main()
