"""The simulated worlds of the delay benchmarks know their own z."""

import numpy as np
import pytest

from benchmarks.delay.world import KINDS, WINDOW, simulate, true_pending_probability

CLOCK = 64


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "few positives"])
def test_true_z_is_how_often_pending_impressions_convert(kind: str) -> None:
    world = simulate(KINDS[kind], 11, CLOCK)
    z = true_pending_probability(KINDS[kind], 11, CLOCK, world)
    age = CLOCK - world.shown
    pending = (age > 0.0) & (age < WINDOW) & (world.delay >= age)
    for chosen in (age < 2.0, (age >= 2.0) & (age < 7.0), age >= 7.0, np.isfinite(world.carted), z > 0.2, z < 0.02):
        cell = pending & chosen
        error = np.sqrt((z[cell] * (1.0 - z[cell])).sum())
        assert abs(world.converts[cell].sum() - z[cell].sum()) < 4.0 * error
    assert not z[age >= WINDOW].any()
