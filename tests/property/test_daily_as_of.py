"""The as-of guard of the daily monitor: what is joined on a day is what a later join shows of that day."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.daily_files import WINDOW, day_number, draw_rows
from onward.artifacts import write_table
from onward.monitoring.daily_statistics import DailyStatistics
from onward.monitoring.event_join import join_events
from tools.testbeds.cut_statistics import until

SUMS = ("n", "shown", "unscored", "predicted", "predicted_shown", "arrivals", "arrivals_shown", "scores")


def joined(folder: Path, rows: dict, days: int, order: int) -> DailyStatistics:
    """Join the first `days` days; the events come in an order of their own."""
    events = {}
    for name in ("conversions", "engagements"):
        path = folder / f"{name}-{order}.parquet"
        write_table(path, rows[name].sample(frac=1.0, random_state=order).reset_index(drop=True))
        events[name] = str(path)
    files = []
    for number in range(days):
        path = folder / f"{number}.parquet"
        day = rows["decisions"]["time"].dt.date == day_number(number)
        write_table(path, rows["decisions"][day])
        files.append((day_number(number), str(path)))
    return join_events(files, events, day_number(days), WINDOW, 2)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), days=st.integers(3, 19))
def test_turning_the_clock_back_is_joining_earlier(tmp_path_factory, seed, days):
    folder = tmp_path_factory.mktemp("log")
    rows = draw_rows(days=20, a_day=60, seed=seed)
    late = until(joined(folder, rows, 20, 1), days)
    early = joined(folder, rows, days, 2)
    for name in SUMS:
        np.testing.assert_allclose(getattr(late, name), getattr(early, name), atol=1e-6, err_msg=name)
    # An engagement of the second day after is not known on the first.
    np.testing.assert_array_equal(late.engaged[: days - 1], early.engaged[: days - 1])
