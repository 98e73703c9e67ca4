"""Have the lists in use become weaker? The lift of their weeks, asked anew every week without asking too often.

Evidence is weighed as that on levels is (sequential.py), over weeks in place of days. What stands before the first week
is what the gate saw of its version: test customers, after the same clock. A shop's weeks differ by more than its
customers explain (a feast sells what goes with it), so between them lies a noise that is estimated, and never taken for
less than `WEEK_NOISE`: lists that nobody touched moved by so much from week to week on Complete Journey. Only a fall is
a weakening. What has no list can neither hit nor miss, so products that a version does not know leave its lift as it
was: the share of questions that have a list is held against that of the days when it was made. Hit rates are told and
decide nothing, for they follow how much people buy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from onward.metrics.intervals import Interval, wilson
from onward.monitoring.daily_statistics import Floats
from onward.monitoring.list_weeks import DAYS, JUDGED, ListWeek, latest
from onward.monitoring.sequential import STARTS_EVERY, Evidence, e_detector
from onward.monitoring.verdict import Verdict

NAME = "lists"
NAMES = tuple(JUDGED.values())
WEEK_NOISE = 0.1
"""Standard deviation of log lift between weeks of lists that nobody touched."""
LEAST_LISTED = 0.8
"""What must remain of the share of questions that had a list when the version was made."""
_PRIOR = 0.3
_LEAST_WEEKS = 5
_Z95 = 1.959964
_DAY_0 = date(1970, 1, 1)


@dataclass(frozen=True)
class ListsSeen:
    """What is said of the lists: as a signal says it, and the first day of the first weaker week, or None."""

    verdict: Verdict
    statistic: float
    since: date | None
    reason: str


def see_lists(weeks: Sequence[ListWeek], promised: Mapping[str, Interval], alpha: float) -> ListsSeen:
    """Say whether a list has become weaker.

    Args:
        weeks: in order of time.
        promised: lift at ten that the gate saw of the first week's version, by name of list; need not be there.
        alpha: chance of a false alarm in a year, over all lists.
    """
    of_list = {name: [week for week in weeks if week.name == name] for name in NAMES}
    found = {name: _evidence(rows, promised.get(name), alpha) for name, rows in of_list.items()}
    told = "; ".join(_told(week, promised.get(name)) for name in NAMES if (week := latest(weeks, name)))
    if not told:
        return ListsSeen(Verdict.INCONCLUSIVE, 0.0, None, "no week is over yet in which lists were in use")
    fell = {name: seen for name, seen in found.items() if seen.changed and seen.change < 0}
    if fell:
        name, worst = max(fell.items(), key=lambda item: item[1].statistic)
        # Where the promise stands before the weeks, the first week is the second point.
        since = _day(of_list[name][worst.start - (_known(promised.get(name)) is not None)].start)
        reason = f"{name}: lift at ten moved by {np.expm1(worst.change):+.0%} since the week from {since}; {told}"
        return ListsSeen(Verdict.CHANGED, worst.statistic, since, reason)
    without = _without_lists(weeks)
    if without is not None:
        last = latest(weeks, without.name) or without
        statistic = (1.0 - last.listed / last.listed_when_made) / (1.0 - LEAST_LISTED)
        reason = (
            f"{last.listed:.0%} of the questions have a list, {last.listed_when_made:.0%} when the version was made: "
            f"it does not know their products; {told}"
        )
        return ListsSeen(Verdict.CHANGED, statistic, _day(without.start), reason)
    enough = any(seen.start >= 0 for seen in found.values())
    most = max((seen.statistic for seen in found.values() if seen.change < 0), default=0.0)
    return ListsSeen(Verdict.OK if enough else Verdict.INCONCLUSIVE, min(most, 1.0), None, told)


def with_lists(verdict: Mapping[str, Any], seen: ListsSeen) -> dict[str, Any]:
    """Add what is said of the lists to verdict.json, as one more signal; it is the cause where nothing else is."""
    since = None if seen.since is None else seen.since.isoformat()
    signal = {
        "name": NAME, "verdict": seen.verdict, "statistic": seen.statistic, "since": since, "reason": seen.reason,
    }  # fmt: skip
    told = {**verdict, "signals": [*verdict["signals"], signal]}
    if seen.verdict is Verdict.CHANGED and verdict["cause"] is None:
        told |= {"cause": NAME, "since": since, "reason": f"{NAME}: {seen.reason}"}
    return told


def _evidence(weeks: Sequence[ListWeek], promise: Interval | None, alpha: float) -> Evidence:
    before = _known(promise)
    lift = [*([before[0]] if before else []), *(np.log((week.hits + 0.5) / (week.expected + 0.5)) for week in weeks)]
    error = [*([before[1]] if before else []), *(week.error for week in weeks)]
    change, of_change = _changes(np.array(lift, dtype=np.float64), np.array(error, dtype=np.float64))
    # The detector weighs a start by STARTS_EVERY days; a week's stands for seven.
    return e_detector(change, of_change, _PRIOR, alpha * DAYS / STARTS_EVERY, len(NAMES))


def _changes(lift: Floats, error: Floats) -> tuple[Floats, Floats]:
    """By first changed point [m]: mean log lift from there on less that before, and its error; NaN for the first."""
    points = len(lift)
    change, of_change = np.full((2, points), np.nan)
    noise = max(WEEK_NOISE**2, _between_weeks(lift, error))
    variance = noise + error**2
    for start in range(1, points):
        change[start] = lift[start:].mean() - lift[:start].mean()
        of_change[start] = np.sqrt(variance[start:].sum() / (points - start) ** 2 + variance[:start].sum() / start**2)
    return change, of_change


def _between_weeks(lift: Floats, error: Floats) -> float:
    """Variance of weeks beyond that of their customers, which one step between two of them does not move much."""
    if len(lift) < _LEAST_WEEKS:
        return 0.0
    # The median of a squared normal of variance 1 is 0.455.
    return max(0.0, float(np.median(np.diff(lift) ** 2)) / 0.455 / 2.0 - float(np.median(error**2)))


def _without_lists(weeks: Sequence[ListWeek]) -> ListWeek | None:
    """The first of the last weeks in a row in which too few questions had a list, by more than chance; or None."""
    first = None
    for week in reversed([week for week in weeks if week.name == NAMES[0]]):
        if wilson(week.listed * week.queries, week.queries).high >= LEAST_LISTED * week.listed_when_made:
            break
        first = week
    return first


def _day(number: int) -> date:
    return _DAY_0 + timedelta(days=number)


def _known(promise: Interval | None) -> tuple[float, float] | None:
    """Log lift that was promised, and its error; None where the gate could not say."""
    if promise is None or not (np.isfinite([promise.value, promise.low, promise.high]).all() and promise.low > 0):
        return None
    return float(np.log(promise.value)), float(np.log(promise.high / promise.low)) / (2.0 * _Z95)


def _told(week: ListWeek, promise: Interval | None) -> str:
    promised = "" if _known(promise) is None or promise is None else f", {promise.value:.2f} at the gate"
    return (
        f"{week.name} in the week from {_day(week.start)}: lift at ten {week.lift.value:.2f} "
        f"({week.lift.low:.2f} to {week.lift.high:.2f}){promised}, hit rate {week.hit_rate.value:.1%}, names "
        f"{week.coverage:.0%} of the products, {week.listed:.0%} of the questions have a list"
    )
