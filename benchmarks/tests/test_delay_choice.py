"""What the benchmark of the choice counts, on losses that are known."""

import numpy as np
import pytest

from benchmarks.delay.choice import FIXED, journey_claims
from benchmarks.delay.methods import DEFAULT


def closed(default: float, fixed: float, soft: float, weights: float) -> dict[str, np.ndarray]:
    """Gap closed by each method, the same in every resample."""
    values = {DEFAULT: default, FIXED: fixed, "soft label": soft, "P/Q": weights}
    return {name: np.full(4, value) for name, value in values.items()}


def test_shortfalls_are_clipped_at_each_clock_and_the_fourth_best_clock_is_named() -> None:
    clocks = {
        "2017-01-01": closed(90.0, 80.0, 100.0, 10.0),
        "2017-02-01": closed(50.0, 50.0, 40.0, 20.0),
        "2017-03-01": closed(85.0, 85.0, 85.0, 0.0),
        "2017-04-01": closed(82.0, 60.0, 20.0, 84.0),
        "2017-05-01": closed(95.0, 95.0, 60.0, 50.0),
    }
    claims = journey_claims(clocks)
    assert claims["gap_closed_min_of_best_four"] == 82.0
    assert claims["shortfall_to_better_rule"] == pytest.approx((10.0 + 2.0) / 5)
    assert claims["shortfall_to_better_rule_signed"] == pytest.approx((10.0 - 10.0 + 0.0 + 2.0 - 35.0) / 5)
    assert claims["gap_closed_min_of_best_four_fixed"] == 60.0
    assert claims["shortfall_to_better_rule_fixed_high"] == pytest.approx((20.0 + 24.0) / 5)
    assert claims["gap_closed_2017_05_01"] == 95.0
    assert claims["gap_closed_gained"] == pytest.approx((10.0 + 22.0) / 5)
