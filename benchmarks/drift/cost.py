"""What one assessment costs: ten million logged decisions, joined with their conversions and engagements.

Each size runs in a process of its own over 70 days of Parquet files: a fiftieth of the rows converts, a fifth has an
engagement. The time is that of the whole assessment, from the folder of the log to verdict.json and daily.parquet;
memory is the largest resident size of that process, the interpreter and everything else included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import track

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import write_table
from onward.daily.monitor import assess_version
from onward.monitoring.decision_log import SCHEMA, place
from onward.params import parse_params

FIRST, DAYS, WINDOW = date(2017, 1, 2), 70, 28
SIZES = (2_500_000, 5_000_000, 10_000_000)


def lay_out(root: Path, rows: int) -> None:
    """Write a decision log of so many rows and its events; conversions are written day by day."""
    events = root / "data" / "log"
    events.mkdir(parents=True)
    time_type = pa.timestamp("us")
    schemas = {
        "conversions": pa.schema([("impression_id", pa.string()), ("converted_at", time_type)]),
        "engagements": pa.schema([("impression_id", pa.string()), ("kind", pa.string()), ("happened_at", time_type)]),
    }
    writers = {name: pq.ParquetWriter(events / f"{name}.parquet", schema) for name, schema in schemas.items()}
    a_day = rows // DAYS
    for number in track(range(DAYS), f"{rows:,} rows"):
        rng = np.random.default_rng([rows, number])
        start = np.datetime64(datetime.combine(FIRST + timedelta(days=number), datetime.min.time()), "us")
        when = start + np.sort(rng.integers(0, 86_400_000_000, a_day)).astype("timedelta64[us]")
        ids = pa.array(np.char.add("impression-", np.char.zfill((number * a_day + np.arange(a_day)).astype(str), 9)))
        probability = rng.beta(1.0, 49.0, a_day).clip(1e-4, 0.99)
        hit = np.flatnonzero(rng.random(a_day) < probability)
        touched = np.flatnonzero(rng.random(a_day) < 0.2)
        customers = np.char.add("customer-", rng.integers(0, rows // 20, a_day).astype(str))
        write_table(
            root / "decisions" / place(FIRST + timedelta(days=number), 1),
            pa.table(
                [
                    ids, pa.array(customers), pa.array(when), pa.array(probability), pa.array(probability),
                    pa.array(rng.random(a_day)), pa.array(rng.integers(0, 5, a_day), pa.int8()),
                    pa.array(np.where(probability > 0.03, "show", "don't show")),
                    pa.array(np.char.add("category ", rng.integers(0, 30, a_day).astype(str))),
                    pa.array(np.ones(a_day), pa.int32()),
                ],
                schema=SCHEMA,
            ),
        )  # fmt: skip
        later = when[hit] + (rng.random(len(hit)) * WINDOW * 86_400e6).astype("timedelta64[us]")
        soon = when[touched] + (rng.exponential(0.3, len(touched)) * 86_400e6).astype("timedelta64[us]")
        writers["conversions"].write_table(pa.table([ids.take(pa.array(hit)), later], schema=schemas["conversions"]))
        kinds = pa.array(["view"] * len(touched))
        writers["engagements"].write_table(
            pa.table([ids.take(pa.array(touched)), kinds, soon], schema=schemas["engagements"])
        )
    for writer in writers.values():
        writer.close()


def measure(root: Path) -> dict[str, float | str]:
    """Assess once, in this process."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("source: complete_journey ", "source: parquet ")
    began, spent = time.perf_counter(), time.process_time()
    said = assess_version(root, parse_params(text), 1, root / "decisions", root / "looks", FIRST + timedelta(days=DAYS))
    return {
        "seconds": time.perf_counter() - began, "processor": time.process_time() - spent,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "verdict": said["verdict"],
    }  # fmt: skip


def main() -> None:
    """Measure every size and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure)))
        return
    rows: list[dict[str, Cell]] = []
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as temporary:
            lay_out(Path(temporary), size)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.drift.cost", "--measure", temporary], cwd=ROOT, check=True,
                capture_output=True, text=True,
            )  # fmt: skip
            found = json.loads(done.stdout)
        rows.append({
            "decisions": size, "wall s": found["seconds"], "processor s": found["processor"],
            "largest memory GB": found["gigabytes"], "verdict": found["verdict"],
        })  # fmt: skip
    first, last = rows[0], rows[-1]
    claims = {
        "decisions": float(str(last["decisions"])), "seconds": float(str(last["wall s"])),
        "gigabytes": float(str(last["largest memory GB"])),
        "times_rows": float(str(last["decisions"])) / float(str(first["decisions"])),
        "times_processor_seconds": float(str(last["processor s"])) / float(str(first["processor s"])),
    }  # fmt: skip
    publish(Finding("monitor_cost", [0], rows, claims))


if __name__ == "__main__":
    main()
