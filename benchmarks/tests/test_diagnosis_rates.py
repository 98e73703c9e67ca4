"""Each question is answered "no" where nothing is planted, and "yes" where as much is planted as real shops show."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from benchmarks.diagnosis.rates import ask
from onward.diagnosis.answer import ALPHA
from onward.diagnosis.delay import Labels, missing_share
from onward.diagnosis.uncertainty import PAYS_BEYOND, dependence, judge_scorer
from tools.testbeds.diagnosed_shops import World

pytestmark = pytest.mark.statistical

MOST = binom.isf(1e-4, 300, ALPHA)  # false alarms among 300 that a right test exceeds once in ten thousand times


@pytest.mark.parametrize("planted", [True, False])
def test_all_three_are_told_apart(planted):
    answers = [answer for seed in range(50, 54) for answer in ask(World(planted, planted, planted), seed)]
    assert [answer.yes for answer in answers] == [planted] * len(answers)
    assert all(answer.low <= answer.effect <= answer.high for answer in answers)


def examples(seed):
    generator = np.random.default_rng([seed, 4])
    customer = generator.integers(0, 150, 3000)
    odds = generator.normal(-2.0, 1.0, 3000)
    unsure = odds + generator.normal(0.0, 1.0, 3000)
    taste = generator.normal(0.0, 0.8, 150)
    label = (generator.random(3000) < 1 / (1 + np.exp(-odds - taste[customer]))) * 1.0
    return 1 / (1 + np.exp(-odds)), unsure, label, customer


def test_dependence_is_rarely_seen_where_customers_differ_but_uncertainty_says_nothing():
    z = np.array([dependence(*examples(seed)) for seed in range(300)])
    assert (np.abs(z) > PAYS_BEYOND).sum() <= binom.isf(1e-4, 300, 2 * norm.sf(PAYS_BEYOND))
    assert abs(np.mean(z)) < 4 / np.sqrt(300)


def test_recalibration_rarely_seems_to_gain_where_uncertainty_says_nothing():
    gains = [judge_scorer(*examples(seed), seed=seed).gain for seed in range(100)]
    assert sum(gain.low > 0.0 for gain in gains) <= binom.isf(1e-4, 100, 0.025)


def test_a_share_at_the_border_of_negligible_is_rarely_called_harm():
    alarms = 0
    for seed in range(300):
        generator = np.random.default_rng([seed, 8])
        customer = generator.integers(0, 80, 2000)
        # One customer in ten is late with everything; on average one conversion in a hundred is missing.
        delay = np.where(customer % 10 == 0, generator.uniform(0.0, 2.0, 2000), 0.0)
        known = Labels(np.r_[np.zeros(400), customer], np.r_[np.linspace(0, 10, 400), np.full(2000, 30.0)],
                       np.r_[np.full(400, np.nan), delay], 10.0)  # fmt: skip
        alarms += missing_share(known, known.age < 10.5)[2] < ALPHA
    assert alarms <= MOST
