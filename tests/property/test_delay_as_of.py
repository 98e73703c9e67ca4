"""Nothing at or after the clock changes a label, an engagement feature or a lesson."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from onward.delay.counterfactual import pretend_clocks
from onward.delay.engagement import read_engagements
from onward.delay.outcomes import observe_outcomes

AS_OF = datetime(2024, 3, 1)
W = timedelta(days=4)
HOUR = timedelta(hours=1)
SHOWN = st.lists(st.integers(1, 24 * 8), min_size=1, max_size=15)
# Hours relative to as_of, on a coarse grid so that ties with clocks and impressions are common.
EVENTS = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from(["click", "visit"]), st.integers(-200, 100)), max_size=40
)


def _impressions(hours: list[int]) -> pd.DataFrame:
    shown = pd.to_datetime([AS_OF - h * HOUR for h in hours])
    return pd.DataFrame({"impression": np.arange(len(hours)), "shown_at": shown})


def _table(events: list[tuple[int, str, int]], time: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "impression": np.array([e[0] for e in events], np.int64),
            "kind": [e[1] for e in events],
            time: pd.to_datetime([AS_OF + e[2] * HOUR for e in events]),
        }
    )


def _past(events: list[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    return [event for event in events if event[2] < 0]


@given(SHOWN, EVENTS)
def test_states_part_the_impressions_and_later_conversions_change_nothing(shown, events) -> None:
    impressions = _impressions(shown)
    known = observe_outcomes(impressions, _table(_past(events), "converted_at"), AS_OF, W)
    told = observe_outcomes(impressions, _table(events, "converted_at"), AS_OF, W)
    np.testing.assert_array_equal(known.converted_at, told.converted_at)
    for row, hours in enumerate(shown):
        times = [h + hours for i, _, h in events if i == row and h < 0 and 0 < h + hours <= 96]
        expected = "converted" if times else "negative" if hours >= 96 else "pending"
        assert known.states[row] == expected
        assert not times or known.delay_days[row] == min(times) / 24


@given(SHOWN, EVENTS, st.randoms(use_true_random=False))
def test_engagement_features_agree_with_counting_one_by_one(shown, events, order) -> None:
    impressions = _impressions(shown)
    shuffled = order.sample(events, len(events))
    log = read_engagements(_table(shuffled, "happened_at"), AS_OF)
    clock_hours = [-order.randint(0, hours) for hours in shown]
    shown_at = impressions["shown_at"].to_numpy("datetime64[us]")
    clock = np.array([AS_OF + h * HOUR for h in clock_hours], "datetime64[us]")
    found = log.features(impressions["impression"].to_numpy(), shown_at, clock)
    assert log.kinds == tuple(sorted({kind for _, kind, h in events if h < 0}))
    for row, (hours, now) in enumerate(zip(shown, clock_hours, strict=True)):
        for position, kind in enumerate(log.kinds):
            times = [h for i, k, h in events if (i, k) == (row, kind) and -hours < h < now]
            assert found[row, 2 * position] == len(times)
            since = found[row, 2 * position + 1]
            assert np.isnan(since) if not times else np.isclose(since, (now - max(times)) / 24)


@given(SHOWN, EVENTS, EVENTS)
def test_what_z_learns_from_is_blind_to_later_events_and_to_doubled_engagement_for_labels(
    shown, events, converted
) -> None:
    impressions, everyone = _impressions(shown), np.ones(len(shown), bool)

    def lesson(engaged: list[tuple[int, str, int]], bought: list[tuple[int, str, int]]) -> list[np.ndarray]:
        outcomes = observe_outcomes(impressions, _table(bought, "converted_at"), AS_OF, W)
        pairs = pretend_clocks(outcomes, everyone, 2, seed=5)
        log = read_engagements(_table(engaged, "happened_at"), AS_OF)
        features = log.features(outcomes.impression[pairs.row], outcomes.shown_at[pairs.row], pairs.clock)
        return [pairs.row, pairs.clock, pairs.arrived, pairs.converts, features]

    known = lesson(_past(events), _past(converted))
    for expected, found in zip(known, lesson(events, converted), strict=True):
        np.testing.assert_array_equal(expected, found)
    for expected, found in zip(known[:4], lesson(events + events, converted)[:4], strict=True):
        np.testing.assert_array_equal(expected, found)
