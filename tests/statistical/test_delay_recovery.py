"""In a simulated shop whose ends are known, corrected labels are closer to them than observed ones."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from onward.boosting import Boosting
from onward.delay.correction import Correction, correct
from onward.delay.engagement import read_engagements
from onward.delay.learning import NuisanceModels, ObservedData, learn
from onward.delay.outcomes import observe_outcomes
from onward.delay.plan import Plan, named_plan
from onward.delay.weights import importance_weight
from onward.delay.window import see_window

pytestmark = pytest.mark.statistical

AS_OF = datetime(2024, 5, 1)
W = 14
BOOSTING = Boosting(iterations=150, learning_rate=0.1, leaves=8, min_rows_in_leaf=100, l2=1.0, seed=1, threads=1)


# Without equality of its own, so that what was learnt on a shop is kept for every test that asks for that seed.
@dataclass(frozen=True, eq=False)
class Shop:
    impressions: pd.DataFrame
    conversions: pd.DataFrame
    engagements: pd.DataFrame
    features: np.ndarray
    converts: np.ndarray


@cache
def simulate(seed: int, n: int = 30_000, *, slower: float = 1.0, more: float = 1.0) -> Shop:
    """Keen customers convert more and later; converters look at the product before they buy it.

    In the last W days delays follow G^slower, and everyone converts `more` times as often.
    """
    draw = np.random.default_rng(seed)
    shown = np.datetime64(AS_OF, "us") - (np.sort(draw.uniform(0.01, 70, n))[::-1] * 86_400e6).astype("timedelta64[us]")
    keen = draw.random(n)
    fresh = (np.datetime64(AS_OF, "us") - shown) / np.timedelta64(1, "D") <= W
    converts = draw.random(n) < (0.02 + 0.2 * keen**2) * np.where(fresh, more, 1.0)
    delay = W * beta.ppf(draw.random(n) ** (1.0 / np.where(fresh, slower, 1.0)), 1.0 + 2.0 * keen, 2.0)
    converted_at = shown + (delay * 86_400e6).astype("timedelta64[us]")
    looks = np.flatnonzero(draw.random(n) < np.where(converts, 0.7, 0.1))
    at = np.where(converts, delay, W)[looks] * draw.random(len(looks))
    happened_at = shown[looks] + (at * 86_400e6).astype("timedelta64[us]")
    ids = np.arange(n)
    return Shop(
        pd.DataFrame({"impression": ids, "shown_at": shown}),
        pd.DataFrame({"impression": ids[converts], "converted_at": converted_at[converts]}),
        pd.DataFrame({"impression": looks, "kind": "look", "happened_at": happened_at}),
        np.column_stack([keen, draw.random(n)]).astype(np.float32),
        converts,
    )


@cache
def teach(shop: Shop) -> tuple[ObservedData, NuisanceModels]:
    """Learn on even impressions, check on odd ones."""
    outcomes = observe_outcomes(shop.impressions, shop.conversions, AS_OF, timedelta(days=W))
    evidence = ObservedData(outcomes, ("keen", "noise"), shop.features, read_engagements(shop.engagements, AS_OF))
    even = np.arange(len(shop.converts)) % 2 == 0
    return evidence, learn(evidence, even, ~even, 2, BOOSTING)


def apply(shop: Shop, estimator: str = "soft_label") -> tuple[Correction, NuisanceModels, np.ndarray]:
    """Correct all of the last 28 days by a named estimator."""
    evidence, nuisances = teach(shop)
    window = evidence.outcomes.elapsed_days <= 28
    seen = see_window(evidence, nuisances, window, np.ones(len(window), bool))
    correction = correct(evidence, nuisances, seen, named_plan(estimator), 20.0)
    return correction, nuisances, shop.converts[window]


def rate_errors(shop: Shop, plans: tuple[Plan, Plan]) -> list[float]:
    """How far the training rate is off under each plan, as a share of the truth."""
    evidence, nuisances = teach(shop)
    window = evidence.outcomes.elapsed_days <= 28
    seen = see_window(evidence, nuisances, window, np.ones(len(window), bool))
    rates = [correct(evidence, nuisances, seen, plan, 20.0).rows.rate for plan in plans]
    return [rate / shop.converts[window].mean() - 1 for rate in rates]


def test_corrected_rate_is_closer_to_the_truth_than_the_observed_one_and_z_is_calibrated() -> None:
    observed, corrected, predicted = [], [], []
    for seed in range(6):
        correction, _, converts = apply(simulate(seed))
        truth, snapshot = converts.mean(), correction.snapshot
        observed.append(snapshot.observed.mean() / truth)
        corrected.append(correction.rows.rate / truth)
        pending = ~snapshot.observed & ~snapshot.matured
        predicted.append(snapshot.pending_probability[pending].mean() / converts[pending].mean())
    assert max(observed) < 0.85
    assert np.all(np.abs(np.subtract(corrected, 1)) < 0.5 * np.abs(np.subtract(observed, 1)))
    assert abs(np.mean(corrected) - 1) < 0.03
    assert abs(np.mean(predicted) - 1) < 0.06


def test_corrected_rates_hold_for_keen_and_for_idle_customers() -> None:
    ratios = []
    for seed in range(4):
        shop = simulate(seed)
        correction, _, converts = apply(shop)
        keen = shop.features[correction.row, 0] > 0.5
        expected = correction.outcomes["expected_label"].to_numpy()
        ratios.append([expected[part].mean() / converts[part].mean() for part in (keen, ~keen)])
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1.0, atol=0.07)


def test_importance_weights_recover_the_rate_and_clipping_pays_for_steadiness_with_bias() -> None:
    free, clipped, shrinkage = [], [], []
    for seed in range(8):
        correction, _, converts = apply(simulate(seed), "importance_weight")
        free.append(importance_weight(correction.snapshot, 1000.0).rate / converts.mean())
        clipped.append(correction.rows.rate / converts.mean())
        shrinkage.append(correction.rows.effective_sample_size / len(converts))
    assert abs(np.mean(free) - 1) < 0.05
    assert 0.9 < np.mean(clipped) < np.mean(free)
    assert np.std(clipped) < np.std(free)
    assert 0.7 < np.mean(shrinkage) < 1.0


def test_engagement_helps_z_only_when_it_is_the_customers_own() -> None:
    gains, controls = [], []
    for seed in range(3):
        shop = simulate(seed)
        _, nuisances, _ = apply(shop)
        gains.append(nuisances.check.auc - nuisances.check_without_engagement.auc)
        # The control keeps how much engagement there is, and gives it to another impression of the same day.
        order = np.lexsort(
            (np.random.default_rng(seed).random(len(shop.converts)), np.arange(len(shop.converts)) // 400)
        )
        swapped = shop.engagements.assign(impression=order[shop.engagements["impression"]])
        _, control, _ = apply(replace(shop, engagements=swapped))
        controls.append(control.check.auc - control.check_without_engagement.auc)
    assert np.mean(gains) > 0.03
    assert abs(np.mean(controls)) < 0.01


def test_the_guard_takes_most_of_a_delay_shift_out_of_the_weights_and_costs_nothing_without_one() -> None:
    plans = (
        Plan("importance_weight", guards_delay=True, recalibrates=False, reason=""),
        Plan("importance_weight", guards_delay=False, recalibrates=False, reason=""),
    )
    guarded, bare = np.mean([rate_errors(simulate(seed, slower=1.8), plans) for seed in range(3)], axis=0)
    assert bare < -0.08
    assert abs(guarded) < 0.6 * abs(bare)
    guarded, bare = np.mean([rate_errors(simulate(seed), plans) for seed in range(3)], axis=0)
    assert abs(guarded - bare) < 0.01


def test_recalibration_follows_a_rate_that_jumped() -> None:
    plans = (
        Plan("soft_label", guards_delay=False, recalibrates=True, reason=""),
        Plan("soft_label", guards_delay=False, recalibrates=False, reason=""),
    )
    recalibrated, stale = np.mean([rate_errors(simulate(seed, more=1.5), plans) for seed in range(3)], axis=0)
    assert stale < -0.04
    assert abs(recalibrated) < 0.6 * abs(stale)
