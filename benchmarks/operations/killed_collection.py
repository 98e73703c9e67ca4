"""`onward gc`, killed again and again while it deletes: what was to stay is there, and what was to go is gone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.operations.cluster_runs import console, git_said
from benchmarks.operations.registry_ledger import Ledger
from onward.errors import ServiceError
from onward.services.processes import session_members

_COMMAND = (sys.executable, "-m", "onward.cli", "gc", "--keep=1", "--older=0")


@dataclass(frozen=True)
class Collection:
    """What the kills of `onward gc` led to.

    Attributes:
        kills: that came while it was deleting.
        runs: that went.
        versions: that went.
        lost: runs and versions that were to stay and are gone, or cannot be reproduced.
        left: runs, versions, outputs and entries of the registry that were to go and are there.
    """

    kills: int
    runs: int
    versions: int
    lost: int
    left: int


def collect_and_kill(
    head: Mapping[str, str], remote: Path, ledger: Ledger, kills: int, draw: random.Random
) -> Collection:
    """Collect all but the latest run and what the version in use needs, killing the command again and again.

    Args:
        head: environment of the host that collects.
        remote: the git remote.
        ledger: of the registry.
        kills: how often.
        draw: of the lines and moments after which it dies.
    """
    planned = _asked(head, "--dry-run")
    runs, versions = _branches(remote), ledger.versions()
    stay = set(runs) - set(planned["runs"])
    staying = set(versions) - set(planned["versions"])
    console.log(f"gc: of {len(runs)} runs and {len(versions)} versions, {planned['runs']} are to go")
    done = 0
    for _ in range(kills):
        left = _asked(head, "--dry-run")
        # Each line says what is deleted next: the first is that of the first version, of all outputs, or of a branch.
        if left["versions"] or left["runs"]:
            done += _killed(head, draw)
    _asked(head)
    left = _asked(head, "--dry-run")
    lost = len(stay - set(_branches(remote))) + len(staying - set(ledger.versions()))
    lost += sum(not _reproduces(head, versions[number]) for number in sorted(staying))
    undone = len(left["runs"]) + len(left["versions"]) + left["outputs"] + left["bundles"] + left["partial"]
    undone += ledger.runs_without_version() + _files_without_version(head, ledger)
    return Collection(done, len(planned["runs"]), len(planned["versions"]), lost, undone)


def _killed(head: Mapping[str, str], draw: random.Random) -> bool:
    """Start the command, and kill it and its session just after its first line; whether it was still at work."""
    with subprocess.Popen(
        _COMMAND, cwd=head["ONWARD_PROJECT"], env={**os.environ, **head, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        said = process.stdout.readline() if process.stdout else ""
        time.sleep(draw.uniform(0.0, 0.1))
        at_work = process.poll() is None
        for member in {process.pid, *session_members(process.pid)}:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
    console.log(f"gc: killed after {said.strip()!r}" if at_work else "gc: had ended before its kill")
    return at_work


def _asked(head: Mapping[str, str], *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [*_COMMAND, *options], cwd=head["ONWARD_PROJECT"], env={**os.environ, **head}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ServiceError(f"onward gc ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _reproduces(head: Mapping[str, str], run: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "onward.cli", "reproduce", run], cwd=head["ONWARD_PROJECT"], env={**os.environ, **head},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    console.log(f"reproduce {run}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    return done.returncode == 0


def _branches(remote: Path) -> list[str]:
    said = git_said(remote, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/heads/runs")
    return said.split()


def _files_without_version(head: Mapping[str, str], ledger: Ledger) -> int:
    """Folders of bundles that no version holds."""
    there = {path.name for path in Path(head["ONWARD_REGISTRY_ARTIFACTS"]).iterdir()}
    return len(there - ledger.holders())
