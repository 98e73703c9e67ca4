"""`dvc repro` that may be killed at any moment: DVC writes its files in place, so a kill can leave one cut off."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from onward.artifacts import replacing
from onward.errors import ArtifactError
from onward.pipeline_file import LOCK_FILE, is_whole


def mend(root: Path) -> str | None:
    """Keep a copy of a whole dvc.lock, or put the last copy in the place of a broken one.

    The copy is the lock from before the command that was killed: what that command had done and not recorded is done
    again, to the same bytes. A broken note of which command uses which files goes, for which DVC would
    refuse every command.

    Returns:
        One line that says what was mended, or None when there was nothing to mend.

    Raises:
        ArtifactError: the lock is broken and there is no copy.
    """
    lock = root / LOCK_FILE
    copy = root / ".dvc" / "tmp" / f"{LOCK_FILE}.before"
    _drop_broken_note(root / ".dvc" / "tmp" / "rwlock")
    if not lock.exists():
        return None
    if is_whole(lock.read_text(encoding="utf-8")):
        _copy(lock, copy)
        return None
    if not copy.exists():
        raise ArtifactError(f"{lock}: cut off by a kill; restore it with `git checkout dvc.lock`, or delete it")
    _copy(copy, lock)
    return "dvc.lock was cut off by a kill; took the one from before that command"


def _drop_broken_note(note: Path) -> None:
    """Delete DVC's note of the files in use where its writer died in the middle; a whole one names who uses what."""
    try:
        json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        note.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy at once or not at all."""
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def become_repro(root: Path, arguments: Sequence[str]) -> NoReturn:
    """Turn this process into `dvc repro` with these arguments, in `root`.

    It is no child: DVC's lock names its process, and a killed one that nobody has waited for still looks alive.
    """
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "dvc", "repro", *arguments])  # noqa: S606 - no shell
