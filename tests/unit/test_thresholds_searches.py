import itertools

import numpy as np
import pytest

from onward.choices import LEVELS_AT_RANDOM
from onward.errors import InfeasibleTargetError
from onward.thresholds.comparison import boundary_table, compare_searches
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.frontier import conclude
from onward.thresholds.grid import build_grid
from tools.testbeds.boundary_searches import search_ew_dpmt, search_mist, search_single


def random_split(rng, smooth=False):
    """A small split with unequal (or empty) levels, ties and fractional labels, unlike any grid made by hand."""
    n, levels, bins = int(rng.integers(1, 60)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    level = rng.choice(levels, n, p=rng.dirichlet(np.ones(levels)))
    score = rng.random(n) if smooth else rng.integers(0, int(rng.integers(1, 40)), n) / 16
    expected = (rng.random(n) < score).astype(float)
    fractional = rng.random(n) < 0.4
    expected[fractional] = rng.random(int(fractional.sum()))
    return score, level, expected, levels, bins


def brute_force(grid, target):
    best = (0.0, 0)
    for chosen in itertools.product(*(range(len(level.cuts)) for level in grid.levels)):
        shown = sum(int(level.shown[j]) for level, j in zip(grid.levels, chosen, strict=True))
        positives = sum(float(level.positives[j]) for level, j in zip(grid.levels, chosen, strict=True))
        if shown and positives / shown >= target and (positives, -shown) > (best[0], -best[1] if best[1] else -np.inf):
            best = (positives, shown)
    return best


@pytest.mark.parametrize("block", range(6))
def test_ew_dpmt_equals_brute_force(block):
    feasible = 0
    for seed in range(100):
        rng = np.random.default_rng([block, seed])
        score, level, expected, levels, bins = random_split(rng)
        target = float(rng.choice([0.1, 0.3, 0.5, 0.6, 0.75, 0.9]))
        result = search_ew_dpmt(score, level, expected, target, levels=levels, bins_per_level=bins)
        grid = build_grid(score, level, expected, levels, bins)
        positives, shown = brute_force(grid, target)
        assert (result.positives, result.shown) == (positives, shown)
        assert result.feasible == (shown > 0)
        feasible += result.feasible
    assert 20 < feasible < 100  # both answers are put to the test


def test_feasible_means_that_the_examples_themselves_keep_the_target():
    for seed in range(300):
        rng = np.random.default_rng([7, seed])
        score, level, expected, levels, bins = random_split(rng)
        target = float(rng.uniform(0.05, 0.95))
        for result in (
            search_single(score, expected, target, levels=levels),
            search_mist(score, level, expected, target, levels=levels, bins_per_level=bins),
            search_ew_dpmt(score, level, expected, target, levels=levels, bins_per_level=bins),
        ):
            chosen = score >= np.array(result.cuts)[level]
            assert chosen.sum() == result.shown
            if result.feasible:
                assert expected[chosen].sum() / chosen.sum() >= target
                assert result.precision >= target
                assert result.recall == pytest.approx(expected[chosen].sum() / expected.sum(), abs=1e-5)
            else:
                assert result.shown == 0
                assert set(result.cuts) == {np.inf}
                assert result.precision is None
                assert result.reachable_precision < target


def test_mist_never_beats_ew_dpmt_on_the_same_grid():
    for seed in range(300):
        rng = np.random.default_rng([8, seed])
        score, level, expected, levels, bins = random_split(rng)
        target = float(rng.uniform(0.05, 0.95))
        greedy = search_mist(score, level, expected, target, levels=levels, bins_per_level=bins)
        best = search_ew_dpmt(score, level, expected, target, levels=levels, bins_per_level=bins)
        assert greedy.positives <= best.positives
        assert greedy.feasible <= best.feasible


@pytest.mark.parametrize("target", [0.08, 0.12, 0.2])
def test_mist_comes_within_two_percent_of_ew_dpmt_on_smooth_rates(target):
    rng = np.random.default_rng(9)
    n = 20_000
    score, level = rng.random(n), rng.integers(0, 5, n)
    expected = 0.3 * score**3 * (1 - 0.12 * level)  # every level smooth and rising
    greedy = search_mist(score, level, expected, target, levels=5, bins_per_level=50)
    best = search_ew_dpmt(score, level, expected, target, levels=5, bins_per_level=50)
    assert best.feasible
    assert 0.98 * best.positives <= greedy.positives <= best.positives


def test_mist_shows_bins_of_equal_rate_together():
    # Two levels, one bin each, both at rate 1/2: showing just one would be a choice without a reason.
    result = search_mist([0.9, 0.8, 0.7, 0.6], [0, 0, 1, 1], [1, 0, 1, 0], 0.5, levels=2, bins_per_level=1)
    assert result.shown == 4
    assert result.cuts == (0.8, 0.6)


def test_one_level_and_one_bin_an_example_is_the_single_threshold():
    for seed in range(100):
        rng = np.random.default_rng([10, seed])
        score, _, expected, _, _ = random_split(rng)
        target = float(rng.uniform(0.05, 0.95))
        single = search_single(score, expected, target, levels=1)
        general = search_ew_dpmt(
            score, np.zeros(len(score), int), expected, target, levels=1, bins_per_level=len(score)
        )
        assert (single.cuts, single.shown, single.positives) == (general.cuts, general.shown, general.positives)


def test_single_gives_its_cut_to_every_level():
    result = search_single([0.9, 0.8, 0.1], [1, 1, 0], 0.9, levels=3)
    assert result.cuts == (0.8, 0.8, 0.8)


@pytest.mark.parametrize("search", [search_mist, search_ew_dpmt])
def test_renaming_levels_renames_the_cuts_and_nothing_else(search):
    for seed in range(60):
        rng = np.random.default_rng([11, seed])
        score, level, expected, levels, bins = random_split(rng, smooth=True)
        names = rng.permutation(levels)
        one = search(score, level, expected, 0.5, levels=levels, bins_per_level=bins)
        other = search(score, names[level], expected, 0.5, levels=levels, bins_per_level=bins)
        assert (other.shown, other.positives, other.recall) == (one.shown, one.positives, one.recall)
        if len(np.unique(expected)) == len(expected):  # else several boundaries may be equally good
            assert tuple(np.array(other.cuts)[names]) == one.cuts


def all_searches(score, level, expected, target, levels=2, bins=5):
    return [
        search_single(score, expected, target, levels=levels),
        search_mist(score, level, expected, target, levels=levels, bins_per_level=bins),
        search_ew_dpmt(score, level, expected, target, levels=levels, bins_per_level=bins),
    ]


def test_constant_scores_are_all_in_or_all_out():
    score, level, expected = np.full(10, 0.4), np.arange(10) % 2, np.r_[np.ones(3), np.zeros(7)]
    assert [result.shown for result in all_searches(score, np.zeros(10, int), expected, 0.3)] == [10] * 3
    assert [result.shown for result in all_searches(score, np.zeros(10, int), expected, 0.31)] == [0] * 3
    assert search_ew_dpmt(score, level, expected, 0.35, levels=2, bins_per_level=5).shown == 5


def test_all_positive_shows_everything_and_all_negative_shows_nothing():
    score, level = np.linspace(0, 1, 20), np.arange(20) % 2
    for result in all_searches(score, level, np.ones(20), 0.99):
        assert (result.shown, result.recall, result.precision) == (20, 1.0, 1.0)
    for result in all_searches(score, level, np.zeros(20), 0.01):
        assert (result.feasible, result.shown, result.recall) == (False, 0, 0.0)
        assert result.reachable_precision == 0.0


def test_an_empty_level_never_shows():
    result = search_ew_dpmt([0.9, 0.1], [0, 2], [1, 0], 0.9, levels=3, bins_per_level=2)
    assert result.cuts == (0.9, np.inf, np.inf)


def test_examples_counted_in_units_stay_feasible_and_close():
    rng = np.random.default_rng(12)
    n = 6000
    score, level = rng.random(n), rng.choice(3, n, p=[0.6, 0.3, 0.1])
    grid = build_grid(score, level, 0.5 * score * (1 - 0.2 * level), 3, 37)
    exact = conclude("exact", grid, dpmt_frontier(grid), 0.3)
    for work in (200_000, 50_000, 20_000):
        coarse = conclude("coarse", grid, dpmt_frontier(grid, work=work), 0.3)
        assert coarse.feasible
        assert 0.95 * exact.positives <= coarse.positives <= exact.positives


def test_a_boundary_that_does_not_exist_is_named_with_what_does():
    result = search_single([0.9, 0.1], [0.25, 0.0], 0.5, levels=1)
    with pytest.raises(
        InfeasibleTargetError, match=r"precision_target = 0.5: single reaches at most 0.2500 on 2"
    ) as caught:
        result.require_feasible()
    assert "\n" not in str(caught.value)


def test_comparison_runs_every_search_and_the_control():
    rng = np.random.default_rng(13)
    score, level = rng.random(3000), rng.integers(0, 4, 3000)
    expected = score * np.array([1.0, 0.7, 0.4, 0.1])[level]  # level matters a great deal
    comparison = compare_searches(score, level, expected, 0.6, levels=4, bins_per_level=20, seed=1)
    assert list(comparison.results) == ["single", "mist", "ew_dpmt", LEVELS_AT_RANDOM]
    assert comparison.matched_gain["single"] == pytest.approx(0.0, abs=1e-9)
    assert comparison.matched_gain["ew_dpmt"] > 0.1
    assert abs(comparison.matched_gain[LEVELS_AT_RANDOM]) < 0.05
    again = compare_searches(score, level, expected, 0.6, levels=4, bins_per_level=20, seed=1)
    assert again.to_dict() == comparison.to_dict()


def test_operating_points_are_what_the_searches_reach():
    rng = np.random.default_rng(14)
    score, level = rng.random(2000), rng.integers(0, 3, 2000)
    expected = (rng.random(2000) < score * 0.3) * 1.0
    points = compare_searches(score, level, expected, 0.2, levels=3, bins_per_level=10, seed=1).operating_points
    assert (points.groupby("search").size() <= 50).all()
    for name, part in points.groupby("search"):
        assert part["shown"].is_monotonic_increasing, name
        assert part["recall"].is_monotonic_increasing, name
        hits = part["precision"] * part["shown"]
        assert hits.to_numpy() == pytest.approx((part["recall"] * expected.sum()).to_numpy())
    best, greedy = (points[points["search"] == name] for name in ("ew_dpmt", "mist"))
    shared = best.merge(greedy, on="shown")
    assert len(shared) > 0
    assert (shared["recall_x"] >= shared["recall_y"]).all()


def test_without_positives_there_are_no_operating_points_and_no_gain():
    comparison = compare_searches([0.1, 0.2], [0, 1], [0, 0], 0.2, levels=2, bins_per_level=2, seed=1)
    assert comparison.operating_points.empty
    assert set(comparison.matched_gain.values()) == {0.0}


def test_boundary_table_names_every_cut():
    results = compare_searches([0.9, 0.1], [0, 1], [1, 0], 0.9, levels=2, bins_per_level=2, seed=1).results
    table = boundary_table(results)
    assert len(table) == 8
    mine = table[table["search"] == "ew_dpmt"]
    assert mine["cut"].tolist()[0] == 0.9
    assert np.isnan(mine["cut"].tolist()[1])


def test_mist_enters_a_block_that_luck_made_long():
    # One level, ten bins pooled into one block of rate 0.45: as a whole it breaks the target, its first bins do not.
    score, level = np.linspace(1.0, 0.1, 10), np.zeros(10, int)
    expected = np.array([0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.5])
    result = search_mist(score, level, expected, 0.46, levels=1, bins_per_level=10)
    assert result.shown == search_ew_dpmt(score, level, expected, 0.46, levels=1, bins_per_level=10).shown == 6
