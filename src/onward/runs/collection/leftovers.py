"""What killed processes left half-written: files and folders named `….partial`, which nobody reads."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from onward.artifacts import PARTIAL


def partial_paths(folders: Iterable[Path], before: datetime) -> list[Path]:
    """Half-written files and folders that nobody has touched since a moment.

    Args:
        folders: where to look, at any depth; they need not be there.
        before: what was changed later may still be being written; with a time zone.
    """
    met = {path for folder in folders for path in folder.rglob(f"*{PARTIAL}") if path.name.startswith((".", "tmp"))}
    inside = {path for path in met if any(parent in met for parent in path.parents)}
    return sorted(path for path in met - inside if path.stat().st_mtime < before.timestamp())


def delete(path: Path) -> None:
    """Delete a file, or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
