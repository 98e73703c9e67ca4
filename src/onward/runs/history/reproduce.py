"""Restore a past run: its branch in a folder, its outputs from the DVC remote, and every byte of them hashed."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onward.errors import RunError
from onward.pipeline_file import LOCK_FILE, parse_lock
from onward.runs.protocol.checkout import clone, configure, environment, refresh
from onward.runs.protocol.git import GitError
from onward.runs.protocol.hashing import hash_output
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, parse_manifest
from onward.runs.protocol.names import branch_of, require_run
from onward.runs.protocol.workspace import Say, unanswered


@dataclass(frozen=True)
class Restored:
    """What was restored, where, and what of it is not what the run recorded (path: hash found, None for nothing)."""

    folder: Path
    outs: Mapping[str, str]
    wrong: Mapping[str, str | None]


def reproduce(locations: RunLocations, run: str, folder: Path | None, say: Say) -> Restored:
    """Put a run's code, settings and outputs into a folder and compare every output with dvc.lock.

    Args:
        locations: of this machine; a run that its git remote lacks is looked for where the project was cloned from.
        run: name of the run.
        folder: new, or one that an earlier call made for the same run; None for a folder beside the workspaces.
        say: told in a line what happens.

    Raises:
        RunError: nobody has the run, or the folder holds something else.
    """
    require_run(run)
    folder = (folder or locations.project / ".onward" / "reproduced" / run).resolve()
    if folder.exists() and any(folder.iterdir()):
        head = folder / ".git" / "HEAD"
        if not head.is_file() or head.read_text(encoding="utf-8").strip() != f"ref: refs/heads/{branch_of(run)}":
            raise RunError(f"{folder} holds something else; name an empty folder with --folder")
    else:
        clone(locations.git(folder.parent), _source(locations, run), run, folder)
    commit = refresh(locations.git(folder), run)
    manifest = parse_manifest((folder / FILE).read_bytes(), run)
    remote = locations.dvc_remote if _may_exist(locations.dvc_remote) else manifest.dvc_remote
    configure(folder, locations, remote)
    say(f"run {run} at commit {commit[:12]} in {folder}; outputs from {remote}")
    pull = [sys.executable, "-m", "dvc", "pull", "--force", "--allow-missing"]
    try:
        subprocess.run(
            pull,
            cwd=folder,
            env=environment(folder, folder / "src", locations),
            check=False,
            timeout=locations.settings.remote_seconds,
        )
    except subprocess.TimeoutExpired:
        raise RunError(unanswered("fetching the outputs", locations.settings.remote_seconds, remote)) from None
    recorded = folder / LOCK_FILE
    lock = parse_lock(recorded.read_bytes() if recorded.exists() else None)
    outs = lock.all_outs()
    there = {path: hash_output(folder / path) for path in outs}
    return Restored(folder, outs, {path: there[path] for path, digest in outs.items() if there[path] != digest})


def _source(locations: RunLocations, run: str) -> str:
    """Return the address of a repository that has the run's branch."""
    git = locations.git(locations.project)
    tried = [locations.git_remote]
    with suppress(GitError):
        tried.append(git("remote", "get-url", "origin"))
    for address in tried:
        try:
            if git("ls-remote", "--", address, f"refs/heads/{branch_of(run)}"):
                return address
        except GitError:
            continue
    raise RunError(f"no run {run} on {' or '.join(tried)}; see `onward runs`, or set ONWARD_GIT_REMOTE")


def _may_exist(remote: str) -> bool:
    return "://" in remote or Path(remote).exists()
