"""Ingest of ever larger shops: seconds and memory of the stage, from one million purchases on.

Shops are simulated and written as Parquet, which is not counted. A large one is put together from shops of five million
purchases, each with other customers, that sell the same products, so that the writing needs no more memory than one of
them. Ten lines make a basket. At every size there are as many impressions in all, and customers and products grow with
the purchases. Every size is ingested by the stage in a process of its own, whose time and highest memory count.

Usage:
    python -m benchmarks.operations.ingest                          # 1, 10 and 100 million
    python -m benchmarks.operations.ingest --millions 1 10 30
    python -m benchmarks.operations.ingest --shops DIR              # shops are kept there, and found again
"""

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.harness.measured import measure
from onward.data.sources.simulator import simulate
from tools.testbeds.small_shop import set_params

SEED = 7
DAYS = 240
END = datetime(2017, 12, 1)
AS_OF = "2017-10-10"
IMPRESSIONS_PER_DAY = 4000
CUSTOMERS_A_MILLION = 12_250
CUSTOMERS_A_PRODUCT = 3
LINES_A_BASKET = 10
MILLIONS_A_PART = 5


def write_shop(folder: Path, millions: float) -> None:
    """Simulate a shop into a folder of Parquet files, part by part."""
    folder.mkdir(parents=True)
    parts = math.ceil(millions / MILLIONS_A_PART)
    customers = round(millions * CUSTOMERS_A_MILLION)
    for part in range(parts):
        log = simulate(
            customers // CUSTOMERS_A_PRODUCT, customers // parts, DAYS, IMPRESSIONS_PER_DAY // parts, SEED + part, END
        ).log
        tables = dict(_of_part(log.tables, f"{part:02}-"))
        for name, table in tables.items():
            path = folder / f"{name}.parquet" if not part else folder / name / f"part-{part:03}.parquet"
            path.parent.mkdir(exist_ok=True)
            # The catalogue is the first part's.
            if not part or name != "products":
                pq.write_table(table, path)


def purchases_in(shop: Path) -> int:
    """Lines of all parts."""
    paths = (shop / "purchases.parquet", *(shop / "purchases").glob("*.parquet"))
    return sum(int(pq.read_metadata(path).num_rows) for path in paths)


def _of_part(tables: Mapping[str, pa.Table], prefix: str) -> Iterator[tuple[str, pa.Table]]:
    """The tables of a part, with customers, orders and impressions of its own, and ten lines a basket."""
    for name, table in tables.items():
        changed = _in_baskets(table) if name == "purchases" else table
        for column in {"customer_id", "order_id", "impression_id"} & set(changed.column_names):
            named = pc.binary_join_element_wise(prefix, changed[column], "")
            changed = changed.set_column(changed.column_names.index(column), column, named)
        yield name, changed


def _in_baskets(purchases: pa.Table) -> pa.Table:
    """Join each customer's lines, as they follow each other, to baskets at the time of the first.

    A product comes once in a basket, so some lines are lost.
    """
    customer = purchases["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    product = purchases["product_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    by_customer = np.argsort(customer, kind="stable")
    owner = customer[by_customer]
    begins = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    place = np.arange(len(owner)) - np.repeat(begins, np.diff(np.r_[begins, len(owner)]))
    basket = np.cumsum(place % LINES_A_BASKET == 0) - 1
    moments = purchases["purchased_at"].to_numpy()[by_customer][place % LINES_A_BASKET == 0][basket]
    _, kept = np.unique(basket * (int(product.max()) + 1) + product[by_customer], return_index=True)
    kept = kept[np.argsort(moments[kept], kind="stable")]
    numbers = pc.utf8_lpad(pc.cast(pa.array(basket[kept]), pa.string()), 9, "0")
    taken = purchases.take(pa.array(by_customer[kept]))
    taken = taken.set_column(1, "order_id", pc.binary_join_element_wise("O", numbers, ""))
    return taken.set_column(3, "purchased_at", pa.array(moments[kept]))


def ingest(project: Path, shop: Path) -> tuple[float, float]:
    """Run the stage in a project of its own; returns seconds and gigabytes."""
    project.mkdir()
    params = Path(shutil.copy(ROOT / "params.yaml", project))
    set_params(params, {"run": {"source": "parquet", "as_of": AS_OF}, "sources": {"parquet": {"folder": str(shop)}}})
    ran = measure((sys.executable, "-m", "onward.stages.ingest"), project)
    return ran.seconds, ran.gigabytes


def main() -> None:
    """Simulate, ingest and publish."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--millions", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    arguments.add_argument("--shops", type=Path, help="folder in which written shops are kept; default: they are not")
    asked = arguments.parse_args()
    if len(asked.millions) < 2:
        arguments.error("--millions: growth needs two sizes")
    console = Console(stderr=True)
    rows: list[dict[str, Cell]] = []
    for millions in asked.millions:
        with tempfile.TemporaryDirectory(prefix="onward-ingest-") as name:
            shop = (asked.shops or Path(name)) / f"s{millions:g}"
            if not shop.is_dir():
                write_shop(shop, millions)
            purchases = purchases_in(shop)
            seconds, gigabytes = ingest(Path(name) / "project", shop)
        rows.append({"purchases": purchases, "seconds": seconds, "purchases a second": purchases / seconds,
                     "peak GB": gigabytes})  # fmt: skip
        console.print(f"{purchases:,} purchases: {seconds:.0f} s, {gigabytes:.1f} GB", highlight=False)
    before, last = rows[-2], rows[-1]

    def growth(column: str) -> float:
        larger = float(str(last["purchases"])) / float(str(before["purchases"]))
        return math.log(float(str(last[column])) / float(str(before[column]))) / math.log(larger)

    minutes, peak = float(str(last["seconds"])) / 60, float(str(last["peak GB"]))
    publish(Finding("ingest", [SEED], rows, {
        "purchases_most": float(str(last["purchases"])),
        "exponent": growth("seconds"),
        "exponent_memory": growth("peak GB"),
        "minutes_most": minutes,
        "peak_gb_most": peak,
        **({"minutes_100m": minutes, "peak_gb_100m": peak} if asked.millions[-1] == 100 else {}),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
