"""Compile numba's kernels once, at installation: a made-up shop passes through every stage that calls one.

Compiled code is kept beside the sources and found by every later run of this checkout. Whatever is not found is
compiled when it is first called, so that this saves a first run its time and changes nothing else.

Usage:
    python -m tools.compile_kernels
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.testbeds.small_shop import ROOT, SMALL, set_params

# The later ones need a registry, and call nothing that these do not.
STAGES = ("ingest", "correct_label_delay", "train_gnn", "calibrate_uncertainty", "fit_thresholds", "evaluate")
SHOP = {"products": 120, "customers": 500, "days": 190, "impressions_per_day": 600, "seed": 7}


def main() -> None:
    """Run the stages in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        params = folder / "params.yaml"
        params.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        set_params(params, {**SMALL, "run": {**SMALL["run"], "source": "simulator"}, "sources": {"simulator": SHOP}})
        for stage in STAGES:
            command = (sys.executable, "-m", f"onward.stages.{stage}")
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"compiling the kernels stopped at {stage}: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    main()
