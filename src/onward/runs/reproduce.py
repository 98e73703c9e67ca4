"""Restore a past run: its branch in a folder, its outputs from the DVC remote, and every byte of them hashed."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from onward.errors import RunError
from onward.runs.checkout import clone, configure, environment, refresh
from onward.runs.git import Git, GitError
from onward.runs.hashing import hash_output
from onward.runs.manifest import FILE, parse_manifest
from onward.runs.names import branch_of, require_run
from onward.runs.pipeline import parse_lock
from onward.runs.places import Places
from onward.runs.workspace import Say


@dataclass(frozen=True)
class Restored:
    """What was restored, where, and what of it is not what the run recorded (path: hash found, None for nothing)."""

    folder: Path
    outs: Mapping[str, str]
    wrong: Mapping[str, str | None]


def reproduce(places: Places, run: str, folder: Path | None, say: Say) -> Restored:
    """Put a run's code, settings and outputs into a folder and compare every output with dvc.lock.

    Args:
        places: of this machine; a run that its git remote lacks is looked for where the project was cloned from.
        run: name of the run.
        folder: new, or one that an earlier call made for the same run; None for a folder beside the workspaces.
        say: told in a line what happens.

    Raises:
        RunError: nobody has the run, or the folder holds something else.
    """
    require_run(run)
    folder = (folder or places.project / ".onward" / "reproduced" / run).resolve()
    if folder.exists() and any(folder.iterdir()):
        head = folder / ".git" / "HEAD"
        if not head.is_file() or head.read_text(encoding="utf-8").strip() != f"ref: refs/heads/{branch_of(run)}":
            raise RunError(f"{folder} holds something else; name an empty folder with --folder")
    else:
        clone(_source(places, run), run, folder)
    commit = refresh(Git(folder), run)
    manifest = parse_manifest((folder / FILE).read_bytes(), run)
    remote = places.dvc_remote if _may_exist(places.dvc_remote) else manifest.dvc_remote
    configure(folder, places, remote)
    say(f"run {run} at commit {commit[:12]} in {folder}; outputs from {remote}")
    pull = [sys.executable, "-m", "dvc", "pull", "--force", "--allow-missing"]
    subprocess.run(pull, cwd=folder, env=environment(folder / "src", replace(places, dvc_remote=remote)), check=False)
    lock = parse_lock((folder / "dvc.lock").read_bytes() if (folder / "dvc.lock").exists() else None)
    outs = {path: found for stage in lock.entries for path, found in lock.outs(stage).items()}
    there = {path: hash_output(folder / path) for path in outs}
    return Restored(folder, outs, {path: there[path] for path, found in outs.items() if there[path] != found})


def _source(places: Places, run: str) -> str:
    """Return the address of a repository that has the run's branch."""
    git, tried = Git(places.project), [places.git_remote]
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
