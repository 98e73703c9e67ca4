"""What leads from a version or a page back to what made it."""

import hashlib
import subprocess
from pathlib import Path

from onward.pipeline_file import LOCK_FILE


def provenance(root: Path) -> dict[str, str]:
    """Git commit and hash of dvc.lock below `root`, each "unknown" where there is none."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    lock = root / LOCK_FILE
    return {
        "git_commit": commit,
        "dvc_lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "unknown",
    }
