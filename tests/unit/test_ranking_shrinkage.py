"""Empirical Bayes of a Poisson rate: the posterior's mean, and a strength that is recovered from counts alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.ranking.shrinkage import STRENGTHS, fitted_strength, posterior_lift

counts = st.floats(0, 1000)
lifts = st.floats(0.01, 100)


@given(counts, st.floats(0, 1000), lifts, st.floats(0.1, 300))
def test_a_posterior_lies_between_what_is_counted_and_what_was_thought(observed, expected, prior, strength):
    (found,) = posterior_lift(np.array([observed]), np.array([expected]), np.array([prior]), strength)
    assert found == pytest.approx((observed + strength * prior) / (expected + strength))
    raw = observed / expected if expected > 0 else prior if observed == 0 else np.inf
    assert min(raw, prior) * (1 - 1e-9) <= found <= max(raw, prior) * (1 + 1e-9)


def test_the_posterior_mean_is_the_mean_of_lifts_that_give_such_counts():
    rng = np.random.default_rng(0)
    lift = rng.gamma(4.0 * 1.5, 1 / 4.0, 400_000)  # around 1.5, worth 4 expected pairs
    count = rng.poisson(lift * 3.0)
    for seen in (2, 5, 9):
        said = posterior_lift(np.array([float(seen)]), np.array([3.0]), np.array([1.5]), 4.0)[0]
        assert lift[count == seen].mean() == pytest.approx(said, rel=0.02)


@pytest.mark.statistical
@pytest.mark.parametrize("strength", [0.5, 2.0, 8.0, 32.0])
def test_a_planted_strength_is_recovered(strength):
    found = []
    for seed in range(5):
        rng = np.random.default_rng([seed, int(strength * 2)])
        prior, expected = np.exp(rng.normal(0, 0.7, 20_000)), rng.uniform(0.2, 20, 20_000)
        count = rng.poisson(rng.gamma(strength * prior) / strength * expected).astype(np.float64)
        found.append(fitted_strength(count, expected, prior))
    # Neighbours on the grid lie a factor of 1.41 apart.
    assert np.exp(np.mean(np.log(found))) == pytest.approx(strength, rel=0.25)


def test_counts_that_are_just_what_was_thought_are_shrunk_the_most():
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 20, 20_000)
    assert fitted_strength(rng.poisson(expected).astype(np.float64), expected, np.ones(20_000)) >= STRENGTHS[-3]


@pytest.mark.parametrize("pairs", [0, 3])
def test_where_nothing_is_expected_the_level_above_is_all_there_is(pairs):
    assert fitted_strength(np.zeros(pairs), np.zeros(pairs), np.ones(pairs)) == STRENGTHS[-1]
