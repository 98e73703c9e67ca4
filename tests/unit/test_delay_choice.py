"""What a log is asked before its unfinished labels are counted, and what follows from its answers."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from onward.boosting import Boosting
from onward.delay.choice import MANY_CONVERSIONS, choose_plan, settle
from onward.delay.engagement import read_engagements
from onward.delay.evidence import NO_EVIDENCE, Evidence, compare
from onward.delay.learning import NuisanceModels, ObservedData, learn
from onward.delay.outcomes import observe_outcomes
from onward.delay.plan import Plan, Positives
from onward.delay.window import Window, see_window

AS_OF = datetime(2024, 5, 1)
W = 10
BOOSTING = Boosting(iterations=60, learning_rate=0.1, leaves=6, min_rows_in_leaf=80, l2=1.0, seed=3, threads=1)
YES, NO = Evidence(0.3, 0.1), Evidence(0.1, 0.3)


FEW, MANY = Positives(5000, MANY_CONVERSIONS - 1.0), Positives(5000, MANY_CONVERSIONS)


@pytest.mark.parametrize(
    ("engagement", "recalibration", "weights", "positives", "estimator", "recalibrates"),
    [
        (NO, NO, NO_EVIDENCE, MANY, "soft_label_without_engagement", False),
        (YES, NO, NO_EVIDENCE, MANY, "soft_label", False),
        (NO, YES, NO, FEW, "soft_label_without_engagement", True),
        (YES, YES, NO, FEW, "soft_label", True),
        (NO, YES, NO, MANY, "fsiw", False),
        (YES, YES, NO, MANY, "importance_weight", False),
        (YES, YES, YES, FEW, "importance_weight", False),
        (YES, YES, Evidence(-0.3, 0.1), MANY, "soft_label", True),
    ],
)
def test_what_convinces_is_taken_and_where_the_log_cannot_tell_its_conversions_do(
    engagement: Evidence,
    recalibration: Evidence,
    weights: Evidence,
    positives: Positives,
    estimator: str,
    recalibrates: bool,
) -> None:
    plan = settle(engagement, recalibration, weights, positives)
    assert (plan.estimator, plan.recalibrates, plan.guards_delay) == (estimator, recalibrates, True)
    assert plan.independence == positives.independence
    assert plan.evidence == {"engagement": engagement, "recalibration": recalibration, "weights": weights}
    weighs = estimator in {"fsiw", "importance_weight"}
    taken = sum([engagement.convinces, recalibrates, weighs])
    assert plan.reason.count("not asked") == (weights == NO_EVIDENCE)
    assert plan.reason.count("(taken)") == taken
    assert f"as much as {positives.independent:.0f} independent ones" in plan.reason


def test_evidence_is_counted_by_customer() -> None:
    gains = np.random.default_rng(0).normal(0.1, 1.0, 400)
    alone = compare(np.arange(400), gains, np.zeros(400))
    assert alone.gain == pytest.approx(gains.mean())
    assert alone.error == pytest.approx(gains.std(ddof=1) / 20.0, rel=0.01)
    same = compare(np.repeat(np.arange(400), 25), np.repeat(gains, 25), np.zeros(10_000))
    assert same.gain == pytest.approx(alone.gain)
    assert same.error == pytest.approx(alone.error)


def test_what_does_not_differ_and_what_nobody_else_saw_do_not_convince() -> None:
    assert not compare(np.arange(9), np.ones(9), np.ones(9)).convinces
    assert compare(np.zeros(9, int), np.ones(9), np.zeros(9)) == NO_EVIDENCE
    assert compare(np.zeros(0, int), np.zeros(0), np.zeros(0)) == NO_EVIDENCE


@cache
def shop(tells: bool, more: float = 1.0, conversions: bool = True) -> tuple[ObservedData, NuisanceModels, Window]:
    """A shop of 60 days; engagement may tell of conversions, and the last ten days may convert `more` often."""
    draw, n = np.random.default_rng(5), 24_000
    age = np.sort(draw.uniform(0.01, 60.0, n))[::-1]
    keen = draw.random(n)
    converts = draw.random(n) < np.where(age < W, more, 1.0) * 0.25 * keen
    delay = draw.uniform(0.1, W, n)
    shown = np.datetime64(AS_OF, "us") - (age * 86_400e6).astype("timedelta64[us]")
    looks = np.flatnonzero(draw.random(n) < (np.where(converts, 0.8, 0.1) if tells else 0.2))
    looked_at = shown[looks] + (draw.uniform(0.1, 2.0, len(looks)) * 86_400e6).astype("timedelta64[us]")
    seen = np.flatnonzero(converts & (conversions | (age > W)))
    converted_at = shown[seen] + (delay[seen] * 86_400e6).astype("timedelta64[us]")
    outcomes = observe_outcomes(
        pd.DataFrame({"impression": np.arange(n), "shown_at": shown}),
        pd.DataFrame({"impression": seen, "converted_at": converted_at}),
        AS_OF,
        timedelta(days=W),
    )
    log = read_engagements(pd.DataFrame({"impression": looks, "kind": "look", "happened_at": looked_at}), AS_OF)
    names = ("keen", *(f"noise_{number}" for number in range(7)))  # few columns would hide each other from the trees
    data = ObservedData(outcomes, names, np.column_stack([keen, draw.random((n, 7))]).astype(np.float32), log)
    held = np.arange(n) % 5 == 0
    nuisances = learn(data, ~held, held, 2, BOOSTING)
    return data, nuisances, see_window(data, nuisances, outcomes.elapsed_days <= 20, np.ones(n, bool))


def ask(data: ObservedData, nuisances: NuisanceModels, window: Window, customers: int = 24_000) -> Plan:
    customer = np.arange(len(data.features)) % customers
    return choose_plan(data, nuisances, window, customer, 20.0, BOOSTING)


def test_engagement_is_used_where_it_tells_and_left_out_where_it_does_not() -> None:
    told, idle = ask(*shop(tells=True)), ask(*shop(tells=False))
    assert told.evidence["engagement"].convinces
    assert not idle.evidence["engagement"].convinces
    assert told.estimator in {"soft_label", "importance_weight"}
    assert idle.estimator in {"soft_label_without_engagement", "fsiw"}


def test_a_rate_that_jumped_is_followed_and_one_that_stands_still_is_not() -> None:
    jumped, still = ask(*shop(tells=False, more=1.8)), ask(*shop(tells=False))
    assert jumped.recalibrates or jumped.estimator == "fsiw"
    assert jumped.evidence["recalibration"].gain > 5.0 * jumped.evidence["recalibration"].error
    assert abs(still.evidence["recalibration"].gain) < 0.1 * jumped.evidence["recalibration"].gain
    if not still.evidence["recalibration"].convinces:
        assert still.evidence["weights"] == NO_EVIDENCE


def test_without_fresh_conversions_or_with_one_customer_the_simplest_way_is_taken() -> None:
    data, nuisances, window = shop(tells=False, conversions=False)
    for customers in (24_000, 1):
        plan = ask(data, nuisances, window, customers)
        assert (plan.estimator, plan.recalibrates) == ("soft_label_without_engagement", False)
        assert plan.evidence["recalibration"] == plan.evidence["weights"] == NO_EVIDENCE


def test_customers_that_nobody_may_learn_from_have_no_say() -> None:
    data, nuisances, window = shop(tells=True)
    mine = np.arange(len(window.row)) % 3 > 0
    part = replace(window, learning=mine)
    theirs = replace(window.snapshot, observed=np.where(mine, window.snapshot.observed, ~window.snapshot.observed))
    assert ask(data, nuisances, part) == ask(data, nuisances, replace(part, snapshot=theirs))


def test_the_same_log_gives_the_same_answer() -> None:
    assert ask(*shop(tells=True)) == ask(*shop(tells=True))
