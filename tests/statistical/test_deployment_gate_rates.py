import numpy as np
import pytest

from onward.deployment.gate import Limits, Rows, Scored, judge

LIMITS = Limits(max_nll_increase=0.0005, max_recall_loss=0.02, pcoc_low=0.8, pcoc_high=1.25)
SEEDS = 40


def refused(seed: int, champion_noise: float, challenger_noise: float) -> bool:
    """Two models that know the same truth, each with an error of its own, on a backtest with few conversions."""
    rng = np.random.default_rng(seed)
    customer, truth = rng.integers(0, 350, 11_500), -4.3 + rng.normal(0, 0.9, 11_500)
    label = (rng.uniform(size=11_500) < 1 / (1 + np.exp(-truth))).astype(float)
    models = []
    for noise in (challenger_noise, champion_noise):
        probability = 1 / (1 + np.exp(-(truth + rng.normal(0, noise, 11_500) - noise**2 / 2)))
        models.append(Scored(probability, probability, probability >= np.quantile(probability, 0.87)))
    reasons = judge(Rows(customer, label), models[0], models[1], LIMITS, samples=20, seed=1).reasons
    return any(reason.startswith(("refused: NLL", "refused: recall")) for reason in reasons)


@pytest.mark.statistical
def test_an_equally_good_challenger_is_mostly_let_in():
    assert sum(refused(seed, 0.2, 0.2) for seed in range(SEEDS)) <= 0.4 * SEEDS


@pytest.mark.statistical
def test_a_challenger_that_knows_much_less_is_kept_out():
    assert sum(refused(seed, 0.2, 1.2) for seed in range(SEEDS)) >= 0.95 * SEEDS
