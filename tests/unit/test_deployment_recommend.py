import contextlib
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import LISTS, NAMES, make_bundle, recommend
from onward.deployment.product_search import find_products
from onward.deployment.served_lists import no_lists
from onward.errors import DataError
from onward.serving.recommend import reason_for, recommend_all, word_for
from onward.thresholds.policy import Policy

IDS = [f"p{number}" for number in range(6)]
POPULARITY = [30, 40, 50, 20, 10, 5]
LIST_NAMES = ("goes_with", "after", "before", "instead")


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("milk", [1, 0]),  # the most popular first
        ("MILK whole", [0]),
        ("strawberry", [4]),
        ("butt", [3]),  # a part of a word
        ("p5", [5]),
        ("buter", [3]),  # a typing error
        ("whole mlik", [0]),  # one word is right
        ("fluid milk", [1, 0]),
        ("wole mlik", [0]),  # the whole looks alike
        ("strawbery jelly", [4]),  # a word looks alike
    ],
)
def test_products_are_found_by_what_people_type(words, expected):
    assert find_products(words, NAMES, IDS, POPULARITY) == expected


@pytest.mark.parametrize("words", ["whole meal", "qqqq"])
def test_a_large_catalogue_is_searched_in_a_moment(words):
    names = [f"Whole thing {number} of {number % 97}" for number in range(30_000)]
    started = time.monotonic()
    with contextlib.suppress(DataError):
        find_products(words, names, [str(number) for number in range(30_000)], np.ones(30_000))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("words", ["zzzz no such thing zzzz", "", "  "])
def test_a_product_that_does_not_exist_is_said_to(words):
    with pytest.raises(DataError, match="recommend:"):
        find_products(words, NAMES, IDS, POPULARITY)


@pytest.mark.parametrize("product", range(4))
def test_each_list_is_answered_in_its_order_with_its_score(bundle, product):
    answer = recommend(bundle, product, count=8)
    assert (answer.product_id, answer.name) == (IDS[product], NAMES[product])
    for name in LIST_NAMES:
        found = getattr(answer, name)
        wanted = [row for row in LISTS if row[:2] == (product, name)]
        assert [each.product_id for each in found] == [IDS[row[2]] for row in wanted]
        assert [each.name for each in found] == [NAMES[row[2]] for row in wanted]
        np.testing.assert_allclose([each.score for each in found], np.log([row[3] for row in wanted]), atol=1e-6)


def test_no_list_is_longer_than_asked_and_a_short_one_is_the_beginning_of_a_long_one(bundle):
    long, short = (recommend(bundle, 2, count=count) for count in (8, 1))
    for name in LIST_NAMES:
        assert getattr(short, name) == getattr(long, name)[:1]


def test_the_probability_is_the_mean_over_reference_contexts_of_being_shown_after_the_product(bundle):
    (butter,) = [each for each in recommend(bundle, 2, count=8).after if each.name == "Butter"]
    features = bundle.contexts.assign(target_sales_7d=np.float32(20), cat_target_category=np.float32(0))
    scored = bundle.score(features, ["p2"] * len(features), ["p3"] * len(features))
    assert butter.probability == pytest.approx(scored["probability"].mean(), abs=1e-12)


def test_what_comes_before_is_judged_as_the_source_and_the_product_as_what_is_shown(bundle):
    (milk,) = [each for each in recommend(bundle, 2, count=8).before if each.name == "Whole Milk"]
    (bread,) = [each for each in recommend(bundle, 0, count=8).after if each.name == "Bread"]
    assert (milk.probability, milk.low, milk.high, milk.level) == (
        bread.probability,
        bread.low,
        bread.high,
        bread.level,
    )


def test_the_same_pair_is_judged_alike_in_every_list(bundle):
    answer = recommend(bundle, 2, count=8)
    (after,), (with_it,) = (
        [each for each in found if each.name == "Butter"] for found in (answer.after, answer.goes_with)
    )
    assert replace(after, score=with_it.score, why=with_it.why) == with_it


def test_a_chance_lies_in_its_range(bundle):
    for answer in recommend_all(bundle.listed, range(6), 8, bundle.typical.scores):
        for each in (entry for name in LIST_NAMES for entry in getattr(answer, name)):
            assert 0 <= each.low <= each.probability <= each.high <= 1


def test_answers_do_not_depend_on_what_else_is_asked(bundle, monkeypatch):
    one_by_one = [recommend(bundle, product, count=3) for product in (4, 0, 5, 2, 2)]
    assert list(recommend_all(bundle.listed, [4, 0, 5, 2, 2], 3, bundle.typical.scores)) == one_by_one
    monkeypatch.setattr("onward.serving.recommend._PAIRS_AT_ONCE", 24)  # two products at a time
    assert list(recommend_all(bundle.listed, [4, 0, 5, 2, 2], 3, bundle.typical.scores)) == one_by_one
    assert list(recommend_all(bundle.listed, [], 3, bundle.typical.scores)) == []


def test_a_product_that_sells_too_little_is_given_its_types_lists_without_itself(bundle):
    bread, jam = recommend(bundle, 2, count=8), recommend(bundle, 4, count=8)
    assert (bread.of_its_type, jam.of_its_type) == (False, True)
    for name in LIST_NAMES:
        wanted = [each.name for each in getattr(bread, name) if each.name != NAMES[4]]
        assert [each.name for each in getattr(jam, name)] == wanted
    # Still, the chance is its own.
    assert jam.after[0].probability != bread.after[0].probability


def test_a_product_of_which_nothing_is_known_has_empty_lists_and_is_not_said_to_have_its_types(bundle):
    answer = recommend(bundle, 5, count=8)
    assert [getattr(answer, name) for name in LIST_NAMES] == [()] * 4
    assert not answer.of_its_type


def test_a_model_from_before_lists_says_what_to_do(bundle):
    old = replace(bundle, lists=no_lists(6))
    with pytest.raises(DataError, match="dvc repro"):
        recommend(old, 0, count=8)


@pytest.mark.parametrize(("cuts", "expected"), [((0.0, 0.0), "show"), ((float("inf"),) * 2, "don't show")])
def test_decisions_follow_the_policy_for_pairs_like_those_that_were_shown(cuts, expected):
    answer = recommend(make_bundle(cuts=cuts), 2, count=8)
    # Nothing of the bakery was ever shown after anything of the bakery.
    decisions = {each.name: each.decision for name in LIST_NAMES for each in getattr(answer, name)}
    assert decisions == {"Butter": expected, "Whole Milk": expected, "Oat Milk": expected, "Jam, Strawberry": "abstain"}


def test_likeness_to_what_was_shown_goes_one_way():
    bundle = make_bundle(cuts=(0.0, 0.0))
    shown = replace(bundle.lists, seen=pd.DataFrame({"source": ["dairy"], "target": ["bakery"]}))
    answer = recommend(replace(bundle, lists=shown).with_listed_scores(), 2, count=8)
    assert {each.decision for each in answer.after} == {"abstain"}
    assert {each.decision for each in answer.before} == {"show"}


def test_a_policy_with_a_band_abstains_in_it():
    never = (float("inf"),) * 2
    policy = Policy("ew_dpmt", 0.3, never, abstain_cuts=(0.0, 0.0))
    banded = replace(make_bundle(), policy=policy).with_listed_scores()
    assert {each.decision for each in recommend(banded, 0, count=8).after} == {"abstain"}
    features = banded.contexts.assign(target_sales_7d=np.float32(20), cat_target_category=np.float32(0))
    scored = banded.score(features, ["p2"] * len(features), ["p3"] * len(features))
    assert set(scored["decision"]) == {"abstain"}
    assert not scored["shown"].any()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("goes_with", 9.2, 214, 900), "in 214 baskets together, 9.2 times chance"),
        (("goes_with", 30.1, 2, 451), "their types are in 451 baskets together, 30 times chance"),
        (("goes_with", 1.4, 2, 2), "1.4 times chance, by what is like them"),
        (("after", 5.0, 12, 60), "12 times within 30 days after it, 5.0 times chance"),
        (("before", 5.0, 0, 60), "their types 60 times within 30 days before it, 5.0 times chance"),
        (("instead", 0.5, 0, 60), "of the same type"),
        (("instead", 2.0, 8, 30), "of the same type; in 8 baskets together, 2.0 times chance"),
    ],
)
def test_the_reason_says_what_was_counted_and_never_a_handful(said, expected):
    assert reason_for(*said, 30) == expected


def test_every_entry_gives_its_reason(bundle):
    answer = recommend(bundle, 2, count=8)
    assert [each.why for each in answer.goes_with] == [
        "in 214 baskets together, 9.2 times chance", "in 20 baskets together, 4.0 times chance",
        "in 8 baskets together, 3.0 times chance",
    ]  # fmt: skip
    assert answer.before[0].why == "9 times within 30 days before it, 3.0 times chance"


def test_levels_have_words_from_sure_to_unsure():
    assert [word_for(level, 5) for level in (0, 4)] == ["sure", "unsure"]
    assert word_for(0, 1) == "sure"


def test_names_that_look_alike_are_those_that_difflib_finds_among_all():
    from difflib import get_close_matches

    from onward.deployment.product_search import ProductNames

    drawn = np.random.default_rng(0)
    letters = np.array(list("abcdefgh ü"))
    names = ["".join(drawn.choice(letters, drawn.integers(3, 12))).strip() or "a" for _ in range(400)]
    search = ProductNames(names, [str(number) for number in range(400)], np.zeros(400))
    asked = ["".join(drawn.choice(letters[:8], 9)) for _ in range(100)]
    answered = 0
    for words in asked:
        if any(words in name for name in names):
            continue
        close = set(get_close_matches(words, sorted(set(names)), n=5, cutoff=0.6))
        if close:
            answered += 1
            assert {names[place] for place in search.find(words)} == close
    assert answered > 20
