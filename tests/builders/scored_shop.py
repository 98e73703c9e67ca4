"""A scorer whose error is known."""

import numpy as np
from scipy.special import expit


def shop(seed: int, bias: float, n: int = 60_000):
    """Score, uncertainty, label and customer of a scorer whose truth lies `bias` log odds a unit off its score."""
    draws = np.random.default_rng(seed)
    odds, unsure = -2.5 + draws.standard_normal(n), draws.standard_normal(n)
    label = (draws.random(n) < expit(odds - bias * unsure)).astype(np.float64)
    return expit(odds), unsure, label, draws.integers(0, 1000, n)
