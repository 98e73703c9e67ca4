"""Which day a run is about when nobody named one."""

from datetime import date
from typing import Any

from onward_tasks.settings import last_as_of, time_zone


def latest_day(dag_run: Any) -> date:
    """Return the shop's day on which the run was asked for, or the last day of the log if that is earlier.

    Not the wall clock: a retry after midnight must be about the day of the first try.
    """
    last = last_as_of()
    asked: date = dag_run.run_after.astimezone(time_zone()).date()
    return asked if last is None else min(asked, last)
