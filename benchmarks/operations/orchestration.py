"""What orchestration costs: seconds per stage over a bare `dvc repro`, DAG parsing, a run in which nothing changed.

On the small simulated shop, with Airflow as `onward airflow` starts it (LocalExecutor, SQLite), asked over REST. A
stage's seconds under Airflow run from the end of the task before it to its own end, so they hold everything: Airflow's
scheduling, its process for the task, git, DVC's remote. The bare `dvc repro --single-item` runs the same stage of the
same run in a fresh clone, while Airflow idles beside it.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.harness.form import Cell, Finding, publish
from onward.errors import ServiceError
from onward.pipeline_file import PIPELINE_FILE, parse_pipeline
from tools.testbeds.airflow_rest import Airflow
from tools.testbeds.local_airflow import local_airflow
from tools.testbeds.local_servers import unwind_on_signals
from tools.testbeds.small_shop import Shop, clone_shop, make_shop, set_params

DAG = "retrain"
WEEKS = ("2017-10-23", "2017-10-30", "2017-11-06", "2017-11-13")
HEAVY = ("torch", "pandas", "numpy", "mlflow", "evidently", "lightgbm", "sklearn", "duckdb")
_PATIENCE = 1200.0
_console = Console(stderr=True)

# A DAG processor has loaded Airflow's own modules, and put the folder on the path, before it reads any file.
_PARSE = f"""
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
started = time.perf_counter()
bag = DagBag(sys.argv[1])
seconds = time.perf_counter() - started
assert bag.dags and not bag.import_errors, bag.import_errors
added = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps({{"seconds": seconds, "heavy": sorted(added & set({HEAVY!r})), "dags": sorted(bag.dags)}}))
"""


def parse(folder: Path, home: Path) -> dict[str, Any]:
    """Read all DAG files in a fresh process: its seconds, the heavy packages that the files brought, the DAGs."""
    variables = {
        "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
    }  # fmt: skip
    printed = Shop(folder.parent).run(sys.executable, "-c", _PARSE, str(folder), **variables)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def orchestrated(airflow: Airflow, as_of: str, upstream: Mapping[str, Sequence[str]]) -> tuple[dict[str, float], float]:
    """Run the DAG; return each stage's seconds since the task before it ended, and those of the whole run.

    Raises:
        ServiceError: the run failed.
    """
    started = time.perf_counter()
    run = airflow.trigger(DAG, {"as_of": as_of})
    if airflow.wait(DAG, run, _PATIENCE) != "success":
        raise ServiceError(f"the run as of {as_of} failed: {airflow.tasks(DAG, run)}")
    seconds = time.perf_counter() - started
    ends = {task["task_id"].rpartition(".")[2]: _moment(task["end_date"]) for task in airflow.tasks(DAG, run)}
    spans = {stage: ends[stage] - max(ends[each] for each in [*before, "start"]) for stage, before in upstream.items()}
    return spans, seconds


def bare(shop: Shop, folder: Path, registry: Path, as_of: str, stages: Sequence[str]) -> dict[str, float]:
    """Run each stage by `dvc repro --single-item` in a fresh clone with a copy of a registry; return their seconds."""
    clone = clone_shop(shop.root, folder)
    if registry.exists():
        registry.rename(clone.root / "mlruns")
    set_params(clone.root / "params.yaml", {"run": {"as_of": as_of}})
    seconds = {}
    for stage in stages:
        started = time.perf_counter()
        clone.run("dvc", "repro", "--single-item", stage)
        seconds[stage] = time.perf_counter() - started
    return seconds


def noop(airflow: Airflow, shop: Shop, as_of: str, repeats: int, upstream: Mapping[str, Sequence[str]]) -> list[float]:
    """Record a finished run on the code's branch, as people do, then run the same again: only deploy has work to do."""
    (branch,) = shop.run("git", "for-each-ref", "--format=%(refname:short)", f"refs/heads/runs/{as_of}-*").split()
    shop.run("git", "merge", "-q", "--ff-only", branch)
    return [orchestrated(airflow, as_of, upstream)[1] for _ in range(repeats)]


def upstream_stages(root: Path) -> dict[str, list[str]]:
    """The stages whose outs each stage reads, in the order of dvc.yaml."""
    pipeline = parse_pipeline((root / PIPELINE_FILE).read_bytes())
    return {name: pipeline.upstream(name) for name in pipeline.stages}


def measure(folder: Path, repeats: int) -> Finding:
    """Measure everything below `folder`."""
    shop = make_shop(folder / "shop")
    parsed = [parse(shop.root / "dags", folder / "parse") for _ in range(5)]
    upstream = upstream_stages(shop.root)
    spans: list[dict[str, float]] = []
    alone: list[dict[str, float]] = []
    with local_airflow(shop) as airflow:
        airflow.unpause(DAG)
        # The first run of all makes the registry's tables; neither side's figures hold it.
        for number, as_of in enumerate(WEEKS[: repeats + 1]):
            _console.log(f"as of {as_of}: {'warming up' if number == 0 else 'under Airflow, then bare'}")
            before = folder / f"registry-{number}"
            if (shop.root / "mlruns").exists():
                shutil.copytree(shop.root / "mlruns", before)
            spans.append(orchestrated(airflow, as_of, upstream)[0])
            alone.append(bare(shop, folder / f"bare-{number}", before, as_of, list(upstream)))
        _console.log("runs in which nothing changed")
        nothing = noop(airflow, shop, WEEKS[repeats], 3, upstream)
    return conclude(spans[1:], alone[1:], nothing, parsed)


def conclude(
    spans: list[dict[str, float]], alone: list[dict[str, float]], nothing: list[float], parsed: list[dict[str, Any]]
) -> Finding:
    """Put the figures into the table and the claims."""
    differences = [one[stage] - other[stage] for one, other in zip(spans, alone, strict=True) for stage in one]
    low, _, high = statistics.quantiles(differences, n=4)
    rows: list[dict[str, Cell]] = [
        {
            "what": f"stage {stage}, s", "under Airflow": statistics.median(each[stage] for each in spans),
            "bare dvc repro": statistics.median(each[stage] for each in alone),
            "overhead": statistics.median(one[stage] - other[stage] for one, other in zip(spans, alone, strict=True)),
        }
        for stage in spans[0]
    ]  # fmt: skip
    heavy = sorted({name for each in parsed for name in each["heavy"]})
    rows += [
        _row(
            f"overhead a stage, quartiles of {len(differences)}: {low:.2f} to {high:.2f}",
            statistics.median(differences),
        ),
        _row(f"parsing the DAG files ({', '.join(parsed[0]['dags'])}), s", statistics.median(_seconds(parsed))),
        _row(f"heavy packages that parsing imports: {', '.join(heavy) or 'none'}", len(heavy)),
        _row(
            f"a run in which nothing changed, s ({min(nothing):.1f} to {max(nothing):.1f})", statistics.median(nothing)
        ),
    ]
    claims = {
        "overhead_s_per_stage": statistics.median(differences),
        "overhead_s_first_quartile": low,
        "overhead_s_third_quartile": high,
        "parse_s": statistics.median(_seconds(parsed)),
        "heavy_imports": float(len(heavy)),
        "noop_run_s": statistics.median(nothing),
    }
    return Finding("orchestration", [], rows, claims)


def _row(what: str, value: float) -> dict[str, Cell]:
    return {"what": what, "under Airflow": None, "bare dvc repro": None, "overhead": value}


def _seconds(parsed: Sequence[Mapping[str, Any]]) -> list[float]:
    return [float(each["seconds"]) for each in parsed]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, choices=range(1, len(WEEKS)), help="runs that are compared")
    asked = parser.parse_args()
    unwind_on_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="onward-orchestration-") as scratch:
            publish(measure(Path(scratch), asked.repeats))
    except ServiceError as error:
        sys.exit(f"benchmarks.operations.orchestration: {error}")


if __name__ == "__main__":
    main()
