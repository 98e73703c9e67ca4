"""The gain of one cut a level, on customers that it was not fitted to."""

import numpy as np
import pytest

from onward.thresholds.held_out_gain import measure_gain
from onward.thresholds.target import Target

HALF = Target("precision", 0.5)


def gain(score, level, label, customer, target=HALF, levels=2, seed=0):
    return measure_gain(score, level, label, customer, target, levels=levels, bins_per_level=40, seed=seed)


def test_levels_that_part_yes_from_no_gain_what_scores_leave():
    rows = 4000
    generator = np.random.default_rng(0)
    score, level = generator.random(rows), generator.integers(0, 2, rows)
    label = (level == 1) * 1.0
    found = gain(score, level, label, np.arange(rows) % 200)
    # At a precision of one half the best scores show everything or nothing of use; half the volume would do.
    assert found.recall >= 0.0
    some = gain(score, level, label * (generator.random(rows) < 0.4), np.arange(rows) % 200, Target("recall", 0.5))
    assert some.recall > 0.4
    assert some.p_value < 1e-6


def test_one_level_gains_nothing_at_all():
    generator = np.random.default_rng(1)
    score = generator.random(2000)
    label = (generator.random(2000) < score) * 1.0
    found = gain(score, np.zeros(2000, np.int64), label, np.arange(2000) % 100, levels=1)
    assert abs(found.recall) < 0.01


def test_ties_at_the_cut_are_shared():
    score = np.full(1000, 0.3)
    label = (np.arange(1000) % 4 == 0) * 1.0
    found = gain(score, np.zeros(1000, np.int64), label, np.arange(1000) % 50, Target("precision", 0.2), levels=1)
    assert found.recall == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("target", [Target("precision", 0.9999), Target("recall", 0.3), Target("cost_ratio", 0.2)])
def test_every_target_has_a_volume_even_one_out_of_reach(target):
    generator = np.random.default_rng(2)
    score = generator.random(500)
    found = gain(score, np.arange(500) % 2, (generator.random(500) < 0.3) * 1.0, np.arange(500) % 20, target)
    assert 0.0 < found.volume <= 1.0
    assert np.isfinite([found.recall, found.error, found.p_value]).all()


def test_nobody_converts():
    found = gain(np.linspace(0, 1, 100), np.arange(100) % 2, np.zeros(100), np.arange(100) % 10)
    assert (found.recall, found.p_value) == (0.0, 1.0)
