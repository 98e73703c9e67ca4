"""Write what the simulator knows and the pipeline must not: `truth/`, for benchmarks and tests alone.

The shop is the one that `dvc repro` would simulate with the present params.yaml and `run.source: simulator`: same
sizes, same seed, same end.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks.form import ROOT, Cell, Finding, publish
from onward.artifacts import replacing_directory, write_table
from onward.data.sources.simulator import simulate
from onward.params import read_params


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
    """Write truth/ and publish its size."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    truth = write_truth(ROOT)
    rows: list[dict[str, Cell]] = [{"table": name, "rows": table.num_rows} for name, table in truth.items()]
    seed = read_params(ROOT / "params.yaml").sources.simulator.seed
    publish(Finding("simulated_truth", [seed], rows, {f"{row['table']}": float(str(row["rows"])) for row in rows}))


if __name__ == "__main__":
    main()
