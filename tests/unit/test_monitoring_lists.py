"""Weeks of lists are judged as the gate judges, by what was known; a fall is found, and becomes one more signal."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from builders.planted_shop import FRESH_DAYS, make_products, make_purchases
from builders.watched_shop import (
    ASKING,
    IN_USE_FROM,
    LAST_DAY,
    MADE,
    bought,
    right_lists,
    shop,
    shuffled,
    weeks_of,
)
from onward.deployment import list_gate
from onward.evaluation.related_backtest import ProductBacktest, among, gate_queries
from onward.evaluation.related_comparison import Judging
from onward.evaluation.related_quality import judge_lists
from onward.evaluation.related_queries import Answers
from onward.evaluation.related_tuning import RelatedWindows
from onward.metrics.intervals import Interval
from onward.monitoring import list_weeks
from onward.monitoring.list_signal import LEAST_LISTED, see_lists, with_lists
from onward.monitoring.list_weeks import COUNT, ListWeek, closed_weeks, judge_week
from onward.monitoring.verdict import Verdict

MONDAY = IN_USE_FROM + 7 - (IN_USE_FROM + 3) % 7


def judged(lines, lists, start=MONDAY, as_of=LAST_DAY):
    return judge_week(bought(lines), start, dict.fromkeys(range(start, start + 7), 1), {1: lists}, MADE, ASKING, as_of)


def test_a_week_is_judged_by_the_gates_own_definitions():
    lines = make_purchases(3)
    lists = right_lists()
    weeks = {week.name: week for week in judged(lines, lists)}
    clock = pd.Timestamp(0) + pd.Timedelta(days=MONDAY)
    known, later = lines[lines["purchased_at"] < clock], lines[lines["purchased_at"] >= clock]
    backtest = ProductBacktest.of(
        known, later, make_products()["category"], np.zeros(0, np.int64), RelatedWindows(MONDAY, 7, ASKING.follow_days),
        min_customers=ASKING.min_customers, fresh_days=FRESH_DAYS,
    )  # fmt: skip
    answers, chance = gate_queries(backtest, pd.Series(np.arange(len(make_products()))), Judging((10,), 10**6, 1, 1, 1))
    assert list_weeks.JUDGED == list_gate.JUDGED
    assert list_gate._COUNT == COUNT
    for relation, name in list_gate.JUDGED.items():
        mine = answers[answers["relation"] == relation]
        _, first, row = np.unique(mine["query"], return_index=True, return_inverse=True)
        number = pd.Index(chance["product_id"]).get_indexer(mine["product_id"])
        order = np.lexsort((number, row))
        source = mine["source_product_id"].to_numpy()[first]
        rows = among(lists[name][source], backtest.candidates, backtest.products)
        outcome = judge_lists(rows, Answers(row[order], number[order]), chance[relation].to_numpy(), COUNT)
        assert outcome.hits.sum() > 20
        assert weeks[name].hits == outcome.hits.sum()
        assert weeks[name].lift.value == pytest.approx(outcome.hits.sum() / outcome.expected.sum())
        assert weeks[name].hit_rate.value == pytest.approx(outcome.hr.sum() / outcome.answered.sum())
        assert weeks[name].lift.low < weeks[name].lift.value < weeks[name].lift.high


def test_no_later_purchase_changes_a_week_and_answers_must_all_be_known():
    lines = make_purchases(3)
    as_of = MONDAY + 7 + ASKING.follow_days
    known = lines[lines["purchased_at"] < pd.Timestamp(0) + pd.Timedelta(days=as_of)]
    assert judged(known, right_lists(), as_of=as_of) == judged(lines, right_lists())
    # A day earlier what is bought later is not all there: of that list nothing is said, of the other one the same.
    a_day_earlier = judged(lines, right_lists(), as_of=as_of - 1)
    assert [week.name for week in a_day_earlier] == ["goes_with"]
    assert a_day_earlier[0] == judged(lines, right_lists())[0]


def test_only_whole_weeks_of_which_every_day_was_decided_are_judged():
    days = dict.fromkeys(range(MONDAY - 3, MONDAY + 14), 1)
    assert closed_weeks(days, MONDAY + 14) == [MONDAY, MONDAY + 7]
    assert closed_weeks(days, MONDAY + 13) == [MONDAY]
    assert closed_weeks({day: 1 for day in days if day != MONDAY + 2}, MONDAY + 14) == [MONDAY + 7]
    assert (date(1970, 1, 1) + timedelta(days=MONDAY)).weekday() == 0


def test_each_day_asks_the_version_that_was_in_use_on_it():
    lines = make_purchases(5)
    empty = {name: np.full_like(rows, -1) for name, rows in right_lists().items()}
    purchases = bought(lines)
    in_use = {day: 1 if day < MONDAY + 4 else 2 for day in range(MONDAY, MONDAY + 7)}
    (week, _) = judge_week(purchases, MONDAY, in_use, {1: right_lists(), 2: empty}, MADE, ASKING, LAST_DAY)
    whole = judged(lines, right_lists())[0]
    day = purchases.log.day
    asked = [((day >= first) & (day < end)).sum() for first, end in ((MONDAY, MONDAY + 4), (MONDAY, MONDAY + 7))]
    assert week.version == 2
    assert week.queries == whole.queries == asked[1]
    assert 0 < week.hits < whole.hits
    assert week.listed == pytest.approx(whole.listed * asked[0] / asked[1], rel=0.2)


def test_what_a_list_names_and_who_has_one_are_told():
    week = judged(make_purchases(3), right_lists())[0]
    # Twelve of the products are candidates on these lists; every other source has none.
    candidates = len(shop(3).candidates(MONDAY, ASKING.min_customers))
    assert week.coverage == pytest.approx(12 / candidates)
    assert 0.2 < week.listed < 0.9


def week_of(number, lift, name="goes_with", listed=1.0, hits=600.0, version=1):
    bounds = Interval(lift, lift * 0.9, lift * 1.1)
    return ListWeek(
        MONDAY + 7 * number,
        name,
        version,
        5000,
        listed,
        0.99,
        0.5,
        hits,
        hits / lift,
        0.04,
        bounds,
        Interval(0.3, 0.28, 0.32),
    )


PROMISED = {"goes_with": Interval(3.5, 3.1, 4.0)}


def test_a_fall_below_the_gates_promise_is_found_in_the_first_week():
    seen = see_lists([week_of(0, 1.2)], PROMISED, 0.05)
    assert seen.verdict is Verdict.CHANGED
    assert seen.since == date(1970, 1, 1) + timedelta(days=MONDAY)
    assert seen.statistic > 1
    assert "3.50 at the gate" in seen.reason
    assert see_lists([week_of(0, 3.3)], PROMISED, 0.05).verdict is Verdict.OK
    assert see_lists([week_of(0, 1.2)], {}, 0.05).verdict is Verdict.INCONCLUSIVE
    assert see_lists([], PROMISED, 0.05).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("promised", [PROMISED, {}])
def test_the_first_weaker_week_is_named_and_a_rise_is_no_weakening(promised):
    weeks = [week_of(number, 3.5 if number < 4 else 1.8) for number in range(7)]
    seen = see_lists(weeks, promised, 0.05)
    assert seen.verdict is Verdict.CHANGED
    assert seen.since == date(1970, 1, 1) + timedelta(days=weeks[4].start)
    risen = [week_of(number, 3.5 if number < 4 else 7.0) for number in range(7)]
    assert see_lists(risen, promised, 0.05).verdict is Verdict.OK


def test_products_that_the_version_does_not_know_are_found_though_lift_stays():
    weeks = [week_of(number, 3.5, listed=share) for number, share in enumerate((0.99, 0.9, 0.75, 0.7))]
    seen = see_lists(weeks, PROMISED, 0.05)
    assert seen.verdict is Verdict.CHANGED
    assert seen.since == date(1970, 1, 1) + timedelta(days=weeks[2].start)
    assert seen.statistic == pytest.approx((1 - 0.7 / 0.99) / (1 - LEAST_LISTED))
    assert see_lists([replace(week, listed=0.785) for week in weeks], PROMISED, 0.05).verdict is Verdict.OK


def test_weaker_lists_are_a_signal_and_the_cause_where_nothing_else_is():
    seen = see_lists([week_of(0, 1.2)], PROMISED, 0.05)
    quiet = {"cause": None, "since": None, "reason": "no level moved", "signals": [{"name": "labels"}]}
    told = with_lists(quiet, seen)
    assert [signal["name"] for signal in told["signals"]] == ["labels", "lists"]
    assert (told["cause"], told["since"]) == ("lists", str(seen.since))
    loud = {**quiet, "cause": "positivity", "since": "2017-11-01", "reason": "level 3"}
    told = with_lists(loud, seen)
    assert (told["cause"], told["since"], told["reason"]) == ("positivity", "2017-11-01", "level 3")
    assert told["signals"][-1]["verdict"] == "changed"


def test_shuffled_lists_fall_and_unchanged_ones_do_not():
    purchases = shop(11)
    changes_on = MONDAY + 7 * 6
    lists = {1: right_lists(), 2: shuffled(right_lists(), 0)}
    broken = see_lists(weeks_of(purchases, lists, changes_on), {}, 0.05)
    assert broken.verdict is Verdict.CHANGED
    assert broken.since == date(1970, 1, 1) + timedelta(days=changes_on)
    assert see_lists(weeks_of(purchases, {1: right_lists()}), {}, 0.05).verdict is Verdict.OK
