"""What leads from a version or a page back to what made it."""

import hashlib
import json
import subprocess
from pathlib import Path

from onward.layout import RUN_FILE
from onward.pipeline_file import LOCK_FILE

MADE_BY_RUN = "made_by_run"
"""Tag of a version that a run has registered. The tag `run` follows once the run is finished."""


def provenance(root: Path) -> dict[str, str]:
    """Git commit and hash of dvc.lock below `root`, each "unknown" where there is none, and the run if it is one's."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    lock = root / LOCK_FILE
    return {
        **({MADE_BY_RUN: root.resolve().name} if _is_workspace(root) else {}),
        "git_commit": commit,
        "dvc_lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "unknown",
    }


def _is_workspace(root: Path) -> bool:
    """Whether a folder is the one that a run works in, which bears its name; a checkout may hold a run's record too."""
    record = root / RUN_FILE
    return record.is_file() and json.loads(record.read_bytes())["name"] == root.resolve().name
