"""What holds of rankings whatever the log: no look ahead, time turned round, and what may stand in a list."""

from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import (
    CHAIN,
    CLOCK,
    DAYS,
    RULES,
    START,
    TREES,
    TYPES,
    WINDOW_START,
    as_purchases,
    fit,
    gathered,
    lesson_of,
    make_products,
    make_purchases,
    model_of,
    turned_round,
)
from onward.ranking import fitting, relations
from onward.ranking.evidence import pair_features
from onward.ranking.fitting import Learners, fit_ranking
from onward.ranking.list_names import LISTS
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings, related_lists

PRODUCTS = 8
ANY = replace(RULES, min_customers=1)
WINDOW_DAY = (WINDOW_START - START).days


def rows(first_day, last_day, products=PRODUCTS):
    each = st.tuples(st.integers(0, 5), st.integers(first_day, last_day), st.integers(0, products - 1))
    return st.lists(each, min_size=1, max_size=50)


paths = st.lists(
    st.sampled_from(["a > b > c", "a > b > d", "a > e > f", "g", None]), min_size=PRODUCTS, max_size=PRODUCTS
).map(lambda drawn: ["a > b > c", *drawn[1:]])  # one type at least, as in the shop whose trees are borrowed
weights = st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted)


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 500)
        yield


@pytest.fixture(scope="module")
def lifts():
    """Trees that know what to make of any shop's evidence."""
    return fit(make_purchases(0), products=plain_products(make_products()["category"])).lifts


def plain_products(categories):
    return pd.DataFrame({"product": range(len(categories)), "category": pd.Series(list(categories), dtype="str")})


def model_of_shop(log, categories, lifts):
    evidence = gathered(as_purchases(log), rules=ANY, products=plain_products(categories), fresh_days=3)
    return RankingModel(evidence, lifts, 3, 1)


def arrays_of(value, name=""):
    """Every array and number inside a frozen dataclass, by where it stands."""
    if isinstance(value, sp.csr_matrix):
        return {f"{name}.{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
    if isinstance(value, tuple):
        parts = dict(enumerate(value))
    elif hasattr(value, "__dataclass_fields__"):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, dict):
        parts = value
    else:
        return {name: np.asarray(value)}
    return {place: found for key, part in parts.items() for place, found in arrays_of(part, f"{name}.{key}").items()}


def same_arrays(one, other):
    one, other = arrays_of(one), arrays_of(other)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def taught_by(log, order=None):
    """What `fit_ranking` serves, and what its relations were to learn from, trees left ungrown."""
    purchases, given_to = as_purchases(log), []
    if order is not None:
        purchases = purchases.sample(frac=1.0, random_state=order)
    learners = Learners(np.arange(4), np.arange(4, 6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit_lift", lambda *given: given_to.append(given))
        lesson = lesson_of(plain_products(["a > b"] * 3 + ["c"] * 5), purchases, learners, rules=ANY)
        served = fit_ranking(lesson, TREES, 0, 1)
    return served.evidence, [(evidence, learnt, selection) for evidence, learnt, selection, *_ in given_to]


@settings(max_examples=15)
@given(rows(0, DAYS - 1), rows(DAYS, DAYS + 30), st.integers(0, 99))
def test_nothing_from_the_clock_on_and_no_order_of_rows_changes_what_is_served_or_learnt_from(known, later, order):
    served, learnt_from = taught_by(known)
    again, learnt_again = taught_by([*known, *later], order)
    same_arrays(served, again)
    for one, other in zip(learnt_from, learnt_again, strict=True):
        for part, of_other in zip(one, other, strict=True):
            same_arrays(part, of_other)


@settings(max_examples=15)
@given(rows(0, WINDOW_DAY - 1), rows(WINDOW_DAY, DAYS - 1), rows(WINDOW_DAY, DAYS + 30))
def test_nothing_of_the_window_changes_a_feature_that_its_pairs_are_learnt_by(known, window, other_window):
    u, v = (each.ravel() for each in np.indices((PRODUCTS, PRODUCTS)))
    _, learnt_from = taught_by([*known, *window])
    _, learnt_again = taught_by([*known, *other_window])
    for (one, *_), (other, *_) in zip(learnt_from, learnt_again, strict=True):
        same_arrays(one, other)
        np.testing.assert_array_equal(pair_features(one, u, v), pair_features(other, u, v))


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_from_the_clock_on_changes_a_list(seed):
    log, rng = make_purchases(seed, 50), np.random.default_rng(seed)
    late = zip(rng.integers(0, 60, 500), rng.integers(DAYS, DAYS + 40, 500), rng.integers(0, 33, 500), strict=True)
    tables = []
    for purchases in (log, pd.concat([as_purchases([tuple(map(int, row)) for row in late]), log])):
        learners = Learners(np.arange(40), np.arange(40, 50))
        fitted = fit_ranking(lesson_of(make_products(), purchases, learners, seed=seed), TREES, seed, 1)
        tables.append(related_lists(model_of(fitted), np.arange(33), ListSettings(5, 0.25, directed=True)))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@settings(max_examples=20)
@given(rows(0, DAYS - 1), paths)
def test_turning_the_log_round_turns_every_count_of_what_follows_and_leaves_baskets(log, categories):
    products = plain_products(categories)
    there, back = (
        gathered(purchases, rules=ANY, products=products, fresh_days=0)
        for purchases in (as_purchases(log), turned_round(as_purchases(log)))
    )
    np.testing.assert_array_equal(there.candidates, back.candidates)
    for name in ("after", "next_visit"):
        for one, other in zip(getattr(there, name).counts, getattr(back, name).counts, strict=True):
            np.testing.assert_array_equal(one.observed.toarray(), other.observed.toarray().T)
            np.testing.assert_array_equal(one.left, other.right)
            np.testing.assert_array_equal(one.right, other.left)
            assert one.trials == other.trials
    same_arrays(there.cooccurrence.counts, back.cooccurrence.counts)
    same_arrays(there.shared, back.shared)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_turning_a_chain_round_swaps_what_comes_after_and_before(seed):
    log = make_purchases(seed)
    first, second, third = CHAIN
    leading = []
    for purchases in (log, turned_round(log)):
        setting = ListSettings(5, 0.25, directed=True)
        table = related_lists(model_of(fit(purchases, seed)), np.array(CHAIN), setting)
        lists = table.groupby(["product", "list"])["other"].agg(list)
        # The middle has one neighbour each way; the ends have two on one side, in any order, and none on the other.
        leading.append({
            (second, "after"): lists[second, "after"][:1], (second, "before"): lists[second, "before"][:1],
            (first, "after"): sorted(lists[first, "after"][:2]), (first, "before"): sorted(lists[first, "before"][:2]),
            (third, "after"): sorted(lists[third, "after"][:2]), (third, "before"): sorted(lists[third, "before"][:2]),
        })  # fmt: skip
    there, back = leading
    assert (there[second, "after"], there[second, "before"]) == ([third], [first])
    assert (back[second, "after"], back[second, "before"]) == ([first], [third])
    assert there[first, "after"] == back[first, "before"] == sorted([second, third])
    assert there[third, "before"] == back[third, "after"] == sorted([first, second])


@settings(max_examples=25)
@given(log=rows(0, DAYS - 1), categories=paths, count=st.integers(1, 6), weight=st.floats(0, 1), directed=st.booleans())
def test_what_may_stand_in_a_list(lifts, log, categories, count, weight, directed):
    model = model_of_shop(log, categories, lifts)
    sources = np.arange(PRODUCTS)
    if len(model.evidence.candidates) < 2:
        return
    table = related_lists(model, sources, ListSettings(count, weight, directed))
    kind = model.evidence.catalogue.kind
    known = kind >= 0
    assert set(table["other"]) <= set(model.evidence.candidates)
    for (product, name), found in table.groupby(["product", "list"]):
        others = found["other"].to_numpy()
        assert found["rank"].tolist() == list(range(1, len(found) + 1))
        assert len(found) <= count
        assert name in LISTS
        assert len(set(others)) == len(others)
        assert product not in others
        assert found["score"].is_monotonic_decreasing
        of_one_type = (kind[others] == kind[product]) & known[product]
        assert of_one_type.all() if name == "instead" else not of_one_type.any()
        if name != "instead":
            assert np.bincount(kind[others][known[others]], minlength=1).max() <= 2
            assert weight > 0.5 or (found["times"] >= 1.0).all()
    assert np.isfinite(table[["score", "times"]].to_numpy()).all()


@settings(max_examples=25)
@given(log=rows(0, DAYS - 1), categories=paths, weights=weights, count=st.integers(1, 6))
def test_popularity_of_an_order_grows_with_the_weight(lifts, log, categories, weights, count):
    """When w rises, a pair of candidates changes places at most once, and then the more popular one moves up."""
    model = model_of_shop(log, categories, lifts)
    sources = np.arange(PRODUCTS)
    if len(model.evidence.candidates) < 2:
        return
    for relation in ("together", "after"):
        share = model.popularity(relation)
        means = []
        for weight in weights:
            found = model.order(sources, relation, weight, count)
            means.append(np.where(found >= 0, share[found], 0.0).sum(axis=1))
        assert (np.diff(means, axis=0) >= -1e-9).all()


@pytest.mark.parametrize("name", LISTS)
def test_popularity_of_a_served_list_grows_with_the_weight(name):
    """At most two of a type is a matroid: the more popular of two that change places can only replace the other."""
    model = model_of(fit(make_purchases(0, 60), iterations=15))
    share = model.popularity("after" if name == "after" else "together")
    means = []
    for weight in (0.0, 0.1, 0.25, 0.5, 1.0):
        table = related_lists(model, np.arange(33), ListSettings(6, weight, directed=False))
        mine = table[table["list"] == name]
        listed = mine.assign(share=share[mine["other"]]).groupby("product")["share"].sum()
        means.append(listed.reindex(np.arange(33), fill_value=0.0).to_numpy())
    # Scores are compared as float64 but kept as float32.
    assert (np.diff(means, axis=0) >= -1e-9).all()
    assert means[-1].mean() > means[0].mean() or name == "instead"


@settings(max_examples=15)
@given(log=rows(0, DAYS - 1), categories=paths, shuffled=st.permutations(range(PRODUCTS)))
def test_new_numbers_for_products_change_no_feature(log, categories, shuffled):
    number = np.array(shuffled)
    renamed = [(customer, day, int(number[product])) for customer, day, product in log]
    # The price of a product is its own, whatever its number.
    one, other = as_purchases(log), as_purchases(renamed).assign(amount=as_purchases(log)["amount"])
    before = gathered(one, rules=ANY, products=plain_products(categories))
    after = gathered(other, rules=ANY, products=plain_products([categories[old] for old in np.argsort(number)]))
    # Strengths are fitted on pairs drawn by number, and lie on a grid.
    for name in ("cooccurrence", "after", "next_visit"):
        fixed = replace(getattr(after, name), strengths=getattr(before, name).strengths)
        after = replace(after, **{name: fixed})
    u, v = (each.ravel() for each in np.indices((PRODUCTS, PRODUCTS)))
    np.testing.assert_allclose(
        pair_features(after, number[u], number[v]), pair_features(before, u, v), rtol=1e-4, atol=1e-5
    )


def test_new_numbers_for_products_change_no_list(lifts):
    log, categories = make_purchases(0), make_products()["category"].tolist()
    number = np.random.default_rng(1).permutation(len(categories))
    renamed = log.assign(product=number[log["product"]])
    before = gathered(log, products=plain_products(categories))
    after = gathered(renamed, products=plain_products([categories[old] for old in np.argsort(number)]))
    for name in ("cooccurrence", "after", "next_visit"):
        after = replace(after, **{name: replace(getattr(after, name), strengths=getattr(before, name).strengths)})
    setting, everyone = ListSettings(5, 0.25, directed=False), np.arange(TYPES * 3)
    one, other = (related_lists(RankingModel(each, lifts, 33, 1), everyone, setting) for each in (before, after))
    turned = one.assign(product=number[one["product"]], other=number[one["other"]])
    key = ["product", "list", "rank"]
    both = turned.merge(other, on=key, suffixes=("", "_again"), how="outer")
    np.testing.assert_allclose(both["score"], both["score_again"], rtol=1e-4)
    # Ties go by number, so only they may change places.
    alone = ~both.duplicated(["product", "list", "score"], keep=False)
    assert (both["other"] == both["other_again"])[alone].all()


def test_what_is_bought_at_the_clock_itself_is_not_known():
    at = as_purchases([(0, DAYS, 0), (0, DAYS, 1), (1, DAYS - 1, 0)])
    at["purchased_at"] = at["purchased_at"].dt.normalize()
    evidence = gathered(at, CLOCK, ANY, plain_products(["a", "b"]))
    assert evidence.candidates.tolist() == [0]
    evidence = gathered(at, CLOCK + timedelta(microseconds=1), ANY, plain_products(["a", "b"]))
    assert evidence.candidates.tolist() == [0, 1]
