"""Two clean clones run the default pipeline: same hashes? how long? how much memory? and a second time?

Each clone is made with `git clone` from the committed state, so run it on a clean working tree.
"""

import argparse
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.pipeline_file import LOCK_FILE, parse_lock
from tools.testbeds.small_shop import environment


def clone(folder: Path) -> Path:
    """Clone the repository's HEAD into `folder`."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


def repro(project: Path, *arguments: str) -> tuple[float, str]:
    """Run `dvc repro` in a project against that project's own code; return wall seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        ["dvc", "repro", *arguments], cwd=project, env=environment(project), check=True, capture_output=True, text=True
    )
    return time.perf_counter() - started, done.stdout + done.stderr


def hashes(project: Path) -> dict[str, str]:
    """Return the hash of every out in a project's dvc.lock."""
    return parse_lock((project / LOCK_FILE).read_bytes()).all_outs()


def stage_seconds(printed: str) -> dict[str, float]:
    """Read each stage's own seconds from what the run printed."""
    found = re.findall(r"^(\w+) .*\(([\d.]+) s\)$", printed, re.MULTILINE)
    return {name: float(seconds) for name, seconds in found}


def main() -> None:
    """Measure and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="onward-") as scratch:
        first, second = clone(Path(scratch, "first")), clone(Path(scratch, "second"))
        for project in (first, second):
            # A committed lock must not lend its hashes to the comparison.
            (project / LOCK_FILE).unlink(missing_ok=True)
        seconds, printed = repro(first)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        # Before anything is edited: going back and forth registers a second version, which the deployment names.
        one = hashes(first)
        noop = min(repro(first)[0] for _ in range(3))
        params = first / "params.yaml"
        text = params.read_text(encoding="utf-8")
        params.write_text(text.replace("bins_per_level: 50", "bins_per_level: 40"), encoding="utf-8")
        _, after_edit = repro(first)
        # One stage always runs: it looks whether the source has changed.
        rerun = [name for name in re.findall(r"Running stage '(\w+)'", after_edit) if name != "fingerprint_source"]
        again, _ = repro(second)
        two = hashes(second)
    mismatches = sorted(path for path in one | two if one.get(path) != two.get(path))
    rows: list[dict[str, Cell]] = [
        {"what": "pipeline in a clean clone, s", "value": seconds},
        {"what": "the same in a second clone, s", "value": again},
        {"what": "largest process, GB", "value": peak},
        {"what": "dvc repro with nothing to do, s", "value": noop},
        {"what": "stages re-run after editing thresholds.bins_per_level", "value": " ".join(rerun)},
        {"what": "outs compared between the clones", "value": len(one)},
        {"what": "outs that differ", "value": " ".join(mismatches) or "none"},
    ]
    rows += [{"what": f"  {name}, s", "value": value} for name, value in stage_seconds(printed).items()]
    claims = {
        "pipeline_seconds": max(seconds, again),
        "peak_memory_gb": peak,
        "noop_seconds": noop,
        "stages_rerun_after_threshold_edit": float(len(rerun)),
        "hash_mismatches": float(len(mismatches)),
    }
    publish(Finding("reproducibility", [], rows, claims))


if __name__ == "__main__":
    main()
