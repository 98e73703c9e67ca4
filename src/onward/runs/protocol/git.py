"""Git without surprises: no hooks, no prompts, no signing, no clean-up in the background, an identity of its own."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onward.errors import RunError
from onward.settings import REMOTE_SECONDS

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "user.name": "Onward",
    "user.email": "onward@localhost",
    "core.autocrlf": "false",
    # A server that says nothing for a minute is given up: a git that hangs would hold the run's lock.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}


class GitError(RunError):
    """Git refused; the message holds its last line."""


@dataclass(frozen=True)
class Git:
    """Git in one folder.

    Attributes:
        folder: where git works.
        hold: descriptor of a lock that lives on with a git that outlives this process; None for no lock.
        patience_s: seconds that a command may take; one that waits for a silent remote is ended with all it started.
    """

    folder: Path
    hold: int | None = None
    patience_s: float = REMOTE_SECONDS

    def __call__(self, *arguments: str, feed: bytes = b"", index: Path | None = None) -> str:
        """Run one git command and return what it printed, without the last line feed.

        Raises:
            GitError: it ended with another status than 0, did not end in time, or there is no git.
        """
        return self.read(*arguments, feed=feed, index=index).decode("utf-8", "replace").removesuffix("\n")

    def read(self, *arguments: str, feed: bytes = b"", index: Path | None = None) -> bytes:
        """Run one git command and return the bytes that it printed; see `__call__`."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        # A session of its own: a kill of this process's group must not leave git's lock files behind.
        try:
            process = subprocess.Popen(
                ["git", *settings, *arguments],
                cwd=self.folder,
                env=_environment(index),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=() if self.hold is None else (self.hold,),
            )
        except OSError as error:
            raise GitError(f"git {arguments[0]} in {self.folder}: {error.strerror}; is git installed?") from error
        with process:
            try:
                out, told = process.communicate(feed, timeout=self.patience_s)
            except subprocess.TimeoutExpired:
                _end(process)
                raise GitError(
                    f"git {arguments[0]} in {self.folder}: no end in {self.patience_s:g} s; does the remote answer? "
                    "ONWARD_REMOTE_SECONDS gives it longer"
                ) from None
            except BaseException:
                _end(process)
                raise
        if process.returncode != 0:
            lines = told.decode("utf-8", "replace").strip().splitlines() or [f"status {process.returncode}"]
            telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", " !"))] or lines
            raise GitError(f"git {arguments[0]} in {self.folder}: {telling[0].strip()}")
        return out

    def file(self, commit: str, path: str) -> bytes | None:
        """Return a file's bytes at a commit, or None where there is none."""
        try:
            return self.read("cat-file", "blob", f"{commit}:{path}")
        except GitError:
            return None

    def commit_files(self, parent: str, files: Mapping[str, bytes], message: str) -> str:
        """Make a commit that changes these files of its parent, and nothing on disk: no tree and no index is touched.

        Returns:
            The commit's hash.
        """
        with tempfile.TemporaryDirectory(prefix="onward-index-") as folder:
            index = Path(folder) / "index"
            self("read-tree", parent, index=index)
            for path, content in sorted(files.items()):
                blob = self("hash-object", "-w", "--stdin", feed=content)
                self("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", index=index)
            tree = self("write-tree", index=index)
        return self("commit-tree", tree, "-p", parent, feed=message.encode())


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a git and the helpers that it started, which lead its session and talk to the remote."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _environment(index: Path | None) -> dict[str, str]:
    # A caller that is itself a git hook has GIT_DIR and the like set, which would name another repository.
    kept = {key: value for key, value in os.environ.items() if key not in _LOCAL}
    own = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} | ({} if index is None else {"GIT_INDEX_FILE": str(index)})
    return kept | own


# `git rev-parse --local-env-vars`
_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_COUNT",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_INTERNAL_SUPER_PREFIX",
    }
)
