"""A small simulated shop: a copy of the project, in a folder of its own, whose pipeline runs in seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.form import ROOT

Changes = Mapping[str, Mapping[str, Any]]

SMALL: Changes = {
    "run": {"source": "simulator"},
    "sources": {"simulator": {"products": 300, "customers": 1200, "days": 180, "impressions_per_day": 1500, "seed": 7}},
    "delay": {"iterations": 60, "min_rows_in_leaf": 100},
    "graph": {"min_customers": 5, "neighbours_per_product": 20},
    "encoder": {"dimension": 16, "epochs": 2, "batch_edges": 512, "uniform_negatives": 64},
    "scorer": {"heads": 3, "iterations": 40, "min_rows_in_leaf": 60},
    "thresholds": {"precision_target": 0.12, "bins_per_level": 20},
    "evaluation": {"bootstrap_samples": 50, "queries": 400},
}

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
    lock: dict[str, Any] = yaml.safe_load(text)
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def environment(root: Path) -> dict[str, str]:
    """This process's environment, with the code below `root` in front and DVC silent."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root / "src"),
        "DVC_NO_ANALYTICS": "1",
    }


def make_shop(folder: Path, changes: Changes = SMALL) -> Shop:
    """Copy the project's files as git knows them, change its params, and commit; nothing of a past run comes along."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith(("metrics/", "plots/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shop = Shop(folder)
    set_params(folder / "params.yaml", changes)
    shop.run("git", "init", "-q", "-b", "main")
    shop.run("git", "add", "-A")
    shop.run("git", *_IDENTITY, "commit", "-qm", "Simulated shop")
    return shop


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
