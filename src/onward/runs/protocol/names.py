"""What a run is called: its clock and a digest of what started it, so that a repeated start finds its own branch."""

import hashlib
import re
from datetime import date

from onward.errors import RequestError

BRANCHES = "runs/"
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{8}")
_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def run_name(as_of: date, identity: str) -> str:
    """Name the run that `identity`, such as Airflow's run id, started.

    >>> run_name(date(2017, 11, 20), "manual__2017-11-20T06:00:00+00:00")
    '2017-11-20-eab9e4c8'
    """
    return f"{as_of.isoformat()}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def require_run(name: str) -> str:
    """Return the name of a run, before it comes near a path or a command.

    Raises:
        RequestError: it is not one.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(f"{_short(name)} is no run's name; they look like 2017-11-20-3f2a9c1b, see `onward runs`")
    return name


def require_stage(name: str) -> str:
    """Return the name of a stage, before it comes near a command.

    Raises:
        RequestError: it cannot be one.
    """
    if not _STAGE.fullmatch(name):
        raise RequestError(f"{_short(name)} is no stage's name; see dvc.yaml")
    return name


def branch_of(run: str) -> str:
    """Name the branch that carries a run.

    >>> branch_of("2017-11-20-3f2a9c1b")
    'runs/2017-11-20-3f2a9c1b'
    """
    return BRANCHES + run


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
