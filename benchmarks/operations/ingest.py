"""Ingest of ever larger shops: seconds and memory of the stage, from one million purchases on.

Shops are simulated and written as Parquet, which is not counted: as many impressions in each, more customers and
products. Every size is ingested by the stage in a process of its own, whose time and highest memory count.

Usage:
    python -m benchmarks.operations.ingest                          # 1, 3 and 10 million
    python -m benchmarks.operations.ingest --millions 1 10 30
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.data.sources.simulator import simulate
from tools.testbeds.small_shop import set_params, write_tables

SEED = 7
DAYS = 240
END = datetime(2017, 12, 1)
AS_OF = "2017-10-10"
IMPRESSIONS_PER_DAY = 4000
CUSTOMERS_A_MILLION = 11_800
CUSTOMERS_A_PRODUCT = 3


def write_shop(folder: Path, millions: float) -> int:
    """Simulate a shop into a folder of Parquet files; returns its purchases."""
    customers = round(millions * CUSTOMERS_A_MILLION)
    tables = simulate(customers // CUSTOMERS_A_PRODUCT, customers, DAYS, IMPRESSIONS_PER_DAY, SEED, END).log.tables
    write_tables(folder, tables)
    return int(tables["purchases"].num_rows)


def ingest(project: Path, shop: Path) -> tuple[float, float]:
    """Run the stage in a project of its own; returns seconds and gigabytes."""
    project.mkdir()
    params = Path(shutil.copy(ROOT / "params.yaml", project))
    set_params(params, {"run": {"source": "parquet", "as_of": AS_OF}, "sources": {"parquet": {"folder": str(shop)}}})
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "onward.stages.ingest"], cwd=project, stderr=subprocess.PIPE)
    said = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"ingest failed: {said.decode(errors='replace')[-2000:]}")
    return time.perf_counter() - started, used.ru_maxrss / 2**20


def main() -> None:
    """Simulate, ingest and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--millions", type=float, nargs="+", default=[1.0, 3.0, 10.0])
    asked = arguments.parse_args()
    console = Console(stderr=True)
    rows: list[dict[str, Cell]] = []
    for millions in asked.millions:
        with tempfile.TemporaryDirectory(prefix="onward-ingest-") as name:
            purchases = write_shop(Path(name) / "shop", millions)
            seconds, gigabytes = ingest(Path(name) / "project", Path(name) / "shop")
        rows.append({"purchases": purchases, "seconds": seconds, "purchases a second": purchases / seconds,
                     "peak GB": gigabytes})  # fmt: skip
        console.print(f"{purchases:,} purchases: {seconds:.0f} s, {gigabytes:.1f} GB", highlight=False)
    first, last = rows[0], rows[-1]

    def growth(column: str) -> float:
        larger = float(str(last["purchases"])) / float(str(first["purchases"]))
        return math.log(float(str(last[column])) / float(str(first[column]))) / math.log(larger)

    publish(Finding("ingest", [SEED], rows, {
        "purchases_most": float(str(last["purchases"])),
        "exponent": growth("seconds"),
        "exponent_memory": growth("peak GB"),
        "minutes_most": float(str(last["seconds"])) / 60,
        "peak_gb_most": float(str(last["peak GB"])),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
