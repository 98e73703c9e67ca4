"""Write what the simulator knows and the pipeline must not: `truth/`, for benchmarks and tests alone.

The shop is the one that `dvc repro` would simulate with the present params.yaml and `run.source: simulator`: same
sizes, same seed, same end.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from onward.artifacts import replacing_directory, write_table
from onward.data.sources.simulator import simulate
from onward.params import read_params

ROOT = Path(__file__).resolve().parents[2]


def write_truth(project: Path) -> Mapping[str, pa.Table]:
    """Simulate the project's shop, write its truth to `truth/` and return it by table name."""
    params = read_params(project / "params.yaml")
    size = params.sources.simulator.model_dump()
    truth = simulate(**size, end=params.run.horizon, attribution_days=params.run.attribution_days).truth
    with replacing_directory(project / "truth") as folder:
        for name, table in truth.items():
            write_table(folder / f"{name}.parquet", table)
    return truth


def main() -> None:
    """Write truth/ of this checkout's simulated shop."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    console = Console()
    for name, table in write_truth(ROOT).items():
        console.print(f"truth/{name}.parquet: {table.num_rows} rows")


if __name__ == "__main__":
    main()
