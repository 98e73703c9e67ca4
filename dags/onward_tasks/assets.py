"""The two events by which DAGs call each other; other systems may raise them too, over POST /api/v2/assets/events."""

from typing import Any

from airflow.sdk import Asset

# extra: version, as_of, level, since, action, rule, reason, run_from; all may be missing. Starts retrain.
DRIFT = Asset(name="onward_drift", uri="onward://monitor/drift")
# extra: version, which is to be taken out of use, and reason, at least 10 characters. Starts rollback.
ROLLBACK = Asset(name="onward_rollback", uri="onward://monitor/rollback")


def names_action(extra: dict[str, Any]) -> bool:
    """Tell whether an event was raised for what `onward act` decided, so that it can be told which run came of it."""
    return all(extra.get(key) for key in ("version", "as_of", "action"))


def told(earlier: dict[str, Any], decided: dict[str, Any]) -> bool:
    """Tell whether an earlier event was about the same version and the same state of the log."""
    return all(earlier.get(key) == decided[key] for key in ("version", "as_of"))
