"""`dvc repro` that may be killed at any moment: DVC writes dvc.lock in place, so a kill can leave it cut off."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from onward.artifacts import read_text, write_text
from onward.errors import ArtifactError
from onward.pipeline_file import LOCK_FILE, is_whole


def mend(root: Path) -> str | None:
    """Keep a copy of a whole dvc.lock, or put the last copy in the place of a broken one.

    The copy is the lock from before the command that was killed: what that command had done and not recorded is done
    again, to the same bytes.

    Returns:
        One line that says what was mended, or None when there was nothing to mend.

    Raises:
        ArtifactError: the lock is broken and there is no copy.
    """
    lock = root / LOCK_FILE
    copy = root / ".dvc" / "tmp" / f"{LOCK_FILE}.before"
    if not lock.exists():
        return None
    text = read_text(lock)
    if is_whole(text):
        write_text(copy, text)
        return None
    if not copy.exists():
        raise ArtifactError(f"{lock}: cut off by a kill; restore it with `git checkout dvc.lock`, or delete it")
    write_text(lock, read_text(copy))
    return "dvc.lock was cut off by a kill; took the one from before that command"


def become_repro(root: Path, arguments: Sequence[str]) -> NoReturn:
    """Turn this process into `dvc repro` with these arguments, in `root`.

    It is no child: DVC's lock names its process, and a killed one that nobody has waited for still looks alive.
    """
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "dvc", "repro", *arguments])  # noqa: S606 - no shell
