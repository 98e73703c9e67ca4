import numpy as np
import pytest
from scipy.special import expit

from onward.choices import LEVELS_AT_RANDOM
from onward.thresholds.comparison import compare_searches

pytestmark = pytest.mark.statistical


def shop(seed, doubt):
    """A score whose bias grows with uncertainty when doubt > 0, as a mis-set prior makes it."""
    rng = np.random.default_rng([seed, 21])
    n = 16_000
    level = rng.integers(0, 5, n)
    logit = rng.normal(-3.0, 1.0, n)
    label = (rng.random(n) < expit(logit - doubt * level)) * 1.0
    return expit(logit), level, label


def gain_on_fresh_examples(seed, doubt, search):
    """Recall of the boundary minus recall of the best scores, equally many, on examples it was not fitted to."""
    score, level, label = shop(seed, doubt)
    half = len(score) // 2
    result = compare_searches(
        score[:half], level[:half], label[:half], 0.15, levels=5, bins_per_level=40, seed=seed
    ).results[search]
    if search == LEVELS_AT_RANDOM:
        level = np.random.default_rng([seed, 22]).permutation(level)
    shown = score[half:] >= np.array(result.cuts)[level[half:]]
    best = label[half:][np.argsort(-score[half:])][: shown.sum()]
    return (label[half:][shown].sum() - best.sum()) / label[half:].sum()


def test_random_levels_gain_nothing_on_fresh_examples():
    gains = [gain_on_fresh_examples(seed, 0.0, LEVELS_AT_RANDOM) for seed in range(40)]
    assert np.mean(gains) < 2 * np.std(gains) / np.sqrt(len(gains))


def test_levels_that_carry_nothing_gain_nothing_on_fresh_examples():
    gains = [gain_on_fresh_examples(seed, 0.0, "ew_dpmt") for seed in range(40)]
    assert np.mean(gains) < 2 * np.std(gains) / np.sqrt(len(gains))


@pytest.mark.parametrize("search", ["mist", "ew_dpmt"])
def test_levels_that_explain_the_bias_of_the_score_do_gain(search):
    gains = [gain_on_fresh_examples(seed, 0.5, search) for seed in range(20)]
    assert np.mean(gains) > 4 * np.std(gains) / np.sqrt(len(gains)) > 0
