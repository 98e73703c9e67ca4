"""Runs of a copied checkout that find what numba has compiled of the same sources before."""

import subprocess
from pathlib import Path

from tools.testbeds.small_shop import ROOT


def share_compiled_code(checkout: Path) -> None:
    """Let runs of a checkout import the sources from where they were copied, as far as they are the same.

    What numba compiles lies beside the source that it was compiled from: in a copy of its own, each test would spend
    a quarter of a minute on compiling the same again. That runs import what their branch holds is held by
    tests/contract/test_runs_baton.py.
    """
    tree = subprocess.run(
        ["git", "rev-parse", "HEAD:src"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.strip()
    code = checkout / ".onward" / "workspaces" / ".cache" / "code"
    code.mkdir(parents=True)
    (code / tree).symlink_to(ROOT / "src")
