"""One model, every order: by f, by f + log P, and by what is more than so many times chance in between."""

from dataclasses import replace

import numpy as np
import pytest

from builders.planted_shop import PRODUCTS, fit, make_purchases, model_of
from onward.ranking import ranking_model, relations
from onward.ranking.order_score import order_score
from onward.ranking.ranking_model import best_of_each


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return model_of(fit(make_purchases(0)))


def scores_of(model, relation):
    (rows,) = model.scored(np.arange(PRODUCTS), backwards=False)
    return rows.source, rows.candidate, rows.cooccurrence if relation == "together" else rows.after


@pytest.mark.parametrize("relation", ["together", "after"])
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_an_order_is_by_the_score_of_its_weight(model, relation, weight):
    ordered = model.order(np.arange(PRODUCTS), relation, weight, 7)
    source, candidate, lift = scores_of(model, relation)
    score = order_score(lift, model.popularity(relation)[candidate], weight)
    for product in range(PRODUCTS):
        mine = np.flatnonzero(source == product)
        best = sorted(mine.tolist(), key=lambda row: (-score[row], candidate[row]))[:7]
        assert ordered[product].tolist() == candidate[best].tolist()


def test_popularity_sums_to_one_over_the_candidates(model):
    for relation in ("together", "after"):
        share = model.popularity(relation)
        assert share.sum() == pytest.approx(1.0)
        assert set(np.flatnonzero(share)) == set(model.evidence.candidates)


def test_direction_turns_with_the_pair(model):
    (rows,) = model.scored(model.evidence.candidates, backwards=True)
    said = dict(zip(zip(rows.source.tolist(), rows.candidate.tolist(), strict=True), rows.direction, strict=True))
    assert len(said) == len(model.evidence.candidates) * (len(model.evidence.candidates) - 1)
    assert all(said[v, u] == -way for (u, v), way in said.items())
    assert len({abs(way) for way in said.values()}) > 10


def test_direction_that_was_not_asked_is_none(model):
    (rows,) = model.scored(np.arange(3), backwards=False)
    assert rows.before is None
    assert rows.direction.tolist() == [0.0] * len(rows.source)


def test_blocks_threads_and_the_order_of_sources_change_nothing(model, monkeypatch):
    whole = model.order(np.arange(PRODUCTS), "together", 0.25, 5)
    monkeypatch.setattr(ranking_model, "_SOURCES_AT_ONCE", 4)
    for threads in (1, 3):
        several = replace(model, threads=threads)
        np.testing.assert_array_equal(several.order(np.arange(PRODUCTS), "together", 0.25, 5), whole)
    shuffled = np.random.default_rng(0).permutation(PRODUCTS)
    np.testing.assert_array_equal(model.order(shuffled, "together", 0.25, 5), whole[shuffled])


def test_a_list_longer_than_the_candidates_ends_in_minus_one(model):
    candidates = model.evidence.candidates
    found = model.order(candidates[:2], "after", 1.0, PRODUCTS + 3)
    assert (found[:, : len(candidates) - 1] >= 0).all()
    assert (found[:, len(candidates) - 1 :] == -1).all()
    assert model.order(candidates[:0], "after", 1.0, 4).shape == (0, 4)


def test_a_product_with_a_few_customers_is_never_listed_but_may_be_asked(model):
    thin = np.setdiff1d(np.arange(PRODUCTS), model.evidence.candidates)
    assert len(thin)
    assert not np.isin(model.order(np.arange(PRODUCTS), "together", 1.0, PRODUCTS), thin).any()
    assert (model.order(thin, "together", 0.0, 3) >= 0).all()


def test_ties_go_by_number():
    source, candidate = np.array([5, 5, 5, 2]), np.array([9, 1, 4, 7])
    assert best_of_each(source, candidate, np.array([1.0, 1.0, 1.0, 0.0]), 2).tolist() == [[1, 4], [7, -1]]
