# ruff: noqa: INP001 - a program of an image, in no package
"""Give a container what it works from, then become its command.

A checkout of the code, where ONWARD_PROJECT names a folder: a clone of ONWARD_GIT_REMOTE at ONWARD_CODE_BRANCH (main),
brought up to date at every start. It uses nothing but Python's own library, so that every image can run it.
"""

import os
import subprocess
import sys
from pathlib import Path


def main(command: list[str]) -> None:
    """Prepare, and let the command take this process's place, so that signals reach it."""
    if "ONWARD_PROJECT" in os.environ:
        bring_code(Path(os.environ["ONWARD_PROJECT"]), os.environ["ONWARD_GIT_REMOTE"])
    os.execvp(command[0], command)  # noqa: S606 - no shell


def bring_code(project: Path, remote: str) -> None:
    """Clone the code, or bring the clone up to date; nobody edits it here, so nothing is lost."""
    branch = os.environ.get("ONWARD_CODE_BRANCH", "main")
    if not (project / ".git").is_dir():
        project.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", "--branch", branch, "--", remote, str(project)], check=True)
        return
    for words in (["fetch", "--quiet", "origin", branch], ["reset", "--quiet", "--hard", f"origin/{branch}"]):
        subprocess.run(["git", "-C", str(project), *words], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
