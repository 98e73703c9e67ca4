"""z, G and the held-out check."""

import numpy as np
import pytest

from onward.boosting import Boosting
from onward.delay.curve import DelayCurve
from onward.delay.delay_cdf import fit_delay_cdf
from onward.delay.held_out import check_probabilities
from onward.delay.pending_probability import fit_pending_probability, pending_inputs
from onward.errors import DataError
from onward.metrics.calibration import equal_count_reliability

BOOSTING = Boosting(iterations=40, learning_rate=0.1, leaves=4, min_rows_in_leaf=50, l2=1.0, seed=1, threads=1)


def test_z_tells_kinds_apart_survives_missing_values_and_repeats_byte_for_byte() -> None:
    draw = np.random.default_rng(0)
    kind = draw.integers(0, 3, 4000).astype(np.float32)
    converts = draw.random(4000) < np.array([0.05, 0.3, 0.6])[kind.astype(int)]
    inputs = np.column_stack([kind, draw.random(4000).astype(np.float32)])
    inputs[::50] = np.nan
    model = fit_pending_probability(inputs, ["cat_kind", "elapsed_days"], converts, BOOSTING)
    probes = np.array([[0, 0.5], [1, 0.5], [2, 0.5]], np.float32)
    np.testing.assert_allclose(model.predict(probes), [0.05, 0.3, 0.6], atol=0.08)
    assert model.text == fit_pending_probability(inputs, ["cat_kind", "elapsed_days"], converts, BOOSTING).text
    with_surplus = np.column_stack([probes, np.full(3, 7, np.float32)])
    np.testing.assert_array_equal(model.predict(with_surplus), model.predict(probes))
    assert model.predict(probes[:0]).shape == (0,)


@pytest.mark.parametrize("converts", [np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool)])
def test_z_without_both_labels_says_what_to_do(converts: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"lengthen run\.history_days"):
        fit_pending_probability(np.zeros((len(converts), 1), np.float32), ["elapsed_days"], converts, BOOSTING)


def test_inputs_stand_side_by_side() -> None:
    joined = pending_inputs(np.ones((2, 3), np.float32), np.array([1.5, 2.5]), np.zeros((2, 4), np.float32))
    assert joined.shape == (2, 8)
    assert joined.dtype == np.float32
    assert joined[:, 3].tolist() == [1.5, 2.5]


def _late_and_quick(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    slow = draw.random(n) < 0.5
    delay = np.where(slow, draw.uniform(5, 10, n), draw.uniform(0, 5, n))
    return slow, delay, draw.uniform(0, 10, n)


def test_arrival_learns_who_is_slow_when_conversions_are_many() -> None:
    slow, delay, elapsed = _late_and_quick(20_000)
    inputs = np.column_stack([slow, elapsed]).astype(np.float32)
    curve = DelayCurve(np.sort(delay))
    model = fit_delay_cdf(inputs, ["slow", "elapsed_days"], elapsed, delay < elapsed, curve, BOOSTING)
    probes = np.array([[0, 5.5], [1, 4.5]], np.float32)
    quick_share, slow_share = model.predict(probes, probes[:, 1].astype(float))
    assert quick_share > 0.8
    assert slow_share < 0.2


def test_arrival_is_the_delay_curve_when_conversions_are_few() -> None:
    slow, delay, elapsed = _late_and_quick(60)
    inputs = np.column_stack([slow, elapsed]).astype(np.float32)
    curve = DelayCurve(np.sort(delay))
    model = fit_delay_cdf(inputs, ["slow", "elapsed_days"], elapsed, delay < elapsed, curve, BOOSTING)
    np.testing.assert_allclose(model.predict(inputs, elapsed), curve.share_before(elapsed), atol=1e-9)


def test_held_out_figures_agree_with_their_definitions() -> None:
    probability = np.array([0.1, 0.4, 0.4, 0.8, 0.3])
    truth = np.array([False, True, False, True, False])
    pairs = [(p > q) + 0.5 * (p == q) for p in probability[truth] for q in probability[~truth]]
    check = check_probabilities(probability, truth)
    assert check.auc == pytest.approx(np.mean(pairs))
    assert check.pcoc == pytest.approx(0.4 / 0.4)
    assert check.nll == pytest.approx(-np.log([0.9, 0.4, 0.6, 0.8, 0.7]).mean())


def test_held_out_figures_that_rows_cannot_tell_are_none() -> None:
    nothing = check_probabilities(np.zeros(0), np.zeros(0, bool))
    assert (nothing.auc, nothing.nll, nothing.pcoc) == (None, None, None)
    no_positive = check_probabilities(np.array([0.2]), np.array([False]))
    assert (no_positive.auc, no_positive.pcoc) == (None, None)
    no_negative = check_probabilities(np.array([0.2]), np.array([True]))
    assert (no_negative.auc, no_negative.pcoc) == (None, 0.2)


def test_reliability_bins_hold_every_row_once() -> None:
    probability = np.linspace(0, 1, 25)
    table = equal_count_reliability(probability, probability > 0.5)
    assert table["rows"].sum() == 25
    assert len(table) == 10
    assert table["predicted"].is_monotonic_increasing
    assert (table["rows"] * table["observed"]).sum() == pytest.approx((probability > 0.5).sum())
    assert len(equal_count_reliability(probability[:3], probability[:3] > 0.5)) == 3
