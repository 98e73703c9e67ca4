import numpy as np
import pandas as pd
import pytest

from onward.monitoring.positivity import level_verdicts, overall, positivity_table

LEVELS = 5


def simulate(seed: int, drift: float = 1.0, customers: int = 500, rows: int = 12_000) -> pd.DataFrame:
    """Customers who differ, a calibrator that was off from the start, delays uniform over 28 days, an exact z."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(customers, size=rows)
    leaning = rng.gamma(4.0, 0.25, size=customers)
    age = rng.uniform(0, 56, size=rows)
    level = rng.integers(LEVELS, size=rows)
    probability = rng.uniform(0.01, 0.15, size=rows)
    current = age <= 28
    rate = np.clip(probability * (1.15 - 0.05 * level) * leaning[customer] * np.where(current, drift, 1.0), 0, 0.9)
    delay = rng.uniform(0, 28, size=rows)
    converted = (rng.uniform(size=rows) < rate) & (delay < age)
    matured = age >= 28
    left = np.clip(1 - age / 28, 0, 1)
    z = rate * left / (1 - rate * (1 - left))
    return pd.DataFrame({
        "customer": customer, "level": level, "probability": probability, "shown": probability > 0.08,
        "expected": np.where(converted, 1.0, np.where(matured, 0.0, z)), "settled": converted | matured,
        "matured": matured, "current": current,
    })  # fmt: skip


def verdict(rows: pd.DataFrame, confidence: float = 0.95) -> str:
    table = positivity_table(rows, LEVELS, confidence)
    return overall(level_verdicts(rows, table, LEVELS, confidence, tolerance=0.5))


@pytest.mark.statistical
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_false_alarms_stay_below_the_stated_rate_over_all_levels_together(confidence):
    seeds = 250
    alarms = sum(verdict(simulate(seed), confidence) == "drifted" for seed in range(seeds))
    stated = 1 - confidence
    assert alarms / seeds <= stated + 3 * np.sqrt(stated * (1 - stated) / seeds)


@pytest.mark.statistical
@pytest.mark.parametrize("drift", [0.4, 1.8])
def test_a_drift_that_matters_is_seen_in_most_worlds(drift):
    seeds = 60
    assert sum(verdict(simulate(1000 + seed, drift)) == "drifted" for seed in range(seeds)) >= 0.8 * seeds
