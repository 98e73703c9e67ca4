"""Daily statistics as they were earlier, or from a later day on: what a monitor of that time would have read."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from onward.monitoring.daily_statistics import DailyStatistics


def until(statistics: DailyStatistics, days: int) -> DailyStatistics:
    """Turn the clock back: what was known when the first `days` days had passed.

    Args:
        statistics: of which later days and later arrivals are forgotten.
        days: 1 … S.
    """
    age = days - np.arange(days)
    known = (np.arange(statistics.window + 1)[None, :] < age[:, None])[:, None, :]
    return replace(
        statistics,
        n=statistics.n[:days], shown=statistics.shown[:days], unscored=statistics.unscored[:days],
        predicted=statistics.predicted[:days], predicted_shown=statistics.predicted_shown[:days],
        arrivals=statistics.arrivals[:days] * known, arrivals_shown=statistics.arrivals_shown[:days] * known,
        engaged=statistics.engaged[:days], scores=statistics.scores[:days],
        category_predicted=statistics.category_predicted[:days],
        category_arrivals=statistics.category_arrivals[:days] * known,
    )  # fmt: skip


def since(statistics: DailyStatistics, start: int) -> DailyStatistics:
    """Forget the days before the `start`-th."""
    kept = slice(start, None)
    return replace(
        statistics,
        first=statistics.first + timedelta(days=start),
        n=statistics.n[kept], shown=statistics.shown[kept], unscored=statistics.unscored[kept],
        predicted=statistics.predicted[kept], predicted_shown=statistics.predicted_shown[kept],
        arrivals=statistics.arrivals[kept], arrivals_shown=statistics.arrivals_shown[kept],
        engaged=statistics.engaged[kept], scores=statistics.scores[kept],
        category_predicted=statistics.category_predicted[kept],
        category_arrivals=statistics.category_arrivals[kept],
    )  # fmt: skip
