"""The default run on Complete Journey: what the pipeline's own backtest found, as the README quotes it.

Runs `dvc repro` first, which does nothing when the run is already there. Impressions are an observational stand-in:
products on the mailer or display of the household's store, not a log of what a recommender showed.
"""

import argparse
import csv
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.harness.picture import save_svg

FIGURE = ROOT / "docs" / "images" / "positives_per_day.svg"


def row(what: str, found: Mapping[str, Any], scale: float = 1.0) -> dict[str, Cell]:
    """Return one line of the table: a figure with its 95 % interval."""
    value, low, high = (float(found[name]) * scale for name in ("value", "low", "high"))
    return {"what": what, "value": value, "low": low, "high": high}


def draw(path: Path) -> None:
    """Draw positives per day of the training window: seen so far, corrected, and the truth where it is known."""
    with (ROOT / "plots" / "positives_per_day.csv").open(encoding="utf-8") as stream:
        days = list(csv.DictReader(stream))
    x = np.array([day["date"][:10] for day in days], dtype="datetime64[D]")
    seen, corrected = (np.array([float(day[name]) for day in days]) for name in ("naive", "corrected"))
    final = np.array([float(day["matured_truth_where_known"] or "nan") for day in days])
    style: dict[Any, Any] = {"svg.hashsalt": "onward", "svg.fonttype": "path", "axes.spines.top": False}
    with rc_context(style):
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.bar(x, seen, width=0.85, color="#c9ced6", label="seen by 20 November")
        axes.plot(x, corrected, color="#0072b2", linewidth=2.2, label="what Onward trains on")
        axes.plot(x, final, color="#d55e00", linestyle="", marker="o", markersize=4, label="final, where matured")
        axes.spines["right"].set_visible(False)
        axes.set(ylabel="conversions a day", ylim=(0, None))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=3, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_svg(figure, path)


def main() -> None:
    """Run, collect and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    subprocess.run(["dvc", "repro", "-q"], cwd=ROOT, check=True)
    results: dict[str, Any] = json.loads((ROOT / "artifacts/evaluation/results.json").read_text(encoding="utf-8"))
    delay: dict[str, Any] = json.loads((ROOT / "metrics/delay.json").read_text(encoding="utf-8"))
    train: dict[str, Any] = json.loads((ROOT / "metrics/train.json").read_text(encoding="utf-8"))
    ingest: dict[str, Any] = json.loads((ROOT / "metrics/ingest.json").read_text(encoding="utf-8"))
    overall = results["classification"]
    deployed = next(each for each in results["decisions"] if each["policy"] == results["deployed_policy"])
    single = next(each for each in results["decisions"] if each["policy"] == "single")
    served = next(each["basket"] for each in results["related"]["goes_with"] if each["method"] == "served")
    rows = [
        row("AUC of the scores", overall["auc"]),
        row("predicted / observed conversions", overall["pcoc"]),
        row("precision of what is shown", deployed["precision"]),
        row("recall of what is shown", deployed["recall"]),
        row("recall of a single cut", single["recall"]),
        row("recall gained by levels, same number shown", deployed["matched_volume_gain"]),
        row("goes with: hit rate at 10 in the same basket", served["hr@10"]),
        row("goes with: lift at 10 in the same basket", served["lift@10"]),
    ]
    claims = {
        "impressions": float(overall["n"]),
        "conversions": float(overall["positives"]),
        "customers": float(overall["customers"]),
        "auc": float(overall["auc"]["value"]),
        "pcoc": float(overall["pcoc"]["value"]),
        "naive_rate": float(delay["naive_rate"]),
        "corrected_rate": float(delay["corrected_rate"]),
        "share_pending": float(delay["share_pending"]),
        "matched_volume_gain": float(deployed["matched_volume_gain"]["value"]),
        "products": float(ingest["notes"]["impressions_built"]["products"]),
        "edges_of_the_graph": float(train["graph"]["edges"]),
        "impressions_built": float(ingest["notes"]["impressions_built"]["impressions"]),
    }
    draw(FIGURE)
    publish(Finding("complete_journey", [20171120], rows, claims))


if __name__ == "__main__":
    main()
