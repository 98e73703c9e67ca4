"""Airflow's own records of long ago: `airflow db clean`, for the Airflow that `onward airflow` keeps in a project."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from onward.errors import ServiceError
from onward.services.local import airflow_environment


def clean_airflow(project: Path, before: datetime, *, dry_run: bool) -> bool:
    """Delete Airflow's records from before a moment; what is deployed and what runs know stays untouched.

    Args:
        project: whose folder `.airflow` is meant; nothing happens where there is none.
        before: with a time zone.
        dry_run: only have Airflow say what it would delete.

    Returns:
        Whether there is an Airflow.

    Raises:
        ServiceError: Airflow could not do it.
    """
    home = project / ".airflow"
    if not (home / "airflow.db").is_file():
        return False
    words = ("db", "clean", "--clean-before-timestamp", before.isoformat(), "--skip-archive", "--yes")
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words, *(["--dry-run"] if dry_run else [])],
        cwd=project,
        env={**os.environ, **airflow_environment(home, project / "dags", 0)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no word"])[-1]
        raise ServiceError(f"airflow db clean: ended with status {done.returncode}: {last[:300]}; end `onward airflow`")
    return True
