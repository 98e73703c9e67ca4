"""A pipeline of four small stages and machines that share its git remote and DVC remote, and nothing else."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from builders import measured
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.request import Asked
from onward.runs.protocol.start import start
from onward.settings import ProjectSettings

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
STAGES = ("read", "left", "right", "join")

# `left` and `right` need only `read`, so that two machines may do them at once. Every stage says when it works
# (TOY_LOG) and takes its time (TOY_SECONDS), so that it can be killed.
PIPELINE = """
stages:
  read:
    cmd: sh work.sh read && mkdir -p out/read && cp source.txt out/read && cp params.yaml out/read/params
    deps: [work.sh, source.txt]
    params: [run]
    outs: [out/read]
    metrics:
      - metrics/read.json: {cache: false}
  left:
    cmd: sh work.sh left && md5sum < out/read/params > out/left
    deps: [work.sh, out/read]
    outs: [out/left]
    metrics:
      - metrics/left.json: {cache: false}
  right:
    cmd: sh work.sh right && mkdir -p out/right && sort out/read/params > out/right/sorted
    deps: [work.sh, out/read]
    params: [delay.estimator]
    outs: [out/right]
    metrics:
      - metrics/right.json: {cache: false}
  join:
    cmd: sh work.sh join && cat out/left out/right/sorted > out/join
    deps: [work.sh, out/left, out/right]
    params: [thresholds]
    outs: [out/join]
    metrics:
      - metrics/join.json: {cache: false}
"""
# As the project's own: without it each start of DVC in a new folder asks a server for DVC's latest version.
CONFIG = """[core]
    analytics = false
    check_update = false
    remote = store
['remote "store"']
    url = ../.store
"""
WORK = """set -e
[ -z "$TOY_LOG" ] || echo "$1 $$" >> "$TOY_LOG"
mkdir -p metrics out
sleep "${TOY_SECONDS:-0}"
echo "{\\"stage\\": \\"$1\\"}" > "metrics/$1.json"
"""
_LOCKS: dict[frozenset[str], str] = {}
_IDENTITY = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")


@dataclass(frozen=True)
class Machine:
    """A clone of the project with a workspaces folder of its own."""

    root: Path
    shared: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ONWARD_PROJECT": str(self.root),
            "ONWARD_GIT_REMOTE": str(self.shared / "git"),
            "ONWARD_DVC_REMOTE": str(self.shared / "dvc"),
            "DVC_NO_ANALYTICS": "1",
        }

    @property
    def places(self) -> RunLocations:
        return self.places_with(git_remote=str(self.shared / "git"))

    def places_with(self, **settings: str) -> RunLocations:
        return RunLocations.of(ProjectSettings(project=self.root, dvc_remote=str(self.shared / "dvc"), **settings))

    def onward(self, *words: str, feed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "onward.cli", *words], cwd=self.root, input=feed, capture_output=True, text=True,
            env=self.environment | measured.VARIABLES | variables, check=False, timeout=300,
        )  # fmt: skip

    def popen(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, so that the whole group can be killed at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "onward.cli", *words], cwd=self.root, env=self.environment | variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def start(self, **asked: object) -> str:
        from datetime import date

        if isinstance(asked.get("as_of"), str):
            asked["as_of"] = date.fromisoformat(asked["as_of"])
        run = start(self.places, Asked.model_construct(**(Asked().model_dump() | asked)), lambda: None, print).run
        assert run is not None
        return run


@dataclass(frozen=True)
class Toy:
    """The remotes and as many machines as asked for."""

    shared: Path
    machines: tuple[Machine, ...]

    def git(self, *words: str) -> str:
        return git(self.shared / "git", *words)

    def commits(self, run: str) -> list[str]:
        """Stages in the order in which the branch records them, since the run began."""
        form = "--format=%(trailers:key=Onward-Stage,valueonly,separator=%x20)"
        return self.git("log", "--reverse", form, f"{self.began(run)}..runs/{run}").split()

    def began(self, run: str) -> str:
        """The commit that started the run."""
        return self.git("log", "--format=%H", f"--grep=^Start run {run}$", f"runs/{run}")

    def hashes(self, run: str) -> dict[str, str]:
        return hashes(self.git("show", f"runs/{run}:dvc.lock"))


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *_IDENTITY, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def hashes(lock: str) -> dict[str, str]:
    stages = yaml.safe_load(lock)["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def make_toy(folder: Path, machines: int) -> Toy:
    first = folder / "machine0"
    # It names no folder but its own store, beside it; clones name what they were cloned from, so they are made anew.
    shutil.copytree(_first_machine(), first, symlinks=True)
    git(folder, "clone", "-q", "--bare", str(first), "shared/git")
    for number in range(1, machines):
        git(folder, "clone", "-q", "shared/git", f"machine{number}")
    shared = folder / "shared"
    return Toy(shared, tuple(Machine(folder / f"machine{number}", shared) for number in range(machines)))


@functools.cache
def _first_machine() -> Path:
    """The project with its one commit, made once in a process: DVC is started for it."""
    first = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, first)
    (first / "dvc.yaml").write_text(PIPELINE)
    (first / "work.sh").write_text(WORK)
    (first / "source.txt").write_text("some data\n")
    shutil.copy(PARAMS, first / "params.yaml")
    (first / ".gitignore").write_text("/out/\n/.onward/\n/.store/\n")
    (first / ".dvcignore").write_text(".onward\n")
    git(first, "init", "-q", "-b", "main")
    dvc(first, "init", "-q")
    (first / ".dvc" / "config").write_text(CONFIG)
    git(first, "add", "-A")
    git(first, "commit", "-qm", "Toy")
    return first


def dvc(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plain_repro(toy: Toy, run: str, folder: Path) -> str:
    """Run plain `dvc repro` on what the run's branch started from, and return its dvc.lock.

    Runs that start from the same files, but for what says whose run it is, share one reproduction in a process.
    """
    files = toy.git("ls-tree", "-r", toy.began(run)).splitlines()
    content = frozenset(line for line in files if not line.endswith("\trun.json"))
    if content not in _LOCKS:
        git(toy.shared, "clone", "-q", "git", str(folder))
        git(folder, "checkout", "-q", toy.began(run))
        dvc(folder, "repro", "-q")
        _LOCKS[content] = (folder / "dvc.lock").read_text()
    return _LOCKS[content]
