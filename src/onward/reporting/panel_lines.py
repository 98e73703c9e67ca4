"""The lines of panels.yaml as rows of a table: what each panel draws on which day, bounds of an interval beside it."""

from collections.abc import Mapping

import pandas as pd

from onward.monitoring.daily_series import DayFigures
from onward.reporting.panels import Panels

COLUMNS = ("tab", "panel", "size", "legend", "role", "day", "value")
_BOUNDS = ("low", "high")


def panel_lines(figures: Mapping[str, DayFigures], panels: Panels) -> pd.DataFrame:
    """Return one row a line and day.

    Args:
        figures: by label, that of the version in use last; where several know a day, the later one speaks for it.
        panels: what is drawn.

    Returns:
        COLUMNS: `role` is value, low or high, the latter two of the line of the same legend.
    """
    buckets = sorted({bucket for days in figures.values() for of_day in days.values() for bucket in of_day})
    rows = []
    for tab in panels.tabs:
        for panel in panels.drawn(tab, buckets):
            legend_of = {(measure, bucket): legend for legend, measure, bucket in panel.lines}
            for legend, measure, bucket in panel.lines:
                base, _, end = measure.rpartition("_")
                bound = end in _BOUNDS and (base, bucket) in legend_of
                line = (legend_of[base, bucket], end) if bound else (legend, "value")
                known = {
                    day: of_day[bucket][measure]
                    for days in figures.values()
                    for day, of_day in days.items()
                    if measure in of_day.get(bucket, {})
                }
                rows += [(tab.name, panel.title, panel.size, *line, day, value) for day, value in sorted(known.items())]
    return pd.DataFrame(rows, columns=list(COLUMNS))
