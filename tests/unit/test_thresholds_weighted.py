"""VW-DPMT against every boundary there is, the greedy search beneath it, and weights that count as copies."""

import itertools

import numpy as np
import pytest

from onward.errors import DataError
from onward.thresholds.comparison import compare_searches
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.frontier import conclude
from onward.thresholds.gmt import gmt_frontier
from onward.thresholds.grid import build_common_grid, build_grid
from onward.thresholds.target import Target
from onward.thresholds.vw_dpmt import vw_dpmt_frontier
from tools.testbeds.boundary_searches import search_ew_dpmt, search_gmt, search_mist, search_single, search_vw_dpmt

TARGETS = [
    Target("precision", 0.3), Target("precision", 0.6), Target("precision", 0.85),
    Target("recall", 0.4), Target("recall", 0.9), Target("cost_ratio", 0.5), Target("cost_ratio", 2.0),
]  # fmt: skip


def random_split(rng):
    n, levels, bins = int(rng.integers(1, 60)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    level = rng.choice(levels, n, p=rng.dirichlet(np.ones(levels)))
    score = rng.integers(0, int(rng.integers(1, 40)), n) / 16
    expected = np.where(rng.random(n) < 0.4, rng.random(n), rng.random(n) < score)
    weight = rng.gamma(2.0, 1.0, n) + 0.01 if rng.random() < 0.6 else None
    return score, level, expected, levels, bins, weight


def worth(target, shown, positives, total):
    """How good a boundary is, as a tuple to be maximised; None where it does not keep the target."""
    if not shown or not total:
        return None
    if target.kind == "recall":
        return (-shown, positives) if positives >= target.value * total else None
    if positives / shown < target.break_even:
        return None
    if target.kind == "cost_ratio":
        return (positives - target.value * (shown - positives),)
    return (positives, -shown)


def brute_force(grid, target):
    best = None
    for chosen in itertools.product(*(range(len(level.cuts)) for level in grid.levels)):
        shown = sum(level.shown[j].item() for level, j in zip(grid.levels, chosen, strict=True))
        positives = sum(float(level.positives[j]) for level, j in zip(grid.levels, chosen, strict=True))
        value = worth(target, shown, positives, grid.positives)
        if value is not None and (best is None or value > best):
            best = value
    return best


@pytest.mark.parametrize("block", range(5))
def test_vw_dpmt_equals_brute_force_for_every_kind_of_target(block):
    feasible = 0
    for seed in range(100):
        rng = np.random.default_rng([block, seed, 31])
        score, level, expected, levels, bins, weight = random_split(rng)
        target = TARGETS[int(rng.integers(len(TARGETS)))]
        grid = build_common_grid(score, level, expected, levels, bins, weight)
        result = search_vw_dpmt(score, level, expected, target, levels=levels, bins_per_level=bins, weight=weight)
        best = brute_force(grid, target)
        assert result.feasible == (best is not None)
        if best is not None:
            assert worth(target, result.shown, result.positives, grid.positives) == pytest.approx(best, rel=1e-12)
        feasible += result.feasible
    assert 20 < feasible < 100


def test_both_exact_searches_agree_on_a_counted_grid():
    for seed in range(100):
        rng = np.random.default_rng([seed, 32])
        score, level, expected, levels, bins, _ = random_split(rng)
        grid = build_grid(score, level, expected, levels, bins)
        for target in TARGETS:
            one = conclude("one", grid, dpmt_frontier(grid), target)
            other = conclude("one", grid, vw_dpmt_frontier(grid), target)
            if target.kind == "cost_ratio":  # equally good boundaries may differ in size
                assert other.feasible == one.feasible
                profits = [r.positives - target.value * (r.shown - r.positives) for r in (one, other)]
                assert profits[0] == pytest.approx(profits[1], abs=1e-9)
            else:
                assert (other.feasible, other.positives, other.shown) == (one.feasible, one.positives, one.shown)


def test_a_weight_of_three_is_three_examples():
    for seed in range(60):
        rng = np.random.default_rng([seed, 33])
        score, level, expected, levels, _, _ = random_split(rng)
        copies = rng.integers(1, 4, len(score))
        many = [np.repeat(values, copies) for values in (score, level, expected)]
        for search in (search_vw_dpmt, search_mist, search_gmt):
            # A cut after every score: bins of equal size would fall elsewhere among the copies.
            fine = {"levels": levels, "bins_per_level": 500}
            one = search(score, level, expected, 0.5, weight=copies, **fine)
            other = search(*many, 0.5, **fine)
            assert (one.feasible, one.shown) == (other.feasible, other.shown), search
            assert one.positives == pytest.approx(other.positives, abs=1e-4)
        one = search_single(score, expected, 0.5, levels=levels, weight=copies)
        assert one.shown == search_single(many[0], many[2], 0.5, levels=levels).shown


def test_thinned_states_keep_the_target_and_come_close():
    rng = np.random.default_rng(34)
    n = 6000
    score, level = rng.random(n), rng.choice(3, n, p=[0.6, 0.3, 0.1])
    grid = build_grid(score, level, 0.5 * score * (1 - 0.2 * level), 3, 37, rng.gamma(3.0, 1.0, n))
    exact = conclude("exact", grid, vw_dpmt_frontier(grid), 0.3)
    for work in (100_000, 20_000):
        coarse = conclude("coarse", grid, vw_dpmt_frontier(grid, work=work), 0.3)
        assert coarse.feasible
        assert 0.97 * exact.positives <= coarse.positives <= exact.positives


def test_greedy_never_beats_the_exact_search_and_misses_what_lies_behind_a_poor_bin():
    for seed in range(200):
        rng = np.random.default_rng([seed, 35])
        score, level, expected, levels, bins, _ = random_split(rng)
        grid = build_grid(score, level, expected, levels, bins)
        greedy, best = (conclude("x", grid, frontier(grid), 0.5) for frontier in (gmt_frontier, dpmt_frontier))
        assert greedy.positives <= best.positives
    # One example a bin: level 1 hides two sure positives behind a sure negative.
    score, level, expected = [0.9, 0.8, 0.7, 0.9, 0.8, 0.7], [0, 0, 0, 1, 1, 1], [1.0, 0.4, 0.4, 0.0, 1.0, 1.0]
    behind = {"levels": 2, "bins_per_level": 3}
    assert search_gmt(score, level, expected, 0.65, **behind).positives == pytest.approx(1.4, abs=1e-6)
    assert search_ew_dpmt(score, level, expected, 0.65, **behind).positives == pytest.approx(3.4, abs=1e-6)


def test_common_edges_cut_every_level_at_the_same_scores():
    rng = np.random.default_rng(36)
    score, level = rng.random(500), rng.integers(0, 3, 500)
    grid = build_common_grid(score, level, score, 4, 10)
    for i, prefixes in enumerate(grid.levels[:3]):
        inside = score[level == i]
        assert prefixes.shown[-1] == len(inside)
        for cut, shown in zip(prefixes.cuts, prefixes.shown, strict=True):
            assert shown == (inside >= cut).sum()
    assert len({len(np.unique(np.diff(prefixes.shown))) for prefixes in grid.levels[:3]} - {1}) > 0  # unequal bins
    assert grid.levels[3].shown.tolist() == [0]


@pytest.mark.parametrize("weight", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.inf]])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(DataError, match="2 scores need as many weights above 0"):
        build_grid([0.1, 0.2], [0, 0], [0, 1], 1, 2, weight)


def test_ew_dpmt_refuses_weights_and_names_the_search_that_takes_them():
    grid = build_grid([0.1, 0.2], [0, 0], [0, 1], 1, 2, [1.0, 2.0])
    with pytest.raises(DataError, match="vw_dpmt"):
        dpmt_frontier(grid)


def test_extra_searches_join_the_comparison_when_named():
    rng = np.random.default_rng(37)
    score, level = rng.random(900), rng.integers(0, 3, 900)
    named = compare_searches(score, level, score, 0.6, levels=3, bins_per_level=10, seed=1, extra=("gmt", "vw_dpmt"))
    assert {"gmt", "vw_dpmt"} <= set(named.results)
    plain = compare_searches(score, level, score, 0.6, levels=3, bins_per_level=10, seed=1, extra=("mist",))
    assert not {"gmt", "vw_dpmt"} & set(plain.results)


def test_a_cost_that_nothing_earns_is_named():
    result = search_single([0.9, 0.1], [0.25, 0.0], Target("cost_ratio", 1.0), levels=1)
    assert (result.feasible, result.shown, result.precision_target) == (False, 0, 0.5)
    with pytest.raises(Exception, match=r"thresholds.cost_ratio = 1: single reaches at most 0.2500"):
        result.require_feasible()
    assert result.to_dict()["asked"] == {"kind": "cost_ratio", "value": 1.0}


@pytest.mark.parametrize(
    ("kind", "value"), [("precision", 0.0), ("precision", 1.0), ("recall", 1.5), ("cost_ratio", 0)]
)
def test_targets_out_of_range_are_refused(kind, value):
    with pytest.raises(DataError, match=kind):
        Target(kind, value)
