import numpy as np
import pytest

from onward.errors import DataError
from onward.thresholds.grid import build_grid


def test_bins_weigh_the_same_in_every_level_whatever_its_size():
    level = np.repeat([0, 1], [30, 10])
    grid = build_grid(np.linspace(1, 0, 40), level, np.zeros(40), 2, 4)  # w = 40 / 8 = 5
    assert grid.levels[0].shown.tolist() == [0, 5, 10, 15, 20, 25, 30]
    assert grid.levels[1].shown.tolist() == [0, 5, 10]


def test_what_remains_is_the_last_bin():
    grid = build_grid(np.linspace(1, 0, 12), np.zeros(12, int), np.zeros(12), 1, 5)  # w = 3
    assert grid.levels[0].shown.tolist() == [0, 3, 6, 9, 12]
    grid = build_grid(np.linspace(1, 0, 13), np.zeros(13, int), np.zeros(13), 1, 5)
    assert grid.levels[0].shown.tolist() == [0, 3, 6, 9, 12, 13]


def test_a_tie_is_cut_before_or_after_but_never_inside():
    score = [0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.2, 0.1]
    grid = build_grid(score, np.zeros(8, int), np.ones(8), 1, 2)  # w = 4, inside the tie
    assert grid.levels[0].shown.tolist() == [0, 2, 6, 8]
    assert grid.levels[0].cuts.tolist() == [np.inf, 0.8, 0.5, 0.1]


def test_counts_are_those_of_the_examples_at_or_above_the_cut():
    rng = np.random.default_rng(3)
    score, level, expected = rng.integers(0, 9, 200) / 10, rng.integers(0, 3, 200), rng.random(200)
    grid = build_grid(score, level, expected, 4, 7)
    for i, prefixes in enumerate(grid.levels):
        for cut, shown, positives in zip(prefixes.cuts, prefixes.shown, prefixes.positives, strict=True):
            chosen = (level == i) & (score >= cut)
            assert shown == chosen.sum()
            assert positives == pytest.approx(expected[chosen].sum(), abs=1e-5)
    assert grid.examples == 200
    assert grid.positives == pytest.approx(expected.sum(), abs=1e-4)
    assert grid.levels[3].shown.tolist() == [0]  # an empty level can only show nothing


def test_expected_positives_are_never_overstated():
    expected = np.random.default_rng(4).random(50)
    grid = build_grid(np.arange(50.0), np.zeros(50, int), expected, 1, None)
    assert 0 <= expected.sum() - grid.positives < 50 * 2.0**-24


@pytest.mark.parametrize(
    ("score", "level", "expected", "words"),
    [
        ([], [], [], "at least one"),
        ([0.1], [0, 1], [0.1], "1 scores, 2 levels"),
        ([0.1, np.nan], [0, 1], [0.1, 0.1], "1 of 2 scores"),
        ([0.1, 0.2], [0, 2], [0.1, 0.1], "1 of 2 levels outside 0 .. 1"),
        ([0.1, 0.2], [0, 1], [0.1, 1.1], "1 of 2 expected labels"),
        ([0.1, 0.2], [0, 1], [0.1, np.nan], "1 of 2 expected labels"),
    ],
)
def test_what_cannot_be_searched_is_refused(score, level, expected, words):
    with pytest.raises(DataError, match=words):
        build_grid(score, level, expected, 2, 5)
