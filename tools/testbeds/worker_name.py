"""What a worker of the local cluster is called: all of them run on one machine, whose name tells nothing."""

import os


def worker_name() -> str:
    """Airflow's `hostname_callable`."""
    return os.environ["ONWARD_WORKER"]
