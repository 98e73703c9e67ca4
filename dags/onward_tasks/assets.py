"""The two events by which DAGs call each other; other systems may raise them too, over POST /api/v2/assets/events."""

from airflow.sdk import Asset

# extra: version, as_of, level, since, action. Starts retrain.
DRIFT = Asset(name="onward_drift", uri="onward://monitor/drift")
# extra: reason, at least 10 characters. Starts rollback.
ROLLBACK = Asset(name="onward_rollback", uri="onward://monitor/rollback")
