"""A million products: the whole pipeline over a simulated shop, unattended, with the report.

A clean clone, the default params but for the source and its clock, then what `make run` does: `onward repro`, the
report, and the versions to the local remote. Customers are fewer than products, as in a shop with a long tail: some
seventy order lines each. Needs two cores that nothing else uses, 8 GB of memory and a quarter of an hour.

Usage:
    python -m benchmarks.operations.million
    python -m benchmarks.operations.million --products 100000 --customers 15000
"""

import argparse
import resource
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.operations.first_run import finish, pipeline
from benchmarks.operations.reproducibility import clone
from benchmarks.operations.sizes import AS_OF, SEED
from onward.layout import Layout
from tools.testbeds.small_shop import set_params


def main() -> None:
    """Run, count what came out, and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--products", type=int, default=1_000_000)
    arguments.add_argument("--customers", type=int, default=150_000)
    asked = arguments.parse_args()
    shop = {"products": asked.products, "customers": asked.customers, "seed": SEED}
    with tempfile.TemporaryDirectory(prefix="onward-million-") as scratch:
        project = clone(Path(scratch, "clone"))
        (project / "dvc.lock").unlink()
        of_run = {"source": "simulator", "as_of": AS_OF}
        set_params(project / "params.yaml", {"run": of_run, "sources": {"simulator": shop}})
        ran = pipeline(project)
        end = finish(project)
        layout = Layout(project)
        purchases = pq.read_metadata(layout.serving_log.purchases).num_rows
        listed = pd.read_parquet(layout.bundle / "lists.parquet", columns=["product", "list"])
        report = layout.report_page.stat().st_size
    # Of all processes that were waited for, and of theirs.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rows: list[dict[str, Cell]] = []
    for stage, seconds in ran.whole.items():
        rows.append({"stage": stage, "seconds": seconds, "own work": ran.own[stage]})
    rows.append({"stage": "report and push", "seconds": end, "own work": None})
    Console(stderr=True).print(f"{(ran.seconds + end) / 60:.0f} minutes, {peak:.1f} GB", highlight=False)
    publish(Finding("million", [SEED], rows, {
        "products": float(asked.products),
        "purchases": float(purchases),
        "products_with_lists": float(listed["product"].nunique()),
        "list_entries": float(len(listed)),
        "report_bytes": float(report),
        "minutes": (ran.seconds + end) / 60,
        "peak_gb": peak,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
