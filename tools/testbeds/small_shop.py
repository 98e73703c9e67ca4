"""A small simulated shop: a copy of the project, in a folder of its own, in which a stage takes seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from onward.data.sources.simulator import simulate
from onward.pipeline_file import parse_lock

ROOT = Path(__file__).resolve().parents[2]
Changes = Mapping[str, Mapping[str, Any]]

# As little as every stage can still work with: a stage costs hardly more than the start of its process.
SMALL: Changes = {
    "run": {
        "source": "parquet", "as_of": "2017-11-20", "attribution_days": 7, "training_days": 21, "history_days": 42,
        "backtest_days": 7,
    },
    "delay": {"iterations": 10, "min_rows_in_leaf": 50, "counterfactual_clocks": 1},
    "graph": {"min_customers": 3, "min_support": 2, "fresh_days": 30, "follow_days": 14, "neighbours_per_product": 10},
    "encoder": {"dimension": 8, "epochs": 1, "steps": 20, "batch_pairs": 256},
    "scorer": {"heads": 2, "iterations": 10, "min_rows_in_leaf": 50},
    "uncertainty": {"levels": 2},
    "thresholds": {"precision_target": 0.06, "bins_per_level": 10},
    "evaluation": {"bootstrap_samples": 10, "queries": 100},
    # So few rows say little: every challenger passes that is not refused for what it knows.
    "gate": {"max_nll_increase": 1.0, "max_recall_loss": 1.0, "pcoc_low": 0.01, "pcoc_high": 100.0},
    "monitoring": {"current_days": 7},
}  # fmt: skip

_LOG = {"products": 120, "customers": 500, "days": 190, "impressions_per_day": 600, "seed": 7}
_IDENTITY = ("-c", "user.name=onward", "-c", "user.email=onward@example.org")


@dataclass(frozen=True)
class Shop:
    """A checkout of the project that reads the simulator."""

    root: Path

    def run(self, *command: str, **variables: str) -> str:
        """Run a command in the checkout, with the checkout's own code; returns what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; its output is printed first.
        """
        done = subprocess.run(
            command, cwd=self.root, env={**environment(self.root), **variables}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
            done.check_returncode()
        return done.stdout

    def hashes(self) -> dict[str, str]:
        """The hash of every out that the checkout's dvc.lock records."""
        return lock_hashes((self.root / "dvc.lock").read_text(encoding="utf-8"))


def lock_hashes(text: str) -> dict[str, str]:
    """The hash of every out in the text of a dvc.lock."""
    return parse_lock(text.encode()).all_outs()


def environment(root: Path) -> dict[str, str]:
    """This process's environment, with the code below `root` in front and DVC silent."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root / "src"),
        "DVC_NO_ANALYTICS": "1",
    }


def make_shop(folder: Path) -> Shop:
    """Copy the project, give it the small log and params, and commit.

    The log is one for every as_of, and part of the repository: whoever clones the shop has all that a run needs.
    """
    copy_checkout(folder)
    set_params(folder / "params.yaml", SMALL)
    write_log(folder / "data" / "log")
    commit_all(folder)
    return Shop(folder)


def copy_checkout(folder: Path) -> None:
    """Copy the project's files as git knows them; nothing of the project's own runs comes along."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith(("metrics/", "plots/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def commit_all(folder: Path) -> None:
    """Make a folder a repository whose one commit holds all that is in it."""
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*_IDENTITY, "commit", "-qm", "Simulated shop"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def write_log(folder: Path) -> None:
    """Write a simulated log, for the source `parquet`, that ends when the backtest's last outcome is known."""
    run = SMALL["run"]
    end = datetime.fromisoformat(run["as_of"]) + timedelta(days=run["backtest_days"] + run["attribution_days"])
    write_tables(folder, simulate(**_LOG, end=end, attribution_days=run["attribution_days"]).log.tables)


def write_tables(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the tables of a log into a new folder, for the source `parquet`."""
    folder.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


def clone_shop(source: Path, folder: Path) -> Shop:
    """Clone a shop's repository."""
    subprocess.run(["git", "clone", "-q", str(source), str(folder)], check=True)
    return Shop(folder)


def set_params(path: Path, changes: Changes) -> None:
    """Change some values of a params.yaml; nested ones are merged, everything else stays."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        for key, value in values.items():
            if isinstance(value, dict):
                raw[section][key].update(value)
            else:
                raw[section][key] = value
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
