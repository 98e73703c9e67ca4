import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.thresholds.policy import Policy
from tools.testbeds.boundary_searches import search_ew_dpmt, search_mist, search_single

SPLIT = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.floats(0.0, 1.0)), min_size=1, max_size=60).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)
TARGETS = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6).map(sorted)


def searches(split, target, bins):
    score, level, expected = split
    return (
        search_single(score, expected, target, levels=4),
        search_mist(score, level, expected, target, levels=4, bins_per_level=bins),
        search_ew_dpmt(score, level, expected, target, levels=4, bins_per_level=bins),
    )


@settings(deadline=None, max_examples=60)
@given(SPLIT, TARGETS, st.integers(1, 8))
def test_asking_for_more_precision_never_gives_more_recall(split, targets, bins):
    by_search = zip(*(searches(split, target, bins) for target in targets), strict=True)
    for results in by_search:
        recalls = [result.recall for result in results]
        assert recalls == sorted(recalls, reverse=True)
        feasible = [result.feasible for result in results]
        assert feasible == sorted(feasible, reverse=True)


@settings(deadline=None, max_examples=60)
@given(SPLIT, st.floats(0.01, 0.99), st.integers(1, 8))
def test_the_policy_shows_exactly_what_the_search_counted(split, target, bins):
    score, level, expected = split
    for result in searches(split, target, bins):
        shown = Policy(result.search, target, result.cuts).decide(score, level)
        assert shown.sum() == result.shown
        if result.feasible:
            assert expected[shown].sum() >= result.positives - 1e-9
            assert result.positives / result.shown >= target


@settings(deadline=None, max_examples=60)
@given(SPLIT, st.floats(0.01, 0.99), st.integers(1, 8), st.floats(0.5, 4.0))
def test_only_the_order_of_scores_matters(split, target, bins, power):
    score, level, expected = split
    stretched = (score / 20.0) ** power
    for one, other in zip(
        searches(split, target, bins), searches((stretched, level, expected), target, bins), strict=True
    ):
        assert (one.shown, one.positives) == (other.shown, other.positives)
