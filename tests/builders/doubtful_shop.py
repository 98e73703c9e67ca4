"""Pairs whose chances are off by a known amount for each product shown, which uncertainty tells or does not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.range_fitting import JudgedPairs

PRODUCTS = 60
CATEGORY = pd.Series([f"aisle {number % 6}" for number in range(PRODUCTS)])
AS_SAID = MonotoneCalibrator((0.0, 1.0), (0.0, 1.0))
"""The score is what the model makes of it."""


@dataclass(frozen=True)
class World:
    """A shop whose model is wrong about products, by `off` log odds a standard deviation.

    Attributes:
        seed: of the products' errors.
        off: standard deviation of the error.
        told: whether uncertainty is larger where the error is.
    """

    seed: int
    off: float = 0.3
    told: bool = False

    def pairs(self, draw: int, rows: int = 12_000, customers: int = 400) -> tuple[JudgedPairs, np.ndarray]:
        """Pairs of customers of their own, with drawn labels, and their true chances."""
        products = np.random.default_rng([self.seed, 1])
        doubt = products.choice([0.1, 0.4], PRODUCTS)
        error = products.normal(0.0, self.off, PRODUCTS) * (doubt / 0.25 if self.told else 1.0)
        rng = np.random.default_rng([self.seed, 2, draw])
        source, target = rng.integers(0, PRODUCTS, (2, rows))
        said = expit(rng.normal(-2.2, 0.7, rows))
        customer = rng.integers(0, customers, rows)
        mood = rng.normal(0.0, 0.4, customers)
        truth = expit(logit(said) + error[target] + mood[customer] - 0.08)
        label = (rng.random(rows) < truth).astype(np.float64)
        level = (doubt[target] > 0.2).astype(np.int64)
        return JudgedPairs(said, label, doubt[target], level, customer, source, target), truth
