"""Outcomes, engagement, pretended clocks and the delay curve on rows small enough to read."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from onward.delay.counterfactual import pretend_clocks
from onward.delay.curve import fit_curve
from onward.delay.engagement import read_engagements
from onward.delay.outcomes import Outcomes, observe_outcomes
from onward.errors import DataError

AS_OF = datetime(2024, 3, 1)
W = timedelta(days=10)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def observe(shown: list[datetime], converted: list[tuple[int, datetime]]) -> Outcomes:
    impressions = pd.DataFrame({"impression": range(10, 10 + len(shown)), "shown_at": pd.to_datetime(shown)})
    conversions = pd.DataFrame(
        {"impression": [i for i, _ in converted], "converted_at": pd.to_datetime([t for _, t in converted])}
    )
    return observe_outcomes(impressions, conversions, AS_OF, W)


def test_states_at_the_edges_of_the_window() -> None:
    shown = [AS_OF - W, AS_OF - W + TICK, AS_OF - 5 * DAY, AS_OF - 5 * DAY]
    outcomes = observe(shown, [(12, AS_OF - TICK), (13, AS_OF)])
    assert outcomes.states.tolist() == ["negative", "pending", "converted", "pending"]
    np.testing.assert_allclose(outcomes.elapsed_days, [10.0, 10.0, 5.0, 5.0])


def test_a_conversion_counts_only_after_the_impression_and_within_the_window() -> None:
    shown = AS_OF - 20 * DAY
    late, at_the_edge, at_once = shown + W + TICK, shown + W, shown
    outcomes = observe([shown] * 3, [(10, late), (11, at_the_edge), (12, at_once)])
    assert outcomes.states.tolist() == ["negative", "converted", "negative"]


def test_the_first_of_several_conversions_counts_and_foreign_ones_are_ignored() -> None:
    shown = AS_OF - 20 * DAY
    outcomes = observe(
        [shown], [(10, shown + 4 * DAY), (10, shown + 2 * DAY), (10, shown + 3 * DAY), (99, shown + DAY)]
    )
    assert outcomes.delay_days.tolist() == [2.0]


def test_an_impression_of_the_future_is_named() -> None:
    with pytest.raises(DataError, match="1 shown at or after as_of 2024-03-01"):
        observe([AS_OF - DAY, AS_OF], [])


def test_engagement_counts_lie_strictly_between_impression_and_clock() -> None:
    shown = np.array([AS_OF - 5 * DAY] * 3, "datetime64[us]")
    clock = np.array([AS_OF - 3 * DAY] * 3, "datetime64[us]")
    rows = [
        (1, "visit", AS_OF - 5 * DAY), (1, "visit", AS_OF - 4 * DAY), (1, "visit", AS_OF - 3 * DAY),
        (2, "visit", AS_OF - 4.5 * DAY), (2, "visit", AS_OF - 3.5 * DAY), (2, "click", AS_OF - 3.25 * DAY),
        (2, "later kind", AS_OF),
    ]  # fmt: skip
    log = read_engagements(pd.DataFrame(rows, columns=["impression", "kind", "happened_at"]), AS_OF)
    assert log.feature_names == ("engaged_click", "days_since_click", "engaged_visit", "days_since_visit")
    found = log.features(np.array([1, 2, 3]), shown, clock)
    nan = np.nan
    np.testing.assert_array_equal(found, np.array([[0, nan, 1, 1.0], [1, 0.25, 2, 0.5], [0, nan, 0, nan]], "float32"))


def test_a_log_without_engagement_has_no_columns() -> None:
    log = read_engagements(pd.DataFrame({"impression": [], "kind": [], "happened_at": pd.to_datetime([])}), AS_OF)
    assert log.feature_names == ()
    now = np.array([AS_OF], "datetime64[us]")
    assert log.features(np.array([1]), now, now).shape == (1, 0)


def test_pretended_clocks_are_whole_days_before_as_of_and_inside_the_window() -> None:
    shown = [AS_OF - (12 + k / 7) * DAY for k in range(60)] + [AS_OF - 3 * DAY]
    outcomes = observe(shown, [(10 + k, shown[k] + timedelta(days=k / 6)) for k in range(1, 55)])
    pairs = pretend_clocks(outcomes, np.ones(61, bool), 4, seed=3)
    assert set(pairs.row.tolist()) == set(range(60)), "an unmatured impression must not teach"
    before = outcomes.clock - pairs.clock
    assert np.all(before % np.timedelta64(1, "D") == np.timedelta64(0))
    assert np.all((pairs.elapsed_days > 0) & (pairs.elapsed_days < 10))
    assert len(np.unique(np.column_stack([pairs.row, pairs.clock.astype(int)]), axis=0)) == len(pairs.row)
    np.testing.assert_array_equal(pairs.arrived, outcomes.delay_days[pairs.row] < pairs.elapsed_days)
    np.testing.assert_array_equal(pairs.converts, outcomes.converted[pairs.row])


def test_pretended_clocks_are_drawn_evenly_and_repeat_with_their_seed() -> None:
    shown = [AS_OF - 20 * DAY - timedelta(hours=1)] * 2000
    outcomes = observe(shown, [])
    everyone = np.ones(2000, bool)
    first = pretend_clocks(outcomes, everyone, 2, seed=1)
    _, per_day = np.unique(first.elapsed_days.astype(int), return_counts=True)
    assert per_day.sum() == 4000
    assert per_day.min() > 320
    np.testing.assert_array_equal(first.clock, pretend_clocks(outcomes, everyone, 2, seed=1).clock)
    assert not np.array_equal(first.clock, pretend_clocks(outcomes, everyone, 2, seed=2).clock)


def test_the_curve_leaves_out_young_impressions_because_only_their_fast_conversions_are_known() -> None:
    old, young = AS_OF - 30 * DAY, AS_OF - 4 * DAY
    outcomes = observe([old, old, old, young], [(10, old + DAY), (11, old + 4.5 * DAY), (13, young + DAY)])
    table = fit_curve(outcomes, np.ones(4, bool)).table(10)
    assert table["conversions"].tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    assert table["share_converted_by"].iloc[-1] == 1.0
    assert fit_curve(observe([old], []), np.ones(1, bool)).table(2)["share_converted_by"].tolist() == [0.0] * 3
