"""Do two commits make the same outputs, to the byte? The proof that a change of the code changed no result.

Usage:
    python -m tools.compare_outputs REV                                  # REV against this checkout's HEAD
    python -m tools.compare_outputs REV --source simulator               # of another source of params.yaml
    python -m tools.compare_outputs --locks before/dvc.lock dvc.lock     # of two runs that are there already

Each commit runs in a clone of its own that is thrown away. Outputs must be compared on one machine: processors of
different kinds round differently. It ends with 1 if an output of the five stages up to fit_thresholds differs; of
evaluate, deploy and monitor it says what differs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from onward.pipeline_file import LOCK_FILE, Lock, parse_lock

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("ingest", "correct_label_delay", "train_gnn", "calibrate_uncertainty", "fit_thresholds")


def differences(before: Lock, after: Lock) -> Iterator[tuple[str, str, str]]:
    """Stage, path and "same", "differs", "gone" or "new" of every output of two locks, in the order of the stages."""
    for stage in [*before.entries, *(stage for stage in after.entries if stage not in before.entries)]:
        old, new = before.outs(stage), after.outs(stage)
        for path in [*old, *(path for path in new if path not in old)]:
            if path in old and path in new:
                yield stage, path, "same" if old[path] == new[path] else "differs"
            else:
                yield stage, path, "gone" if path in old else "new"


def run_commit(commit: str, source: str | None, folder: Path) -> Lock:
    """Run the pipeline of a commit in a clone below `folder`; returns its dvc.lock."""
    clone = folder / commit.replace("/", "-")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=clone, check=True)
    if source is not None:
        params = clone / "params.yaml"
        changed, count = re.subn(r"^(  source:) \S+", rf"\1 {source}", params.read_text(), count=1, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"{commit}: params.yaml names no run.source")
        params.write_text(changed)
    code = "import sys; sys.path.insert(0, 'src'); from onward.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(clone / "src"), "DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-c", code, "repro", "-q"], cwd=clone, env=environment, check=True)
    return parse_lock((clone / LOCK_FILE).read_bytes())


def main() -> None:
    """Print every output's fate; end with 1 if one that must stay differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", help="what HEAD is compared with")
    parser.add_argument("--source", help="run.source in place of that in params.yaml")
    parser.add_argument("--locks", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help="two dvc.lock files")
    asked = parser.parse_args()
    if (asked.commit is None) == (asked.locks is None):
        parser.error("name a commit, or two files with --locks")
    if asked.locks:
        before, after = (parse_lock(path.read_bytes()) for path in asked.locks)
    else:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        with tempfile.TemporaryDirectory() as folder:
            before = run_commit(asked.commit, asked.source, Path(folder))
            after = run_commit(head.stdout.strip(), asked.source, Path(folder))
    table = Table("stage", "output", "")
    broken = 0
    for stage, path, fate in differences(before, after):
        table.add_row(stage, path, fate if fate == "same" else f"[bold]{fate}[/]")
        broken += stage in KEPT and fate != "same"
    console = Console()
    console.print(table)
    console.print(f"{broken} outputs of the stages up to fit_thresholds are not the same")
    sys.exit(min(broken, 1))


if __name__ == "__main__":
    main()
