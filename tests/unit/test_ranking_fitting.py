"""Who teaches and from when: pairs of the window by evidence from before it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from builders.planted_shop import (
    PRODUCTS,
    TREES,
    WINDOW_START,
    as_purchases,
    fit,
    lesson_of,
    make_products,
    make_purchases,
)
from onward.errors import DataError
from onward.ranking import fitting, relations
from onward.ranking.fitting import Learners, fit_ranking


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        yield


@pytest.fixture
def taught(monkeypatch):
    """What each relation was learnt from, without growing trees."""
    calls = []
    monkeypatch.setattr(fitting, "fit_lift", lambda *given: calls.append(given))
    return calls


def learn(purchases, training, selection, most=10**6):
    learners = Learners(np.array(training), np.array(selection))
    trees = replace(TREES, pairs=most)
    return fit_ranking(lesson_of(make_products(), purchases, learners, most), trees, 0, 1)


def test_pairs_are_of_the_window_and_of_the_customers_named(taught):
    log = make_purchases(0, 40)
    learn(log, range(30), range(30, 36))
    window = log[log["purchased_at"] >= WINDOW_START]
    baskets = window.merge(window, on=["customer", "order"], suffixes=("_u", "_v"))
    baskets = baskets[baskets["product_u"] != baskets["product_v"]]
    for place, customers in ((1, range(30)), (2, range(30, 36))):
        mine = baskets[baskets["customer"].isin(customers)]
        possible = set(zip(mine["product_u"], mine["product_v"], strict=True))
        together = taught[0][place]
        assert len(together.source)
        assert set(zip(together.source, together.target, strict=True)) <= possible
    assert len(taught) == 2


def test_what_teaches_was_not_counted(taught):
    log = make_purchases(0, 40)
    ranking = learn(log, range(30), range(30, 36))
    earlier = taught[0][0]
    orders = log[log["purchased_at"] < WINDOW_START]["order"].nunique()
    assert [counts.trials for counts in earlier.cooccurrence.counts] == [orders] * 3
    assert [counts.trials for counts in ranking.evidence.cooccurrence.counts] == [log["order"].nunique()] * 3
    assert taught[1][0] is earlier


def test_only_products_that_had_customers_before_the_window_teach(taught):
    log = make_purchases(0, 40)
    late = as_purchases([(customer, 150, product) for customer in range(30) for product in (0, 1, 29)])
    learn(pd.concat([log[log["product"] != 29], late]), range(30), range(30, 36))
    for _, learnt, selection, *_ in taught:
        for pairs in (learnt, selection):
            assert 29 not in set(pairs.source) | set(pairs.target)


def test_the_number_of_pairs_is_bounded(taught):
    learn(make_purchases(0, 40), range(30), range(30, 36), most=100)
    for _, learnt, selection, *_ in taught:
        assert len(learnt.source) == 100
        assert len(selection.source) <= 100


def test_nothing_to_learn_from_is_said():
    log = make_purchases(0, 20)
    with pytest.raises(DataError, match="of training customers are too few"):
        fit(log[log["purchased_at"] < WINDOW_START])
    with pytest.raises(DataError, match="0 pairs of selection customers are too few"):
        learn(log, range(20), [])


def test_a_clock_before_the_first_purchase_is_said_too():
    log = make_purchases(0, 20)
    with pytest.raises(DataError, match="too few"):
        fit(log.assign(purchased_at=log["purchased_at"] + timedelta(days=1000)))


def test_the_summary_says_what_was_learnt_from_how_much():
    ranking = fit(make_purchases(0, 60), iterations=10)
    (said,) = ranking.summary().values()
    assert said["candidates"] == len(ranking.evidence.candidates) <= PRODUCTS
    for relation in ("together", "after"):
        assert 0 < said[relation]["pairs"] <= TREES.pairs
        assert 1 <= said[relation]["iterations"] <= 10
        assert said[relation]["selection_loss"].keys() == {10}
