"""A run's working copy on this machine: locked, brought to the branch's state, and thrown away when in doubt."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from onward.artifacts import write_text
from onward.errors import RunError
from onward.pipeline_file import LOCK_FILE, PIPELINE_FILE, Lock, Pipeline, parse_lock, parse_pipeline
from onward.runs.protocol.checkout import clone, configure, environment, fetch, refresh, shared_code
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, Manifest, parse_manifest
from onward.runs.protocol.names import branch_of, require_run
from onward.runs.protocol.subprocess_guard import leashed

Say = Callable[[str], None]
_SECONDS_UNUSED = 7 * 86_400
_SECONDS_TO_NOTE = 1.0

# One process, since importing DVC costs more than most of its commands. As text: the run's own code, which Python finds
# in the folder, may be older than this. Its exit status is the number of the command that failed, from 1.
_DVC = """
import json, signal, sys
from dvc.cli import main
def run(words):
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]) if words[0] in ("pull", "push") else 0)
    return main(words)
sys.exit(next((number for number, words in enumerate(json.loads(sys.argv[1]), 1) if run(words)), 0))
"""


@dataclass(frozen=True)
class Workspace:
    """A folder that holds the run's branch; whoever has it, has it alone.

    Attributes:
        run: name of the run.
        locations: of this machine.
        lock: descriptor of the lock, which everything that is started here holds too.
    """

    run: str
    locations: RunLocations
    lock: int

    @property
    def root(self) -> Path:
        """The folder."""
        return self.locations.workspaces / self.run

    @property
    def git(self) -> Git:
        """Git in that folder."""
        return self.locations.git(self.root, self.lock)

    @property
    def branch(self) -> str:
        """The run's branch."""
        return branch_of(self.run)

    def tip(self) -> str:
        """The branch's last commit as of the last look at the remote."""
        return self.git("rev-parse", f"refs/remotes/origin/{self.branch}")

    def fetch(self) -> str:
        """Look at the remote and return the branch's last commit."""
        return fetch(self.git, self.run)

    def push(self, commit: str) -> None:
        """Make a commit the branch's last one if it follows the one that the remote has.

        Raises:
            GitError: somebody else was there first, or the remote refused.
        """
        self.git("push", "-q", "origin", f"{commit}:refs/heads/{self.branch}")

    def manifest(self, commit: str) -> Manifest:
        """What the run was asked, as of a commit."""
        return parse_manifest(self.git.file(commit, FILE), self.run)

    def pipeline(self) -> Pipeline:
        """The run's dvc.yaml."""
        return parse_pipeline((self.root / PIPELINE_FILE).read_bytes())

    def locked_state(self) -> Lock:
        """The dvc.lock that lies in the folder."""
        path = self.root / LOCK_FILE
        return parse_lock(path.read_bytes() if path.exists() else None)

    def dvc(self, *commands: Sequence[str]) -> int:
        """Run commands of DVC's in the folder, one after the other until one fails.

        Returns:
            0, or the number of the command that failed, from 1; negative if a signal ended them.

        Raises:
            RunError: one that talks to the DVC remote did not end in the time that a remote has.
        """
        patience = self.locations.settings.remote_seconds
        with self.executing("-c", _DVC, json.dumps(commands), str(patience)) as process:
            status = process.wait()
        if status == -signal.SIGALRM:
            words = commands[-1]
            what = "sending the outputs of" if words[0] == "push" else "fetching"
            named = ", ".join(word for word in words[1:] if not word.startswith("-"))
            raise RunError(unanswered(f"{what} {named}", patience, self.locations.dvc_remote))
        return status

    def executing(self, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Have `python …` run in the folder with the run's own code during a block, which ends when it has ended."""
        variables = environment(self.root, shared_code(self.git, self.locations), self.locations)
        return leashed([sys.executable, *arguments], self.root, variables, self.lock)

    def bring(self, paths: Mapping[str, str]) -> set[str]:
        """Have outputs in the folder, by path and hash, from the cache or the DVC remote.

        Returns:
            The paths that could not be had.
        """
        here = self._here()
        stale = [path for path, digest in paths.items() if here.get(path) != digest or not (self.root / path).exists()]
        if stale:
            self.forget(stale)
            self.dvc(["pull", "--force", "--allow-missing", *stale])
            self.remember({path: paths[path] for path in stale if (self.root / path).exists()})
        return {path for path in paths if not (self.root / path).exists()}

    def forget(self, paths: Iterable[str]) -> None:
        """Trust these outputs no longer; before anything that may be killed while it changes them."""
        gone = set(paths)
        self._note({path: digest for path, digest in self._here().items() if path not in gone})

    def remember(self, outs: Mapping[str, str]) -> None:
        """Trust that these outputs are in the folder with these hashes."""
        self._note({**self._here(), **outs})

    def synchronise(self, say: Say) -> str:
        """Have the branch's files in the folder, whatever a killed process left there; return the last commit."""
        if (self.root / ".git").is_dir():
            try:
                return self._refresh()
            except GitError as error:
                self._require_branch()
                say(f"the working copy cannot be used ({error}); taking a new one")
                shutil.rmtree(self.root)
        elif self.root.exists():
            shutil.rmtree(self.root)
        _sweep(self.locations)
        try:
            clone(self.locations.git(self.root.parent, self.lock), self.locations.git_remote, self.run, self.root)
        except GitError:
            self._require_branch()
            raise
        return self._refresh()

    def remove(self) -> None:
        """Delete the folder and the lock's file: everything in it is on the remotes, or was never finished."""
        shutil.rmtree(self.root, ignore_errors=True)
        _lock_of(self.locations, self.run).unlink(missing_ok=True)

    def _require_branch(self) -> None:
        """Tell a remote that cannot be reached or lacks the branch from a working copy that is broken."""
        git = self.locations.git(self.locations.workspaces, self.lock)
        remote = self.locations.git_remote
        if not git("ls-remote", "--", remote, f"refs/heads/{self.branch}"):
            raise RunError(f"no run {self.run} on {remote}; see `onward runs`, or set ONWARD_GIT_REMOTE")

    def _refresh(self) -> str:
        # The lock is held, and everything that works here holds it: these files were left by the dead.
        for left in (self.root / ".git").rglob("*.lock"):
            left.unlink()
        (self.root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
        _mend_run_cache(self.locations.cache / "outputs" / "runs")
        commit = refresh(self.git, self.run)
        configure(self.root, self.locations, self.locations.dvc_remote)
        return commit

    def _here(self) -> dict[str, str]:
        try:
            note: dict[str, str] = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note

    @property
    def _note_path(self) -> Path:
        return self.root / ".git" / "onward-outs.json"

    def _note(self, here: Mapping[str, str]) -> None:
        write_text(self._note_path, json.dumps(here, sort_keys=True))


@contextmanager
def open_workspace(locations: RunLocations, run: str, say: Say) -> Iterator[Workspace]:
    """Have a run's workspace alone on this machine, waiting for whoever has it.

    Raises:
        RunError: the name is no run's name.
    """
    require_run(run)
    locations.workspaces.mkdir(parents=True, exist_ok=True)
    with alone(_lock_of(locations, run), f"another task of run {run}", say) as lock:
        yield Workspace(run, locations, lock.fileno())


@contextmanager
def alone(path: Path, what: str, say: Say) -> Iterator[IO[str]]:
    """Hold the lock of a file, waiting for whoever holds it; the kernel frees it with the last process that has it.

    It is flock(2) itself and no library's lock, since those keep their descriptor from child processes: here a stage or
    a `git push` that outlives a killed worker must keep the run locked until it has ended (`subprocess_guard`).
    """
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for {what} on this machine")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever had it may have deleted the file: a lock on a deleted file locks nobody out.
            if _is_still(path, lock):
                os.utime(lock.fileno())
                yield lock
                return


def unanswered(what: str, patience_s: float, remote: str) -> str:
    """Say that a remote was given up."""
    return (
        f"{what}: no end in {patience_s:g} s; does {remote} answer? ONWARD_REMOTE_SECONDS gives it longer; then run "
        "the same command again"
    )


def require_status(status: int, what: str) -> None:
    """Refuse to go on after a command that failed.

    Raises:
        RunError: the status is not 0.
    """
    if status != 0:
        raise RunError(f"{what} ended with status {status}: see the lines above; then run the same command again")


def _mend_run_cache(folder: Path) -> None:
    """Delete folders in which a killed DVC did not come to note the stage it had finished: it cannot read them."""
    for noted in folder.glob("*/*"):
        # The cache is shared: what is this young another run may be about to fill.
        with suppress(OSError):
            if time.time() - noted.stat().st_mtime > _SECONDS_TO_NOTE:
                noted.rmdir()


def _sweep(locations: RunLocations) -> None:
    """Delete what other runs left here that nobody has used for a week: all of it is on the remotes."""
    for code in (locations.cache / "code").glob("*"):
        if time.time() - code.stat().st_mtime >= _SECONDS_UNUSED:
            shutil.rmtree(code, ignore_errors=True)
    for path in locations.workspaces.glob("*.lock"):
        if time.time() - path.stat().st_mtime < _SECONDS_UNUSED:
            continue
        with path.open("a+", encoding="utf-8") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, lock):
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink()


def _lock_of(locations: RunLocations, run: str) -> Path:
    return locations.workspaces / f"{run}.lock"


def _is_still(path: Path, opened: IO[str]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(opened.fileno()).st_ino
    except FileNotFoundError:
        return False
