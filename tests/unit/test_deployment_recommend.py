import contextlib
import time
from dataclasses import replace

import numpy as np
import pytest
from tiny_bundle import NAMES, make_bundle

from onward.deployment.product_search import find_products
from onward.deployment.recommend import candidates, recommend, word_for
from onward.errors import DataError
from onward.thresholds.policy import Policy

IDS = [f"p{number}" for number in range(6)]
POPULARITY = [30, 40, 50, 20, 10, 5]


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


def test_after_follows_edges_forwards_and_before_backwards(bundle):
    answer = recommend(bundle, 2, count=8)
    assert answer.name == "Bread"
    after, before = candidates(bundle, 2)
    assert after[0] == 3
    assert before[:2].tolist() == [0, 1]
    assert {each.name for each in answer.after} == {NAMES[number] for number in after}


def test_the_probability_is_the_mean_over_reference_contexts(bundle):
    answer = recommend(bundle, 2, count=8)
    features = bundle.contexts.assign(target_sales_7d=np.float32(20), cat_target_category=np.float32(0))
    scored = bundle.score(features, ["p2"] * len(features), ["p3"] * len(features))
    (butter,) = [each for each in answer.after if each.name == "Butter"]
    assert butter.probability == pytest.approx(scored["probability"].mean(), abs=1e-12)


def test_answers_come_most_probable_first_inside_their_interval_and_no_more_than_asked(bundle):
    answer = recommend(bundle, 0, count=8)
    probabilities = [each.probability for each in answer.after]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= each.low <= each.probability <= each.high <= 1 for each in answer.after)
    assert recommend(bundle, 0, count=1).after == answer.after[:1]


def test_a_product_that_nobody_bought_is_answered_by_its_embedding(bundle):
    after, before = candidates(bundle, 5)
    relevance = bundle.embeddings.relevance_to_all(np.array([5]))[0]
    assert after[0] == np.argmax(relevance[:5])
    assert sorted(after) == sorted(before) == [0, 1, 2, 3, 4]
    assert len(recommend(bundle, 5, count=8).after) == 5


def test_a_product_without_edges_is_never_recommended(bundle):
    for product in range(6):
        after, before = candidates(bundle, product)
        assert 5 not in set(after) | set(before)
        assert product not in set(after) | set(before)
        assert len(set(after)) == len(after)


def test_a_catalogue_without_edges_has_no_answers(bundle):
    lonely = replace(bundle, graph=bundle.graph.without_edges(np.arange(bundle.graph.edges)))
    answer = recommend(lonely, 0, count=8)
    assert (answer.after, answer.before) == ((), ())


@pytest.mark.parametrize(("cuts", "expected"), [((0.0, 0.0), "show"), ((float("inf"),) * 2, "don't show")])
def test_decisions_follow_the_policy(cuts, expected):
    answer = recommend(make_bundle(cuts=cuts), 0, count=8)
    assert {each.decision for each in answer.after} == {expected}


def test_a_policy_with_a_band_abstains_in_it():
    never = (float("inf"),) * 2
    banded = replace(make_bundle(), policy=Policy("ew_dpmt", 0.3, never, abstain_cuts=(0.0, 0.0)))
    assert {each.decision for each in recommend(banded, 0, count=8).after} == {"abstain"}
    features = banded.contexts.assign(target_sales_7d=np.float32(20), cat_target_category=np.float32(0))
    scored = banded.score(features, ["p2"] * len(features), ["p3"] * len(features))
    assert set(scored["decision"]) == {"abstain"}
    assert not scored["shown"].any()


def test_levels_have_words_from_sure_to_unsure():
    assert [word_for(level, 5) for level in (0, 4)] == ["sure", "unsure"]
    assert word_for(0, 1) == "sure"
