"""What is promised of versions that follow each other week by week: seldom called broken while kept, found when not."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.drift.daily_world import LEVEL_RATES, World, draw
from onward.monitoring.daily_statistics import DailyStatistics
from onward.monitoring.promise import Promise, assess_promise
from tools.testbeds.cut_statistics import since, until

pytestmark = pytest.mark.statistical


def weekly_versions(seed: int, days: int, over: float = 1.0, start: int = 0, apart: float = 0.06) -> DailyStatistics:
    """A shop of 8,000 decisions a day whose weekly versions err by `apart`; from `start` on they promise `over` times.

    About Complete Journey's size: a fiftieth of what is shown converts.
    """
    rates = tuple(0.44 * rate for rate in LEVEL_RATES)
    statistics = draw(World(days=days, a_day=8_000, rates=rates), [seed, 81])
    weeks = np.random.default_rng([seed, 82]).normal(0.0, apart, days // 7 + 1)
    factor = np.exp(np.repeat(weeks, 7)[:days]) * np.where(np.arange(days) >= (start or days), over, 1.0)
    return replace(statistics, predicted=statistics.predicted * factor[:, None])


def looked_at(statistics: DailyStatistics, every: int = 7) -> list[tuple[int, Promise]]:
    """Each look's day, and what it says of the 140 days before."""
    days = range(every, statistics.days + 1, every)
    return [(day, _look(until(since(statistics, max(0, day - 140)), min(day, 140)))) for day in days]


def _look(statistics: DailyStatistics) -> Promise:
    return assess_promise(statistics, 0.05, 0.95, 28, 0.5)


def test_a_kept_promise_is_seldom_called_broken_and_most_looks_say_so():
    """Ten years of weekly looks at 5 % a year: two broken promises would be too many at three standard errors."""
    years = [looked_at(weekly_versions(seed, 365)) for seed in range(10)]
    assert sum(any(found.verdict == "changed" for _, found in year) for year in years) <= 1
    for year in years:
        said = [found.verdict for _, found in year]
        assert np.mean([verdict == "ok" for verdict in said]) >= 0.8
        # Nothing has matured in the first four weeks, and nothing is said.
        assert set(said[:4]) == {"inconclusive"}


@pytest.mark.parametrize("over", [1.25, 0.8])
def test_a_promise_that_ceases_to_hold_is_found_in_two_months_with_its_size_and_day(over):
    found = []
    for seed in range(40, 48):
        for day, look in looked_at(weekly_versions(seed, 161, over, start=98)):
            if day > 98 and look.verdict == "changed":
                found.append((day - 98, look.ratio, (look.since - draw_first()).days - 98))
                break
    assert len(found) >= 7
    days, ratio, off = np.median(np.array(found), axis=0)
    assert days <= 49
    assert ratio == pytest.approx(over, rel=0.1)
    assert abs(off) <= 10


def draw_first():
    return draw(World(days=1), 0).first


def test_a_change_of_delay_alone_is_no_broken_promise():
    for seed in range(4):
        statistics = draw(World(140, 8_000, "delay slow-down", 98), [seed, 83])
        assert not [day for day, found in looked_at(statistics) if found.verdict == "changed"]
