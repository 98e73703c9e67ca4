"""A day that was decided on with half a log is decided on again: the old file is kept aside, and the reason with it.

Below the decision log lies `revisions/day=D/version=N/`, in it each file that was replaced, by its hash, and beside it
who replaced it, when and why.
"""

import hashlib
import shutil
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from onward.artifacts import replacing, write_json
from onward.deployment.reasons import Reason
from onward.monitoring.decision_log import place

REVISIONS = "revisions"


@dataclass(frozen=True)
class Revision:
    """Why days are decided on again, and when."""

    reason: Reason
    at: datetime


def keep_aside(folder: Path, day: date, version: int, revision: Revision) -> Path:
    """Copy a day's decisions aside with the reason why they are replaced; done again, it is the same copy.

    Args:
        folder: of the decision log.
        day: that is decided on again.
        version: that decided.
        revision: why and when.

    Returns:
        The copy.
    """
    path = folder / place(day, version)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    copy = folder / REVISIONS / path.relative_to(folder).with_suffix("") / f"{digest[:16]}.parquet"
    with replacing(copy) as partial:
        shutil.copyfile(path, partial)
    write_json(
        copy.with_suffix(".json"),
        {
            "day": day.isoformat(),
            "version": version,
            "sha256": digest,
            "rows": logged_rows(path),
            "at": revision.at.isoformat(timespec="seconds"),
            "by": revision.reason.by,
            "reason": revision.reason.text,
        },
    )
    return copy


def logged_rows(path: Path) -> int:
    """How many decisions a file of the log holds."""
    return int(pq.read_metadata(path).num_rows)
