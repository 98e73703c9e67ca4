"""What the DAGs make and tell each other, as Airflow's assets: its page of assets draws the chain from them.

    onward_data → onward_model → onward_champion → monitor → onward_drift → retrain, or onward_rollback → rollback

The first three say what there is; other systems may follow them. The last two are events by which DAGs call each other;
other systems may raise them too, over POST /api/v2/assets/events.
"""

from typing import Any

from airflow.sdk import Asset

# extra: run.
DATA = Asset(name="onward_data", uri="onward://retrain/data")
# extra: run.
MODEL = Asset(name="onward_model", uri="onward://retrain/model")
# extra: version, as_of, run, bundle_sha256; once each time that another version has come into use.
CHAMPION = Asset(name="onward_champion", uri="onward://registry/champion")
# extra: version, as_of, level, since, action, rule, reason, run_from; all may be missing. Starts retrain.
DRIFT = Asset(name="onward_drift", uri="onward://monitor/drift")
# extra: version, which is to be taken out of use, and reason, at least 10 characters. Starts rollback.
ROLLBACK = Asset(name="onward_rollback", uri="onward://monitor/rollback")


# What stages make of them, and of what: the two that stand for all between.
OUTLETS = {"ingest": [DATA], "deploy": [MODEL]}
INLETS = {"deploy": [DATA]}


def names_action(extra: dict[str, Any]) -> bool:
    """Tell whether an event was raised for what `onward act` decided, so that it can be told which run came of it."""
    return all(extra.get(key) for key in ("version", "as_of", "action"))


def told(earlier: dict[str, Any], decided: dict[str, Any]) -> bool:
    """Tell whether an earlier event was about the same version and the same state of the log."""
    return all(earlier.get(key) == decided[key] for key in ("version", "as_of"))
