"""The whole chain over ever larger shops: seconds and highest memory of every stage, by products.

Simulated shops of as many customers as products, some 70 order lines each, and as many impressions in all. Every stage
is a process of its own, as `dvc repro` starts it, one after the other; the default params but for the source.

Usage:
    python -m benchmarks.operations.sizes                             # about half an hour on two cores
    python -m benchmarks.operations.sizes --products 10000 30000
"""

import argparse
import math
import shutil
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.harness.measured import measure
from onward.layout import Layout
from tools.testbeds.small_shop import set_params

PRODUCTS = (10_000, 30_000, 100_000)
AS_OF = "2017-10-10"
SEED = 7
STAGES = (
    "ingest", "correct_label_delay", "train_gnn", "calibrate_uncertainty", "fit_thresholds", "evaluate", "deploy",
)  # fmt: skip


def run_chain(products: int, console: Console) -> list[dict[str, Cell]]:
    """Every stage over one shop."""
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory(prefix="onward-sizes-") as name:
        project = Path(name)
        params = Path(shutil.copy(ROOT / "params.yaml", project))
        shop = {"products": products, "customers": products, "seed": SEED}
        set_params(params, {"run": {"source": "simulator", "as_of": AS_OF}, "sources": {"simulator": shop}})
        for stage in STAGES:
            ran = measure((sys.executable, "-m", f"onward.stages.{stage}"), project)
            purchases = pq.read_metadata(Layout(project).serving_log.purchases).num_rows
            rows.append({"products": products, "purchases": purchases, "stage": stage, "seconds": ran.seconds,
                         "peak GB": ran.gigabytes})  # fmt: skip
            console.print(
                f"{products:,} products: {stage} {ran.seconds:.0f} s, {ran.gigabytes:.1f} GB", highlight=False
            )
    return rows


def total(rows: list[dict[str, Cell]], products: int) -> float:
    """Seconds of all stages over one shop."""
    return sum(float(str(row["seconds"])) for row in rows if row["products"] == products)


def main() -> None:
    """Run the chains and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--products", type=int, nargs="+", default=list(PRODUCTS))
    asked = arguments.parse_args().products
    console = Console(stderr=True)
    rows = [row for products in asked for row in run_chain(products, console)]
    least, most = asked[0], asked[-1]
    peaks = {
        products: max(float(str(row["peak GB"])) for row in rows if row["products"] == products) for products in asked
    }
    larger = math.log(most / least)
    publish(Finding("sizes", [SEED], rows, {
        "products_most": float(most),
        "purchases_most": max(float(str(row["purchases"])) for row in rows),
        "minutes_most": total(rows, most) / 60,
        "peak_gb_most": peaks[most],
        "exponent": math.log(total(rows, most) / total(rows, least)) / larger,
        "exponent_memory": math.log(peaks[most] / peaks[least]) / larger,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
