"""Do the ranges beside the chances hold what they promise, and what would other ranges hold?

The promise: of batches of pairs with 25 conversions to be expected or more, taken by product shown, by product bought
or by chance and doubt, nine in ten have a share that converted between the mean of their lows and that of their highs.
On Complete Journey and on the simulated shop, every quarter of the customers is the test of models and ranges fitted to
the other three (`rotated_runs`). What converted is what the log tells that goes on after as_of. Where the truth is
simulated, also: does the true chance of a batch, a product, a pair and an impression lie in its range?

`dvc repro` must have run. Impressions of Complete Journey are built from baskets, mailers and displays: observational.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.doubt.cross_fitted_scorers import STORE, what_became
from benchmarks.doubt.head_stability import stability
from benchmarks.doubt.range_methods import DEPLOYED, METHODS, batches_at, know
from benchmarks.doubt.rotated_runs import ROTATIONS, SEED, Rotation, Rows, read_rows, rotations
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.errors import ArtifactError
from onward.evaluation.range_coverage import ALL_WAYS, range_coverage
from onward.layout import Layout
from onward.metrics.intervals import Interval
from onward.params import Params, read_params
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.pair_batches import CHANCE_AND_DOUBT, PRODUCT_BOUGHT, PRODUCT_SHOWN
from tools.testbeds.simulated_truth import write_truth
from tools.testbeds.small_shop import copy_checkout, environment, set_params

SAMPLES = 500
STAGES = ("fingerprint_source", "ingest", "correct_label_delay", "train_gnn")
SHOWN = (20, 100)  # times, at least: the mean truth of fewer impressions is that of a few customers
WAYS = (PRODUCT_SHOWN, PRODUCT_BOUGHT, CHANCE_AND_DOUBT)
JOURNEY, SIMULATED = "Complete Journey", "simulated shop"


def simulated_shop(*, fresh: bool) -> Path:
    """A checkout whose pipeline has run on the simulated shop as far as the models, kept from the last time."""
    folder = STORE / "simulated_shop"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "artifacts" / "model" / "scorer.json").is_file():
        copy_checkout(folder)
        set_params(folder / "params.yaml", {"run": {"source": "simulator"}})
        for stage in track(STAGES, description="simulated shop"):
            command = [sys.executable, "-m", f"onward.stages.{stage}"]
            subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    return folder


def measure(data: str, root: Path) -> tuple[list[dict[str, Cell]], dict[str, Interval]]:
    """A row for each method; and how stable uncertainties are, on Complete Journey."""
    layout, params = Layout(root), read_params(root / "params.yaml")
    if not layout.outcomes.is_file():
        raise ArtifactError(f"{layout.outcomes}: no finished run; run `dvc repro` first, then this benchmark again")
    rows, model, impressions = read_rows(layout, params)
    label, truth = _outcomes(data, root, impressions, params)
    parts = [
        _tested(rotation, rows, label, truth)
        for rotation in track(rotations(rows, model, params), total=ROTATIONS, description=data)
    ]
    stable = stability(rows, params) if data == JOURNEY else {}
    return [{"data": data, **_row(method, parts)} for method in METHODS], stable


def _outcomes(data: str, root: Path, impressions: Any, params: Params) -> tuple[Floats, Floats | None]:
    if data == JOURNEY:
        return what_became(impressions, params), None
    truth = write_truth(root)["impressions"].to_pandas().set_index("impression_id")
    own = truth.loc[impressions["impression_id"]]
    return own["converted"].to_numpy(np.float64), own["probability"].to_numpy(np.float64)


def _tested(rotation: Rotation, rows: Rows, label: Floats, truth: Floats | None) -> dict[str, Any]:
    """Ranges of the quarter's rows by every method, beside what they are held against."""
    known, test = know(rotation, rows), rotation.test
    probability = rotation.predicted.probability[test]
    return {
        "ranges": {name: method(known, test) for name, method in METHODS.items()},
        "batches": batches_at(rotation, rows, test, probability),
        "probability": probability,
        "label": label[test],
        "truth": None if truth is None else truth[test],
        **{name: values[test] for name, values in rows.columns.items()},
    }


def _row(method: str, parts: list[dict[str, Any]]) -> dict[str, Cell]:
    low, high = (np.concatenate([part["ranges"][method][end] for part in parts]) for end in range(2))
    columns = {
        name: np.concatenate([part[name] for part in parts])
        for name in ("probability", "label", "source", "target", "customer")
    }
    batches = _joined([part["batches"] for part in parts])
    found = range_coverage(columns["label"], low, high, columns["customer"], batches, SAMPLES, SEED)
    row: dict[str, Cell] = {"method": method, "batches": int(found[ALL_WAYS]["batches"])}
    row |= {
        f"coverage {end}".removesuffix(" value"): found[ALL_WAYS]["coverage"][end] for end in ("value", "low", "high")
    }
    row |= {name.replace("_", " "): found[name]["coverage"]["value"] for name in batches}
    row["width, of the chance"] = float((high - low).sum() / columns["probability"].sum())
    known = parts[0]["truth"] is not None
    truth = np.concatenate([part["truth"] if known else part["label"] for part in parts])
    truths = _truths(truth, low, high, columns, batches)
    return row | {f"truth of {name}": value if known else None for name, value in truths.items()}


def _joined(batches: list[Mapping[str, Ints]]) -> dict[str, Ints]:
    """Batches of the quarters, by way, each quarter's after those before it."""
    joined = {}
    for name in batches[0]:
        ends = np.cumsum([0, *(int(part[name].max()) + 1 for part in batches)])
        joined[name] = np.concatenate([part[name] + start for part, start in zip(batches, ends[:-1], strict=True)])
    return joined


def _truths(
    truth: Floats, low: Floats, high: Floats, columns: Mapping[str, Any], batches: Mapping[str, Ints]
) -> dict[str, float]:
    """Share of each kind whose mean true chance lies in its mean range; of products and pairs those shown so often."""

    def share(code: Ints, least: int) -> float:
        _, number = np.unique(code, return_inverse=True)
        count = np.bincount(number)
        least_mean, mean, most_mean = (np.bincount(number, each) / count for each in (low, truth, high))
        inside = (least_mean <= mean) & (mean <= most_mean)
        return float(inside[count >= least].mean())

    pair = columns["source"] * 2**32 + columns["target"]
    return {
        "batches": float(np.mean([share(batch, 1) for batch in batches.values()])),
        **{f"products shown {least}": share(columns["target"], least) for least in SHOWN},
        **{f"pairs shown {least}": share(pair, least) for least in SHOWN},
        "impressions": float(((low <= truth) & (truth <= high)).mean()),
    }


def claims_of(rows: list[dict[str, Cell]]) -> dict[str, float]:
    """Of the ranges in use, and of what was served before."""
    named = {(row["data"], row["method"]): row for row in rows}
    journey, simulated = named[JOURNEY, DEPLOYED], named[SIMULATED, DEPLOYED]
    before, simulated_before = (named[data, "spread of heads, as served before"] for data in (JOURNEY, SIMULATED))
    wanted = {
        "coverage": (journey, "coverage"),
        "coverage_low": (journey, "coverage low"),
        "coverage_simulated": (simulated, "coverage"),
        "coverage_simulated_low": (simulated, "coverage low"),
        "coverage_before": (before, "coverage"),
        "coverage_before_low": (before, "coverage low"),
        "coverage_simulated_before": (simulated_before, "coverage"),
        "coverage_simulated_before_high": (simulated_before, "coverage high"),
        **{f"coverage_{way}": (journey, way.replace("_", " ")) for way in WAYS},
        "width": (journey, "width, of the chance"),
        "width_before": (before, "width, of the chance"),
        "truth_of_batches": (simulated, "truth of batches"),
        **{f"truth_of_products_{least}": (simulated, f"truth of products shown {least}") for least in SHOWN},
        **{f"truth_of_pairs_{least}": (simulated, f"truth of pairs shown {least}") for least in SHOWN},
        "truth_of_impressions": (simulated, "truth of impressions"),
    }
    return {claim: float(str(row[name])) for claim, (row, name) in wanted.items()}


def main() -> None:
    """Measure every method on both and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--fresh", action="store_true", help="run the simulated shop's pipeline again")
    asked = arguments.parse_args()
    Console().print("refitting scorers for each quarter of the customers …")
    rows, stable = measure(JOURNEY, ROOT)
    rows += measure(SIMULATED, simulated_shop(fresh=asked.fresh))[0]
    told = {name: interval.value for name, interval in stable.items()}
    told |= {f"{name}_low": interval.low for name, interval in stable.items()}
    publish(Finding("doubt_ranges", [SEED], rows, claims_of(rows) | told))


if __name__ == "__main__":
    main()
