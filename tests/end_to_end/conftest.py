"""A small simulated shop in a folder of its own, with everything `git clone` would bring."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

SMALL: dict[str, dict[str, Any]] = {
    "run": {"source": "simulator"},
    "sources": {"simulator": {"products": 300, "customers": 1200, "days": 180, "impressions_per_day": 1500, "seed": 7}},
    "delay": {"iterations": 60, "min_rows_in_leaf": 100},
    "graph": {"min_customers": 5, "neighbours_per_product": 20},
    "encoder": {"dimension": 16, "epochs": 2, "steps": 40, "batch_pairs": 512},
    "scorer": {"heads": 3, "iterations": 40, "min_rows_in_leaf": 60},
    "thresholds": {"precision_target": 0.12, "bins_per_level": 20},
    "evaluation": {"bootstrap_samples": 50, "queries": 400},
}


@dataclass(frozen=True)
class Project:
    """A clone of the repository that runs on the simulator.

    Attributes:
        root: its folder.
        measured: whether coverage is measured in what it starts. That doubles the time of a command, and what the
            commands do is measured in one project already.
    """

    root: Path
    measured: bool = False

    @property
    def environment(self) -> dict[str, str]:
        started = {key: value for key, value in os.environ.items() if self.measured or not key.startswith("COVERAGE_")}
        return {
            **started,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "COLUMNS": "160",
        }

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=500
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        return done

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, so that the whole group can be killed at once."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def hashes(self) -> dict[str, str]:
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}

    def set_params(self, changes: dict[str, dict[str, Any]]) -> None:
        path = self.root / "params.yaml"
        raw = yaml.safe_load(path.read_text())
        for section, values in changes.items():
            for key, value in values.items():
                if isinstance(value, dict):
                    raw[section][key].update(value)
                else:
                    raw[section][key] = value
        path.write_text(yaml.safe_dump(raw, sort_keys=False))


def make_project(folder: Path, measured: bool) -> Project:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith(("metrics/", "plots/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    project = Project(folder, measured)
    project.set_params(SMALL)
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=onward", "-c", "user.email=onward@example.org", "commit", "-qm", "Simulated shop"],
    ):
        project.run(*command)
    return project


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Project]]:
    made: list[Path] = []

    def new(name: str, measured: bool = False) -> Project:
        made.append(tmp_path_factory.mktemp(name))
        return make_project(made[-1], measured)

    yield new
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(new_project: Callable[..., Project]) -> tuple[Project, dict[str, str]]:
    """A project in which `dvc repro` has run to its end, and the hash of every output as that left it."""
    project = new_project("undisturbed", measured=True)
    project.run("dvc", "repro")
    return project, project.hashes()


@pytest.fixture(scope="session")
def finished(undisturbed: tuple[Project, dict[str, str]]) -> Project:
    """A project in which `dvc repro` has run to its end; tests may have run it again since, with other parameters."""
    return undisturbed[0]


@pytest.fixture(scope="session")
def plain_hashes(undisturbed: tuple[Project, dict[str, str]]) -> dict[str, str]:
    """The hash of every output of a first, undisturbed `dvc repro`."""
    return undisturbed[1]
