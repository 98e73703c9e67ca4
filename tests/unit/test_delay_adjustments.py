"""The guard for shifting delays, the recalibration on fresh data, and what conversions tell."""

import numpy as np
import pytest

from onward.delay.contract import Snapshot
from onward.delay.delay_shift import NO_SHIFT, DelayGap, apply_delay_shift, fit_delay_shift, measure_gap
from onward.delay.plan import Positives, count_positives, named_plan
from onward.delay.recalibration import UNCHANGED, apply_recalibration, comparable, fit_recalibration

W = 10.0


def uniform_delays(seed: int, n: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """G at age and at delay of n conversions seen by their age, when G(d) = d / W and delays follow G^exponent."""
    draw = np.random.default_rng(seed)
    age = draw.uniform(0.5, W, n)
    delay = age * draw.random(n) ** (1 / exponent)
    return age / W, delay / W


@pytest.mark.parametrize("exponent", [0.6, 1.4, 2.0])
def test_a_plain_shift_of_delays_is_found(exponent: float) -> None:
    history = measure_gap(*uniform_delays(0, 20_000, 1.0), 20_000)
    assert history.mean == pytest.approx(1.0, abs=0.03)
    delay_shift = fit_delay_shift(history, measure_gap(*uniform_delays(1, 5000, exponent), 5000))
    assert abs(np.log(delay_shift.fitted / exponent)) < 4 * delay_shift.log_error
    assert abs(np.log(delay_shift.exponent / exponent)) < 0.06


def test_the_guard_leaves_steady_delays_alone() -> None:
    exponents = []
    for seed in range(60):
        history = measure_gap(*uniform_delays(seed, 4000, 1.0), 4000)
        exponents.append(fit_delay_shift(history, measure_gap(*uniform_delays(1000 + seed, 1000, 1.0), 1000)).exponent)
    assert np.mean(np.equal(exponents, 1.0)) > 0.85
    assert np.abs(np.log(exponents)).max() < 0.1


def test_what_g_misses_itself_is_not_taken_for_a_shift() -> None:
    # G is off by a power, in history and now alike.
    history, fresh = uniform_delays(0, 20_000, 1.0), uniform_delays(1, 20_000, 1.0)
    delay_shift = fit_delay_shift(
        measure_gap(history[0] ** 1.5, history[1] ** 1.5, 20_000), measure_gap(*np.power(fresh, 1.5), 20_000)
    )
    assert delay_shift.exponent == 1.0


def test_without_conversions_there_is_no_tilt_and_no_tilt_goes_beyond_belief() -> None:
    nothing, plenty = measure_gap(np.zeros(0), np.zeros(0), 0), DelayGap(10_000, 1.0)
    assert fit_delay_shift(nothing, plenty) == fit_delay_shift(plenty, nothing) == NO_SHIFT
    assert fit_delay_shift(plenty, DelayGap(10_000, 0.05)).exponent == pytest.approx(3.0)
    assert fit_delay_shift(plenty, DelayGap(10_000, 20.0)).exponent == pytest.approx(1 / 3)


def young(rate: np.ndarray, delay_cdf: np.ndarray, seed: int, matured: np.ndarray | None = None) -> Snapshot:
    """A snapshot drawn from q and G, with z as they imply."""
    draw = np.random.default_rng(seed)
    matured = np.zeros(len(rate), bool) if matured is None else matured
    delay_cdf = np.where(matured, 1.0, delay_cdf)
    observed = draw.random(len(rate)) < rate * delay_cdf
    z = rate * (1 - delay_cdf) / (1 - rate * delay_cdf)
    return Snapshot(observed, matured, z, z, delay_cdf)


def test_a_tilt_moves_z_as_g_implies_and_leaves_settled_examples() -> None:
    draw = np.random.default_rng(0)
    rate, delay_cdf, matured = draw.uniform(0.01, 0.4, 50), draw.uniform(0.1, 0.9, 50), draw.random(50) < 0.3
    before = young(rate, delay_cdf, 1, matured)
    after = apply_delay_shift(before, 1.7)
    np.testing.assert_allclose(after.delay_cdf[~matured], delay_cdf[~matured] ** 1.7)
    assert np.all(after.delay_cdf[matured] == 1.0)
    expected = rate * (1 - delay_cdf**1.7) / (1 - rate * delay_cdf**1.7)
    np.testing.assert_allclose(after.pending_probability[~matured], expected[~matured])
    np.testing.assert_allclose(after.pending_probability_without_engagement[~matured], expected[~matured])
    assert apply_delay_shift(before, 1.0) is before


@pytest.mark.parametrize(("offset", "slope"), [(0.5, 1.0), (-0.4, 0.8), (0.0, 1.2)])
def test_a_rate_that_moved_is_recovered_from_fresh_examples(offset: float, slope: float) -> None:
    draw = np.random.default_rng(3)
    n = 200_000
    old, delay_cdf = draw.normal(-2.5, 0.8, n), draw.uniform(0.05, 0.95, n)
    history = 1 / (1 + np.exp(-old))
    centre = np.average(old, weights=delay_cdf * history)
    now = 1 / (1 + np.exp(-(centre + offset + slope * (old - centre))))
    seen = young(now, delay_cdf, 4)
    stale = Snapshot(seen.observed, seen.matured, *[young(history, delay_cdf, 5).pending_probability] * 2, delay_cdf)
    nothing = np.zeros((n, 0))
    found = fit_recalibration(stale, history, nothing, 1.0)
    assert found.offset == pytest.approx(offset, abs=0.05)
    assert found.slope == pytest.approx(slope, abs=0.05)
    mended = apply_recalibration(stale, found.move(history, nothing))
    pending = seen.pending
    assert np.abs(mended.pending_probability[pending] / seen.pending_probability[pending] - 1).mean() < 0.05
    assert mended.pending_probability[pending].mean() == pytest.approx(
        seen.pending_probability[pending].mean(), rel=0.03
    )
    np.testing.assert_array_equal(mended.delay_cdf, stale.delay_cdf)
    np.testing.assert_array_equal(mended.pending_probability[~pending], stale.pending_probability[~pending])


def test_few_fresh_examples_hardly_move_z_and_none_leave_it() -> None:
    rate, delay_cdf = np.full(20, 0.05), np.full(20, 0.3)
    few = fit_recalibration(young(rate * 2, delay_cdf, 0), rate, np.zeros((20, 0)), 1.0)
    assert abs(few.offset) < 0.3
    assert abs(few.slope - 1) < 0.1
    settled = young(rate, delay_cdf, 0, np.ones(20, bool))
    assert fit_recalibration(settled, rate, np.zeros((20, 0)), 1.0) == UNCHANGED
    assert not UNCHANGED.move(rate, np.zeros((20, 0))).any()


def test_a_feature_whose_effect_moved_is_recovered_from_fresh_examples() -> None:
    draw = np.random.default_rng(6)
    n = 100_000
    features, delay_cdf = draw.normal(size=(n, 4)), draw.uniform(0.05, 0.95, n)
    old = -2.5 + 0.5 * features[:, 0]
    effect = np.array([0.0, 0.2, 0.0, -0.2])
    history, now = (1 / (1 + np.exp(-each)) for each in (old, old + features @ effect))
    seen = young(now, delay_cdf, 7)
    stale = Snapshot(seen.observed, seen.matured, *[young(history, delay_cdf, 8).pending_probability] * 2, delay_cdf)
    found = fit_recalibration(stale, history, features, 1.0)
    np.testing.assert_allclose(found.by_feature[1::2], effect[1::2], atol=0.06)
    assert abs(found.by_feature[2]) < 0.06
    assert found.spread == pytest.approx(0.28, abs=0.05)
    pending, gap = seen.pending, stale.pending_probability - seen.pending_probability
    left = apply_recalibration(stale, found.move(history, features)).pending_probability - seen.pending_probability
    assert np.abs(left[pending]).mean() < 0.3 * np.abs(gap[pending]).mean()


def test_examples_that_tell_less_move_z_less() -> None:
    draw = np.random.default_rng(9)
    features, rate, delay_cdf = draw.normal(size=(4000, 3)), np.full(4000, 0.05), draw.uniform(0.1, 0.9, 4000)
    seen = young(rate * 1.5, delay_cdf, 10)
    alone, together = (fit_recalibration(seen, rate, features, share) for share in (1.0, 0.05))
    assert 0.0 < together.offset < alone.offset
    assert together.offset_error > alone.offset_error
    assert together.spread < alone.spread


def test_features_are_compared_in_standard_deviations_and_codes_and_constants_left_out() -> None:
    features = np.array([[1, 5, 7, np.nan, 3], [3, 6, 7, np.nan, np.nan], [99, 5, 7, 1, 5]], np.float32)
    table = comparable(features, ["visits", "cat_leaf", "always", "never_known", "age"], np.array([True, True, False]))
    np.testing.assert_allclose(table, [[-1.0], [1.0], [3.0]])
    everyone = comparable(features, ["visits", "cat_leaf", "always", "never_known", "age"], np.ones(3, bool))
    np.testing.assert_allclose(everyone[:, 1], [-1.0, 0.0, 1.0])
    assert comparable(features, ["visits"] * 5, np.zeros(3, bool)).shape == (3, 0)


def test_conversions_of_one_customer_tell_less_than_those_of_many() -> None:
    assert count_positives(np.arange(50)) == Positives(50, 50.0)
    assert count_positives(np.repeat(np.arange(50), 4)).independent == pytest.approx(50.0)
    assert 1.0 < count_positives(np.r_[np.zeros(90), np.arange(1, 11)]).independent < 2.0
    assert count_positives([]) == Positives(0, 0.0)
    assert Positives(0, 0.0).independence == 1.0
    assert Positives(40, 10.0).independence == 0.25


def test_a_named_estimator_is_asked_for_alone() -> None:
    named = named_plan("fsiw")
    assert (named.estimator, named.guards_delay, named.recalibrates) == ("fsiw", False, False)
    assert "params.yaml" in named.reason
    assert not named.evidence
