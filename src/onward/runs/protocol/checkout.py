"""A working copy of a run's branch, set up so that DVC finds the shared remote and this machine's cache."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from onward.artifacts import write_text
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.names import branch_of

# An object store that says nothing for so long is asked again, a few times in all.
_SILENT_S = 60.0


def clone(git: Git, git_remote: str, run: str, folder: Path) -> None:
    """Clone a run's branch, without its files yet; a killed clone leaves nothing that looks like one.

    Args:
        git: in the folder that the new one is to lie in.
        git_remote: what is cloned.
        run: name of the run.
        folder: new.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(
        "clone",
        "-q",
        "--template=",
        "--no-tags",
        "--single-branch",
        "--branch",
        branch_of(run),
        "--no-checkout",
        "--",
        git_remote,
        str(partial),
    )
    partial.replace(folder)


def refresh(git: Git, run: str) -> str:
    """Take the branch's last commit into the folder, whatever lies there, and return it."""
    commit = fetch(git, run)
    git("reset", "-q", "--hard", commit)
    git("clean", "-fdq")
    return commit


def fetch(git: Git, run: str) -> str:
    """Look at the remote and return the branch's last commit."""
    branch = f"refs/heads/{branch_of(run)}"
    seen = f"refs/remotes/origin/{branch_of(run)}"
    git("fetch", "-q", "--no-tags", "origin", f"+{branch}:{seen}")
    return git("rev-parse", seen)


def configure(folder: Path, locations: RunLocations, dvc_remote: str) -> None:
    """Tell DVC, in this folder only, where outputs and this machine's cache are."""
    # Without git, DVC gives no advice on committing, and a killed one leaves no lock of git's.
    address = locations.settings.dvc_remote_endpoint
    endpoint = f"    endpointurl = {address}\n" if address else ""
    if dvc_remote.startswith("s3://"):
        patience = max(1, round(min(_SILENT_S, locations.settings.remote_seconds)))
        endpoint += f"    connect_timeout = {patience}\n    read_timeout = {patience}\n"
    write_text(
        folder / ".dvc" / "config.local",
        "[core]\n    remote = outputs\n    analytics = false\n    no_scm = true\n"
        f"    site_cache_dir = {locations.cache / 'site'}\n"
        f"[cache]\n    dir = {locations.cache / 'outputs'}\n"
        f"['remote \"outputs\"']\n    url = {dvc_remote}\n{endpoint}",
    )


def shared_code(git: Git, locations: RunLocations) -> Path:
    """Return this machine's one copy of the code that a run's working copy has checked out, made when needed.

    Its path follows from git's hash of what is in it. Runs of the same code so find what Python and numba compiled for
    the run before, which in a folder of their own would cost each of them more than some stages do.
    """
    try:
        tree = git("rev-parse", "--verify", "-q", "HEAD:src")
    except GitError:
        return git.folder / "src"
    shared = locations.cache / "code" / tree
    if not shared.is_dir():
        shared.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=shared.parent, suffix=".partial"))
        with tempfile.TemporaryDirectory(prefix="onward-index-") as folder:
            index = Path(folder) / "index"
            git("read-tree", tree, index=index)
            git("checkout-index", "--all", f"--prefix={partial}/", index=index)
        try:
            partial.rename(shared)
        except OSError:  # another task was first
            shutil.rmtree(partial)
    os.utime(shared)
    return shared


def environment(folder: Path, code: Path, locations: RunLocations) -> dict[str, str]:
    """Everything that a command of a run finds in its environment.

    Args:
        folder: the run's working copy, which is the command's project.
        code: what Python imports.
        locations: of this machine.
    """
    paths = {
        # The stage commands say `python`: this interpreter, with the code of the run's own branch.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(code),
    }
    return {**os.environ, **locations.for_commands(folder), **paths, "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
