"""Look at the model in use: the verdict of the monitor stage of the run that made it, fetched from the remotes."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from onward.artifacts import Layout, read_json
from onward.errors import MonitoringError
from onward.runs.names import require_run
from onward.runs.places import Places
from onward.runs.workspace import Say, open_workspace

_STAGE = "monitor"


def look(places: Places, version: int, tags: Mapping[str, str], say: Say) -> dict[str, Any]:
    """Say whether a registered version keeps its promise, as far as its run could tell.

    Args:
        places: of this machine.
        version: the one in use.
        tags: of that version in the registry; `run` names the run that made it.
        say: told in a line what happens.

    Returns:
        See `summary`.

    Raises:
        MonitoringError: the version came from no run, or its run holds no verdict on it.
        RunError: the run's branch cannot be fetched.
    """
    if "run" not in tags:
        raise MonitoringError(
            f"version {version} came from no run that could be looked at; start one: `onward run start`"
        )
    run = require_run(tags["run"])
    with open_workspace(places, run, say) as space:
        try:
            space.synchronise(say)
            lock = space.locked_state()
            if _STAGE not in lock.entries:
                raise MonitoringError(
                    f"run {run} of version {version} has no verdict; `onward run stage {run} {_STAGE}`"
                )
            missing = space.bring({path: lock.outs(_STAGE)[path] for path in space.pipeline().stage(_STAGE).outs})
            if missing:
                raise MonitoringError(f"run {run}: {', '.join(sorted(missing))} cannot be had from {places.dvc_remote}")
            verdict = read_json(Layout(space.root).monitoring / "verdict.json")
        finally:
            space.remove()
    if verdict["version"] != version:
        raise MonitoringError(
            f"run {run} judged version {verdict['version']}, in use is version {version}; start a run"
        )
    return {"run": run, **summary(verdict)}


def summary(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict in the few words that an alarm needs.

    `level` is the drifted level that moved farthest beyond its margin (None if none did), `since` the first day of the
    period in which that shows: the monitor compares periods and cannot date the change within one.

    >>> levels = [{"level": 0, "verdict": "ok", "drift_statistic": 0.2, "reason": "as promised"},
    ...           {"level": 3, "verdict": "drifted", "drift_statistic": 1.7, "reason": "fewer convert"}]
    >>> found = summary({"version": 4, "as_of": "2017-11-20", "verdict": "drifted", "action": "retrain",
    ...                  "current_days": 28, "levels": levels})
    >>> found["level"], found["since"], found["reason"]
    (3, '2017-10-23', 'fewer convert')
    """
    drifted = [each for each in verdict["levels"] if each["verdict"] == "drifted"]
    worst = max(drifted, key=lambda each: each["drift_statistic"] or 0.0, default=None)
    since = date.fromisoformat(verdict["as_of"]) - timedelta(days=verdict["current_days"])
    return {
        "version": verdict["version"],
        "as_of": verdict["as_of"],
        "verdict": verdict["verdict"],
        "action": verdict["action"],
        "level": worst["level"] if worst else None,
        "since": since.isoformat() if worst else None,
        "reason": worst["reason"] if worst else None,
    }
