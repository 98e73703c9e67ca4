"""What no answer may depend on: names, the order of rows, and which way time runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.diagnosis.first_purchases import FirstPurchases
from onward.diagnosis.residual_order import measure_order
from onward.diagnosis.seasons import fit_seasons
from onward.diagnosis.uncertainty import level_dependence
from onward.thresholds.held_out_gain import measure_gain
from onward.thresholds.target import Target


def log(seed, customers=60, items=6, rows=900):
    generator = np.random.default_rng(seed)
    return tuple(generator.integers(0, high, rows) for high in (customers, items, 80))


@given(st.integers(0, 10_000), st.integers(10, 90))
@settings(max_examples=20, deadline=None)
def test_without_seasons_the_log_turned_round_has_the_same_order_to_the_last_digits(seed, within):
    first = FirstPurchases.of(*log(seed))
    back = FirstPurchases.of(first.customer, first.item, -first.day)
    there, here = (measure_order(each, fit_seasons(each).flat(), within) for each in (back, first))
    assert there.pairs == here.pairs
    assert there.agreement == pytest.approx(here.agreement, rel=1e-4, abs=1e-3)
    assert there.information == pytest.approx(here.information)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_and_the_day_that_counts_as_first_change_nothing(seed):
    customer, item, day = log(seed)
    mixed = np.random.default_rng(seed + 1).permutation(len(customer))
    first, again = FirstPurchases.of(customer, item, day), FirstPurchases.of(customer[mixed], item[mixed], day[mixed])
    later = FirstPurchases.of(customer, item, day + 1000)
    assert np.array_equal(first.item, again.item)
    assert measure_order(first, fit_seasons(first), 60) == measure_order(later, fit_seasons(later), 60)


@given(st.integers(0, 10_000), st.sampled_from(["score", "customer", "rows"]))
@settings(max_examples=20, deadline=None)
def test_doubt_looks_at_the_order_of_scores_and_at_no_names(seed, change):
    generator = np.random.default_rng(seed)
    score, level = generator.random(600), generator.integers(0, 3, 600)
    label, customer = (generator.random(600) < score) * 1.0, generator.integers(0, 40, 600)
    order = generator.permutation(600) if change == "rows" else np.arange(600)
    other = score**3 if change == "score" else score
    names = 99 - customer if change == "customer" else customer
    before = level_dependence(score, level, label, customer)[0]
    assert level_dependence(other[order], level[order], label[order], names[order])[0] == pytest.approx(before)
    if change != "customer":  # folds are dealt by the order of customers' numbers
        found = [
            measure_gain(*rows, Target("recall", 0.4), levels=3, bins_per_level=10, seed=1).recall
            for rows in ((score, level, label, customer), (other[order], level[order], label[order], customer[order]))
        ]
        assert found[0] == pytest.approx(found[1])
