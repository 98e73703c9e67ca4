"""A small simulated shop in a folder of its own, with everything `git clone` would bring."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from builders import measured
from builders.compiled_code import share_compiled_code
from tools.testbeds.small_shop import Changes, commit_all, copy_checkout, lock_hashes, set_params

SMALL: Changes = {
    "run": {"source": "simulator"},
    "sources": {"simulator": {"products": 300, "customers": 1200, "days": 180, "impressions_per_day": 1500, "seed": 7}},
    "delay": {"iterations": 30, "min_rows_in_leaf": 100},
    "graph": {"min_customers": 5, "neighbours_per_product": 20},
    "encoder": {"dimension": 16, "epochs": 2, "steps": 40, "batch_pairs": 512},
    "scorer": {"heads": 3, "iterations": 40, "min_rows_in_leaf": 60},
    "ranking": {"pairs": 20000, "iterations": 40, "min_rows_in_leaf": 100},
    "thresholds": {"precision_target": 0.12, "bins_per_level": 20},
    "evaluation": {"bootstrap_samples": 50, "queries": 400},
    # Fewer than a hundred of them can be judged: what their lists hit is chance. Scores are judged as in every shop.
    "gate": {"max_hit_rate_loss": 0.5, "max_lift_loss": 1.0},
}


@dataclass(frozen=True)
class Project:
    """A clone of the repository that runs on the simulator.

    Attributes:
        root: its folder.
        measured: whether coverage is measured in what it starts; what the commands do is measured in one project.
    """

    root: Path
    measured: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **(measured.VARIABLES if self.measured else {}),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "COLUMNS": "160",
        }

    def run(self, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.root, env=self.environment | variables, capture_output=True, text=True, check=False,
            timeout=500,
        )  # fmt: skip
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
        return lock_hashes((self.root / "dvc.lock").read_text())

    def set_params(self, changes: Changes) -> None:
        set_params(self.root / "params.yaml", changes)


def make_project(folder: Path, measured: bool = False) -> Project:
    copy_checkout(folder)
    project = Project(folder, measured)
    project.set_params(SMALL)
    commit_all(folder)
    share_compiled_code(folder)
    return project


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    return lambda name: make_project(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which `dvc repro` has run to its end, one for all workers: no test may change it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has a folder of its own, side by side in this one
    root, done = folder / "finished", folder / "finished.done"
    with FileLock(folder / "finished.lock"):
        if not done.exists():
            shutil.rmtree(root, ignore_errors=True)  # what an attempt that failed in another worker left
            root.mkdir()
            make_project(root, measured=True).run("dvc", "repro")
            done.touch()
    return Project(root, measured=True)


@pytest.fixture(scope="session")
def plain_hashes(finished: Project) -> dict[str, str]:
    """The hash of every output of an undisturbed `dvc repro`."""
    return finished.hashes()


@pytest.fixture(scope="session")
def copy_of_finished(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Copies of the finished project for tests that change it; nothing is registered in them yet.

    A registry names its own folder in every version, so it cannot be copied.
    """

    def copy(name: str) -> Project:
        folder = tmp_path_factory.mktemp(name)
        left = shutil.ignore_patterns("mlruns", "reports", "truth", "tmp")
        shutil.copytree(finished.root, folder, ignore=left, symlinks=True, dirs_exist_ok=True)
        return Project(folder)

    return copy
