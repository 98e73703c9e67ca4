"""What another order gains when as many are shown."""

import numpy as np
import pytest
from tests.builders.scored_shop import shop

from onward.metrics.matched_volume import MatchedGain, gain_by_customer, gain_of_order, top_by_score, worth_of_shown


def test_the_same_order_gains_nothing_and_showing_more_of_the_right_ones_does():
    score, _, label, customer = shop(6, 0.0)
    assert gain_of_order(score**2, score, label, customer).recall == 0.0
    better = gain_of_order(0.5 * score + 0.5 * label, score, label, customer)
    assert better.low > 0.1


def test_worth_sums_to_the_conversions_gained_where_as_many_are_shown():
    score, _, label, _ = shop(7, 0.0, n=5000)
    other = np.random.default_rng(8).random(5000)
    shown, control = top_by_score(other, 400), top_by_score(score, 400)
    worth = worth_of_shown(shown, control, score, label)
    assert worth.sum() == pytest.approx(float(label @ shown - label @ control))


def test_ties_at_the_cut_are_shared():
    score, label = np.full(1000, 0.3), (np.arange(1000) % 4 == 0) * 1.0
    other = np.random.default_rng(0).random(1000)
    worth = worth_of_shown(top_by_score(score, 100), top_by_score(score, 100), score, label)
    assert np.abs(worth).max() == 0.0
    assert worth_of_shown(top_by_score(other, 100), top_by_score(score, 100), score, label).sum() == pytest.approx(
        label @ top_by_score(other, 100) - 25.0
    )


def test_nobody_converts_and_nobody_gains():
    nothing = gain_by_customer(np.zeros(10), np.zeros(10), np.arange(10))
    assert (nothing.recall, nothing.error, nothing.p_value) == (0.0, 0.0, 1.0)


def test_the_interval_is_two_errors_wide():
    gain = MatchedGain(0.02, 0.01)
    assert (gain.low, gain.high) == pytest.approx((0.02 - 0.0196, 0.02 + 0.0196), abs=1e-5)
    assert gain.p_value == pytest.approx(0.02275, abs=1e-5)
