"""True for any split: names of levels mean nothing, and finer choices never cost on the fit split."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.thresholds.target import Target
from tools.testbeds.boundary_searches import search_ew_dpmt, search_gmt, search_mist, search_single, search_vw_dpmt

SPLIT = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.floats(0.0, 1.0)), min_size=1, max_size=50).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)
BY_LEVEL = {"mist": search_mist, "ew_dpmt": search_ew_dpmt, "vw_dpmt": search_vw_dpmt, "gmt": search_gmt}
PRECISION = st.floats(0.01, 0.99)
FINE = 200  # bins: a cut after every different score, so that two grids offer the same cuts


@settings(deadline=None, max_examples=40)
@given(SPLIT, PRECISION, st.permutations(range(4)), st.integers(1, 8), st.sampled_from(sorted(BY_LEVEL)))
def test_renaming_levels_changes_nothing(split, target, names, bins, search):
    score, level, expected = split
    one = BY_LEVEL[search](score, level, expected, target, levels=4, bins_per_level=bins)
    other = BY_LEVEL[search](score, np.array(names)[level], expected, target, levels=4, bins_per_level=bins)
    assert (one.feasible, one.shown, one.positives) == (other.feasible, other.shown, other.positives)


@settings(deadline=None, max_examples=60)
@given(SPLIT, PRECISION, st.lists(st.booleans(), min_size=50, max_size=50), st.sampled_from(["ew_dpmt", "vw_dpmt"]))
def test_splitting_a_level_never_lowers_the_exact_optimum(split, target, coin, search):
    score, level, expected = split
    finer = np.where((level == 2) & np.array(coin[: len(level)]), 4, level)
    before = BY_LEVEL[search](score, level, expected, target, levels=4, bins_per_level=FINE)
    after = BY_LEVEL[search](score, finer, expected, target, levels=5, bins_per_level=FINE)
    assert after.positives >= before.positives
    assert after.positives >= search_single(score, expected, target, levels=5).positives


@settings(deadline=None, max_examples=40)
@given(SPLIT, st.lists(PRECISION, min_size=2, max_size=5).map(sorted), st.sampled_from(["vw_dpmt", "gmt"]))
def test_recall_never_rises_with_the_precision_asked(split, targets, search):
    score, level, expected = split
    results = [BY_LEVEL[search](score, level, expected, each, levels=4, bins_per_level=5) for each in targets]
    recalls = [result.recall for result in results]
    assert recalls == sorted(recalls, reverse=True)


@settings(deadline=None, max_examples=40)
@given(SPLIT, st.lists(PRECISION, min_size=2, max_size=5).map(sorted), st.sampled_from(sorted(BY_LEVEL)))
def test_more_recall_asked_never_shows_less_and_is_reached(split, targets, search):
    score, level, expected = split
    results = [
        BY_LEVEL[search](score, level, expected, Target("recall", each), levels=4, bins_per_level=5) for each in targets
    ]
    shown = [result.shown for result in results]
    assert shown == sorted(shown)
    for result, each in zip(results, targets, strict=True):
        assert not result.feasible or result.recall >= each


@settings(deadline=None, max_examples=60)
@given(SPLIT, st.floats(0.05, 20.0))
def test_the_best_balance_of_cost_is_not_beaten_by_any_precision_target(split, ratio):
    score, level, expected = split
    asked = {"levels": 4, "bins_per_level": 6}
    best = search_vw_dpmt(score, level, expected, Target("cost_ratio", ratio), **asked)
    profit = best.positives - ratio * (best.shown - best.positives)
    assert profit >= -1e-9
    for precision in (0.05, 0.2, 0.5, 0.8):
        other = search_vw_dpmt(score, level, expected, precision, **asked)
        assert profit >= other.positives - ratio * (other.shown - other.positives) - 1e-9
    if best.feasible:
        assert best.precision >= ratio / (1.0 + ratio) - 1e-9
