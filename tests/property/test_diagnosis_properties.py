"""What no answer may depend on: names, the order of rows, and which way time runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.diagnosis.first_purchases import FirstPurchases
from onward.diagnosis.residual_order import measure_order
from onward.diagnosis.seasons import fit_seasons
from onward.diagnosis.uncertainty import dependence, judge_scorer


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


@given(st.integers(0, 10_000), st.sampled_from(["uncertainty", "customer", "rows"]))
@settings(max_examples=20, deadline=None)
def test_doubt_looks_at_the_order_of_uncertainty_and_at_no_names(seed, change):
    generator = np.random.default_rng(seed)
    score, unsure = generator.random(600), generator.random(600)
    label, customer = (generator.random(600) < score) * 1.0, generator.integers(0, 40, 600)
    order = generator.permutation(600) if change == "rows" else np.arange(600)
    other = np.exp(3.0 * unsure) if change == "uncertainty" else unsure
    names = 99 - customer if change == "customer" else customer
    before = dependence(score, unsure, label, customer)
    assert dependence(score[order], other[order], label[order], names[order]) == pytest.approx(before)
    if change == "rows":  # folds are dealt by the order of customers' numbers, knots lie at uncertainties
        found = judge_scorer(score, unsure, label, customer, seed=1).gain
        again = judge_scorer(score[order], unsure[order], label[order], customer[order], seed=1).gain
        assert again.recall == pytest.approx(found.recall, abs=1e-3)
