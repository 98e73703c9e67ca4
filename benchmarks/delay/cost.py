"""What correcting labels costs on Complete Journey's window, and how the cost grows with rows.

Runs the stage on the log that `dvc repro ingest` left, whole and with a quarter of the customers, in a folder of its
own. Processor time is compared, which neighbours on the machine disturb least; the wall clock is shown beside it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd
from rich.progress import track

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import read_table, write_table
from onward.layout import Layout
from onward.params import Params, read_params
from onward.stages.correct_label_delay import run

TABLES = ("impressions", "features", "conversions", "engagements")


def lay_out(folder: Path, tables: dict[str, pd.DataFrame], part: int) -> int:
    """Write the tables of every `part`-th customer into a folder; returns the impressions."""
    shown = tables["impressions"]
    kept = shown.loc[shown["customer"] % part == 0, "impression"]
    for name, table in tables.items():
        write_table(Layout(folder).serving / f"{name}.parquet", table[table["impression"].isin(kept)])
    return len(kept)


def measure(folder: Path, params: Params, repeats: int) -> tuple[float, float]:
    """Median processor and wall seconds of the stage."""
    spent = []
    for _ in range(repeats):
        began = time.process_time(), time.perf_counter()
        run(Layout(folder), params)
        spent.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    return statistics.median(each[0] for each in spent), statistics.median(each[1] for each in spent)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    params = read_params(ROOT / "params.yaml")
    tables = {name: read_table(Layout(ROOT).serving / f"{name}.parquet") for name in TABLES}
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for part in track((4, 1), "sizes"):
            folder = Path(temporary) / str(part)
            impressions = lay_out(folder, tables, part)
            processor, wall = measure(folder, params, asked.repeats)
            rows.append(
                {
                    "customers": f"1 of {part}" if part > 1 else "all",
                    "impressions": impressions,
                    "estimator": params.delay.estimator,
                    "processor s": processor,
                    "wall s": wall,
                    "threads": params.run.threads,
                }
            )
    small, large = (float(str(row["processor s"])) for row in rows)
    claims = {
        "times_rows": float(str(rows[1]["impressions"])) / float(str(rows[0]["impressions"])),
        "times_processor_seconds": large / small,
        "processor_seconds_full": large,
        "wall_seconds_full": float(str(rows[1]["wall s"])),
    }
    publish(Finding("delay_cost", [params.run.seed], rows, claims))


if __name__ == "__main__":
    main()
