"""How often the watch over lists is wrong: no alarm on lists that nobody touched, an alarm on what was planted."""

from datetime import date

import numpy as np
import pytest

from builders.watched_shop import IN_USE_FROM, LAST_DAY, known_at, replaced, right_lists, shop, weeks_of
from onward.metrics.intervals import Interval
from onward.monitoring.list_signal import see_lists
from onward.monitoring.list_weeks import ListWeek
from onward.monitoring.verdict import Verdict

pytestmark = pytest.mark.statistical

ALPHA = 0.05
EPOCH = date(1970, 1, 1)
MONDAY = IN_USE_FROM + 7 - (IN_USE_FROM + 3) % 7
PROMISED_LIFT = 3.5
SHOPS_NOISE = 0.09
"""Of log lift between weeks: the largest that Complete Journey showed of lists that nobody touched."""


def year(rng, weeks=52, falls_in=None, by=1.0):
    """Weeks of two lists whose lift wavers by SHOPS_NOISE around what was promised, and the promise, itself drawn."""
    rows = []
    for number in range(weeks):
        for name, expected in (("goes_with", 160.0), ("after", 250.0)):
            lift = PROMISED_LIFT * np.exp(rng.normal(0.0, SHOPS_NOISE))
            if falls_in is not None and number >= falls_in:
                lift *= by
            hits = float(rng.poisson(expected * lift))
            unknown = Interval(hits / expected, np.nan, np.nan)
            error = 1.0 / np.sqrt(hits + 0.5)
            rows.append(ListWeek(7 * number + 4, name, 1, 5000, 1.0, 1.0, 0.5, hits, expected, error, unknown, unknown))
    spread = 0.07
    promised = {}
    for name in ("goes_with", "after"):
        value = PROMISED_LIFT * np.exp(rng.normal(0.0, np.hypot(spread, SHOPS_NOISE / np.sqrt(2))))
        promised[name] = Interval(value, value * np.exp(-1.96 * spread), value * np.exp(1.96 * spread))
    return rows, promised


def first_alarm(rows, promised, looked_back=8):
    """The first week after which a look finds a fall; the promise counts while the first week is in sight."""
    for end in range(1, len(rows) // 2 + 1):
        seen = see_lists(rows[2 * max(0, end - looked_back) : 2 * end], promised, ALPHA)
        if seen.verdict is Verdict.CHANGED:
            return end - 1, seen.since
    return None


def test_a_year_without_a_change_seldom_alarms():
    years = 100
    alarms = sum(first_alarm(*year(np.random.default_rng([1, seed]))) is not None for seed in range(years))
    # Half of what is allowed would be falls; three errors of the count above the rate that is promised.
    assert alarms <= years * ALPHA + 3 * np.sqrt(years * ALPHA * (1 - ALPHA))


@pytest.mark.parametrize(("by", "within"), [(0.35, 1), (0.6, 4)])
def test_a_planted_fall_is_found_within_weeks(by, within):
    found = 0
    for seed in range(40):
        rows, promised = year(np.random.default_rng([2, seed]), weeks=16, falls_in=8, by=by)
        alarm = first_alarm(rows, promised)
        found += alarm is not None and 8 <= alarm[0] < 8 + within
    assert found >= 36


def test_lists_of_a_shop_are_watched_without_a_false_alarm_and_replaced_products_are_found():
    shops = 6
    alarms, found = 0, 0
    for seed in range(shops):
        purchases = shop(100 + seed, customers=200)
        changes_on = MONDAY + 7 * 8
        lists = {1: right_lists(), 2: replaced(right_lists(), seed)}
        weeks = weeks_of(purchases, lists, changes_on)
        looks = {as_of: see_lists(known_at(weeks, as_of), {}, ALPHA) for as_of in range(MONDAY + 7, LAST_DAY + 1, 7)}
        alarms += any(seen.verdict is Verdict.CHANGED for as_of, seen in looks.items() if as_of <= changes_on)
        later = [seen for as_of, seen in looks.items() if changes_on < as_of <= changes_on + 35]
        found += any(
            seen.verdict is Verdict.CHANGED and abs((seen.since - EPOCH).days - changes_on) <= 7 for seen in later
        )
    assert alarms == 0
    assert found >= shops - 1
