"""Which categories moved with a level: where to look first."""

from typing import Any

import numpy as np

from onward.monitoring.daily_statistics import DailyStatistics
from onward.monitoring.delays import arrived_from, lag_counts
from onward.monitoring.nowcast import normal_quantile

_MOST = 5
_LEAST = 10


def changed_slices(
    statistics: DailyStatistics, start: int, confidence: float, dispersion: float
) -> tuple[dict[str, Any], ...]:
    """Categories whose positivity since the start differs from before by more than their margin, the largest first.

    Args:
        statistics: all levels of a category count together.
        start: index of the first changed day.
        confidence: over all categories together.
        dispersion: variance of counts over that of independent rows.

    Returns:
        name, change and margin of at most five, in points of positivity per prediction of the mean rate.
    """
    observable = statistics.known
    predicted = statistics.category_predicted
    at, by = lag_counts(statistics.category_arrivals, observable)
    arrived = arrived_from(at.sum(axis=(0, 1))[None], by.sum(axis=(0, 1))[None])[0]
    lag = np.minimum(statistics.ages - 1, statistics.window)
    due = predicted * arrived[lag][:, None]
    count = at.sum(axis=2)
    before, since = due[:start].sum(axis=0), due[start:].sum(axis=0)
    seen_before = count[:start].sum(axis=0)
    seen_since = count[start:].sum(axis=0)
    usable = (seen_before >= _LEAST) & (since > 0) & (before > 0)
    quantile = normal_quantile(1.0 - (1.0 - confidence) / max(int(usable.sum()), 1))
    mean = statistics.predicted.sum() / max(statistics.n.sum(), 1.0)
    changes: list[dict[str, Any]] = []
    for number in np.flatnonzero(usable):
        ratio_before = seen_before[number] / before[number]
        change = seen_since[number] / since[number] - ratio_before
        variance = dispersion * ratio_before * (1.0 / since[number] + 1.0 / before[number])
        margin = quantile * float(np.sqrt(variance))
        if abs(change) > margin:
            changes.append(
                {
                    "name": statistics.categories[number] or "(no category)",
                    "change": float(change * mean),
                    "margin": float(margin * mean),
                }
            )
    return tuple(sorted(changes, key=lambda entry: -abs(entry["change"]) / entry["margin"])[:_MOST])
