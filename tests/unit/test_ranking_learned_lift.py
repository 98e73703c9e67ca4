"""Learned lift: planted pairs stand out, chance is 0, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from builders.planted_shop import (
    CHAIN,
    COMPLEMENTS,
    PRODUCTS,
    TREES,
    TYPE,
    embeddings_of,
    fit,
    gathered,
    make_purchases,
)
from onward.errors import DataError
from onward.ranking import learned_lift, relations
from onward.ranking.learned_lift import LearnedLift, fit_lift
from onward.ranking.training_pairs import Pairs, rivals


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        yield


@pytest.fixture(scope="module")
def fitted():
    return fit(make_purchases(0))


def pairs_between(left, right):
    u, v = (each.ravel() for each in np.meshgrid(np.flatnonzero(left == TYPE), np.flatnonzero(right == TYPE)))
    return u, v


@pytest.mark.statistical
def test_planted_complements_are_found_in_every_shop_and_nothing_else_is():
    found = {"planted": [], "other": []}
    for seed in range(4):
        ranking = fit(make_purchases(seed, 80), seed)
        lift = ranking.lifts["together"]
        for name, pairs in (("planted", COMPLEMENTS), ("other", ((1, 3), (1, 5), (3, 7), (5, 7)))):
            both = [*pairs, *(pair[::-1] for pair in pairs)]
            u, v = (np.concatenate(ends) for ends in zip(*(pairs_between(*pair) for pair in both), strict=True))
            found[name].append(lift.score(ranking.evidence, u, v, 1).mean())
    planted, other = (np.array(found[name]) for name in ("planted", "other"))
    assert (planted > 0.25).all()
    assert np.abs(other).max() < 0.25
    assert (planted - other > 0.3).all()


def test_the_later_of_a_chain_follows_the_earlier_and_not_the_other_way_round(fitted):
    first, second, third = CHAIN
    u, v = np.array([first, second, first]), np.array([second, third, third])
    lift, evidence = fitted.lifts["after"], fitted.evidence
    direction = lift.score(evidence, u, v, 1) - lift.score(evidence, v, u, 1)
    assert (direction > 0.5).all()


def test_0_is_chance(fitted):
    """Over drawn pairs a ratio of densities has mean 1."""
    log = make_purchases(0)
    basket = log.groupby("order")["product"].agg(list)
    pairs = [(u, v) for products in basket for u in products for v in products if u != v]
    drawn = rivals(Pairs(*np.array(pairs[:5000]).T), 1, seed=5)
    lift = fitted.lifts["together"].score(fitted.evidence, drawn.source, drawn.target, 1)
    assert np.exp(lift).mean() == pytest.approx(1.0, abs=0.1)


def test_the_same_log_and_seed_give_the_same_model_and_another_seed_another():
    log = make_purchases(1, 60)
    one, again, other = (fit(log, seed, iterations=5) for seed in (0, 0, 1))
    assert one.lifts == again.lifts
    assert one.lifts["together"].text != other.lifts["together"].text


def test_scores_come_in_parts_with_the_same_result(fitted, monkeypatch):
    rng = np.random.default_rng(0)
    u, v = rng.integers(0, PRODUCTS, (2, 50))
    lift = fitted.lifts["together"]
    whole = lift.score(fitted.evidence, u, v, 1)
    monkeypatch.setattr(learned_lift, "_ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(lift.score(fitted.evidence, u, v, 1), whole)
    assert lift.score(fitted.evidence, u[:0], v[:0], 1).shape == (0,)


def test_a_model_comes_back_from_its_manifest_and_text(fitted):
    for lift in fitted.lifts.values():
        assert LearnedLift.from_manifest(lift.to_manifest(), lift.text) == lift


def test_evidence_with_other_features_is_refused(fitted):
    encoded = replace(fitted.evidence, embeddings=embeddings_of())
    with pytest.raises(DataError, match="train_gnn"):
        fitted.lifts["together"].score(encoded, np.array([0]), np.array([1]), 1)


@pytest.mark.parametrize("short", ["training", "selection"])
def test_too_few_pairs_are_said_to_be(short):
    evidence = gathered(make_purchases(0, 20))
    many, few = (Pairs(np.zeros(n, np.int64), np.ones(n, np.int64)) for n in (50, 5))
    learnt, selection = (few if name == short else many for name in ("training", "selection"))
    with pytest.raises(DataError, match=f"5 pairs of {short} customers"):
        fit_lift(evidence, learnt, selection, TREES, 0, 1)


def test_selection_customers_say_where_to_stop(fitted):
    for fitted_lift in fitted.fits.values():
        assert 1 <= fitted_lift.iterations <= TREES.iterations
        looks = [place for place, _ in fitted_lift.selection_loss]
        assert looks == [10, 20, 30][: len(looks)]
        # Growing ends once nothing has been gained for a while, and never before.
        assert len(looks) == 3 or fitted_lift.iterations <= looks[-1] + 10
        assert fitted_lift.lift.text.count("Tree=") == fitted_lift.iterations
