"""The gate of lists: hits worked out by hand, and what a challenger's lists may lose against the champion's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import make_bundle
from onward.deployment.list_gate import ListLimits, judge_bundle_lists, judge_served_lists
from onward.evaluation.related_quality import Outcome
from onward.ranking.list_names import AFTER, GOES_WITH

LIMITS = ListLimits(max_hit_rate_loss=0.03, max_lift_loss=0.15)
BUNDLE = make_bundle()
IDS = [f"p{number}" for number in range(6)]
COLUMNS = ["query", "customer", "source_product_id", "relation", "product_id"]


def by_hand():
    """Queries of the tiny bundle's lists: goes_with 0: 2 5 4, 1: 2, 2: 3 0 4 and after 0: 2 5, 2: 3 4."""
    answers = pd.DataFrame(
        [
            (3, 1, "p0", "basket", "p2"), (3, 1, "p0", "basket", "p4"),  # both listed
            (5, 1, "p1", "basket", "p3"),  # not listed
            (8, 2, "p2", "basket", "p0"), (8, 2, "p2", "basket", "p5"),  # one of two, in second place
            (9, 2, "new", "basket", "p2"),  # the bundle does not know what is asked about
            (3, 1, "p0", "later", "p5"),  # in second place
            (8, 2, "p2", "later", "p3"), (8, 2, "p2", "later", "new"),  # one of two, the other unknown
        ],
        columns=COLUMNS,
    )  # fmt: skip
    chance = pd.DataFrame({
        "product_id": ["p5", "p4", "new", "p3", "p2", "p1", "p0"],
        "basket": [0.05, 0.1, 0.05, 0.2, 0.3, 0.1, 0.2],
        "later": [0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.1],
    })  # fmt: skip
    return answers, chance


def test_lists_are_worth_what_their_hits_are_by_hand():
    found = judge_bundle_lists(BUNDLE, *by_hand())
    assert set(found) == {"basket", "later"}
    basket, later = found["basket"], found["later"]
    assert basket.answered.tolist() == [1, 1, 1, 1]
    assert basket.hits.tolist() == [2, 0, 1, 0]
    assert basket.hr.tolist() == [1, 0, 1, 0]
    assert basket.mrr.tolist() == [1, 0, 0.5, 0]
    np.testing.assert_allclose(basket.expected, [2 * (0.3 + 0.05 + 0.1), 0.3, 2 * (0.2 + 0.2 + 0.1), 0])
    assert later.hits.tolist() == [1, 1]
    assert later.mrr.tolist() == [0.5, 1]
    np.testing.assert_allclose(later.expected, [0.2 + 0.1, 2 * (0.2 + 0.1)])


def test_neither_the_order_of_answers_and_products_nor_the_bundles_own_numbers_matter():
    answers, chance = by_hand()
    mixed = answers.sample(frac=1.0, random_state=3, ignore_index=True), chance.sample(frac=1.0, random_state=3)
    number = np.array([4, 2, 0, 5, 1, 3])  # of each product in a bundle that counts them otherwise
    products = BUNDLE.products.iloc[np.argsort(number)].reset_index(drop=True)
    table = BUNDLE.lists.table
    table = table.assign(product=number[table["product"]], other=number[table["other"]])
    given = np.append(number, -1)[BUNDLE.lists.stands_for][np.argsort(number)]
    other = replace(BUNDLE, products=products, lists=replace(BUNDLE.lists, table=table, stands_for=given))
    expected = judge_bundle_lists(BUNDLE, answers, chance)
    for bundle in (BUNDLE, other):
        for relation, outcome in judge_bundle_lists(bundle, *mixed).items():
            for name in Outcome.__annotations__:
                np.testing.assert_allclose(getattr(outcome, name), getattr(expected[relation], name), rtol=1e-12)


def test_what_the_bundle_does_not_know_is_never_given_the_last_products_lists():
    lists = replace(BUNDLE.lists, stands_for=np.array([0, 1, 2, 3, 2, 0]))
    found = judge_bundle_lists(replace(BUNDLE, lists=lists), *by_hand())["basket"]
    assert (found.hits[3], found.expected[3]) == (0, 0)


def listing(goes_with, after):
    """The tiny bundle with other lists: of each source, its products in order."""
    rows = [
        (product, name, rank, other)
        for name, lists in ((GOES_WITH, goes_with), (AFTER, after))
        for product, others in lists.items()
        for rank, other in enumerate(others, 1)
    ]
    table = pd.DataFrame(rows, columns=["product", "list", "rank", "other"])
    return replace(BUNDLE, lists=replace(BUNDLE.lists, table=table))


GOOD = {0: [2, 4], 1: [2, 3], 2: [3, 0]}
CHANCE = pd.DataFrame({"product_id": IDS, "basket": 1 / 6, "later": 1 / 6})


def make_answers():
    """One product a query: the first that GOOD names in 6 of 10, its second in 2, and what nobody lists else."""
    rng = np.random.default_rng(2)
    rows = [
        (query, query % 60, f"p{source}", relation, f"p{[*GOOD[source], 5][rng.choice(3, p=[0.6, 0.2, 0.2])]}")
        for relation in ("basket", "later")
        for query, source in enumerate(rng.integers(0, 3, 600).tolist())
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


ANSWERS = make_answers()


def verdict(challenger, champion=None, limits=LIMITS, answers=ANSWERS):
    new, old = (None if each is None else judge_bundle_lists(each, answers, CHANCE) for each in (challenger, champion))
    return judge_served_lists(answers, new, old, limits, samples=100, seed=1)


def refusals(result):
    return [reason for reason in result.reasons if reason.startswith("refused")]


def test_the_champions_own_lists_pass_with_gains_of_exactly_nothing():
    none = ListLimits(max_hit_rate_loss=0.0, max_lift_loss=0.0)
    result = verdict(listing(GOOD, GOOD), listing(GOOD, GOOD), none)
    assert result.promote
    gains = {name: figure for name, figure in result.figures.items() if name.endswith("_gain")}
    assert set(gains) == {f"{name}_{metric}10_gain" for name in (GOES_WITH, AFTER) for metric in ("hr", "lift")}
    assert all(figure == {"value": 0.0, "low": 0.0, "high": 0.0} for figure in gains.values())
    assert len(result.reasons) == 5


SHORT = {source: others[:1] for source, others in GOOD.items()}  # fewer hits, and more of them than chance has
LONG = {source: [*others, *{1, 3, 4, 5} - {source, *others}] for source, others in GOOD.items()}  # the other way round


@pytest.mark.parametrize(
    ("goes_with", "after", "reason"),
    [
        (SHORT, GOOD, "refused: goes_with: hit rate at ten moves by -0.2"),
        (GOOD, SHORT, "refused: after: hit rate at ten moves by -0.2"),
        (LONG, GOOD, "refused: goes_with: lift at ten moves by -"),
        (GOOD, LONG, "refused: after: lift at ten moves by -"),
    ],
)
def test_lists_that_hit_less_or_say_less_than_the_champions_are_refused_for_that_alone(goes_with, after, reason):
    result = verdict(listing(goes_with, after), listing(GOOD, GOOD))
    assert not result.promote
    (said,) = refusals(result)
    assert said.startswith(reason)
    assert result.reasons[0] == said
    # The other way round the same check passes: the champion would have been worse.
    assert not any(
        reason.split(" moves")[0] in each for each in refusals(verdict(listing(GOOD, GOOD), listing(goes_with, after)))
    )


def test_a_loss_within_the_limits_passes():
    result = verdict(listing(SHORT, GOOD), listing(GOOD, GOOD), ListLimits(0.3, 0.15))
    assert result.promote
    assert result.figures["goes_with_hr10_gain"]["high"] < 0
    assert result.figures["goes_with_lift10_gain"]["low"] > 0


def test_without_a_champions_lists_only_chance_has_to_be_beaten():
    result = verdict(listing(SHORT, SHORT))
    assert result.promote
    assert [reason.split(": ")[:2] for reason in result.reasons] == [["passed", "goes_with"]]
    assert set(result.figures) == {f"{name}_{metric}10" for name in (GOES_WITH, AFTER) for metric in ("hr", "lift")}


EVERYTHING = {source: [number for number in range(6) if number != source] for source in GOOD}


def judged_at_even_chance(lists, champion=None):
    chance = CHANCE.assign(basket=0.2, later=0.2)  # so that a list of everything is worth just what chance is
    new, old = (
        None if each is None else judge_bundle_lists(listing(each, GOOD), ANSWERS, chance) for each in (lists, champion)
    )
    return judge_served_lists(ANSWERS, new, old, LIMITS, samples=100, seed=1)


@pytest.mark.parametrize("lists", [{3: [2]}, {0: [1], 1: [0]}], ids=["nothing", "what nobody takes"])
def test_lists_below_chance_beyond_doubt_are_refused_with_a_champion_or_without(lists):
    for champion in (None, GOOD):
        result = judged_at_even_chance(lists, champion)
        assert not result.promote
        assert any("may not be below chance beyond doubt" in reason for reason in refusals(result))


def test_lists_as_good_as_chance_keep_nobody_from_a_first_model_but_take_no_champions_place():
    assert judged_at_even_chance(EVERYTHING).promote
    assert not judged_at_even_chance(EVERYTHING, GOOD).promote


@pytest.mark.parametrize("champion", [None, GOOD], ids=["first", "against a champion"])
@pytest.mark.parametrize(
    ("relations", "left_out"), [(["basket"], (AFTER,)), (["later"], (GOES_WITH,)), ([], (GOES_WITH, AFTER))]
)
def test_lists_without_answers_are_promoted_and_said_not_to_be_judged(relations, left_out, champion):
    answers = ANSWERS[ANSWERS["relation"].isin(relations)]
    lists = [{} if name in left_out else GOOD for name in (GOES_WITH, AFTER)]
    result = verdict(listing(*lists), champion and listing(champion, champion), answers=answers)
    assert result.promote
    assert result.not_judged == left_out
    said = [reason for reason in result.reasons if reason.startswith("not judged")]
    assert [reason.split(": ")[1] for reason in said] == list(left_out)
    assert all("lists could not be judged: no answers" in reason for reason in said)
    assert not any(name.startswith(each) for name in result.figures for each in left_out)


def test_lists_with_answers_are_all_judged():
    assert verdict(listing(GOOD, GOOD)).not_judged == ()
