"""Who judges, what is listed, and what leaving habits out gains: held against what is planted."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.related import strangers
from benchmarks.related.strangers import COUNTED, SERVED, STRANGERS, WITH_HABITS, AtClock
from onward.evaluation.listing import NOTHING
from onward.evaluation.related_quality import Outcome
from onward.ranking.customer_habits import CustomerHabits

CANDIDATES = np.array([10, 11, 12, 13])


def test_lists_of_a_model_with_fewer_candidates_are_read_in_the_clocks_numbers():
    """The model knows products 11 and 13 alone, by its own numbers 0 and 1."""
    fitted = SimpleNamespace(
        candidates=np.array([11, 13]),
        goes_with=lambda sources, count: np.where(np.arange(count) == 0, 1 - sources[:, None], -1),
    )
    data, judge = SimpleNamespace(candidates=CANDIDATES), SimpleNamespace(sources=np.array([0, 1, 3]))
    lists = strangers.goes_with(fitted, data, judge)
    assert lists[:, 0].tolist() == [NOTHING, 3, 1]
    assert (lists[:, 1:] == NOTHING).all()


def test_the_share_of_habits_is_that_of_entries_and_not_of_places():
    habits = CustomerHabits(np.array([10 * 20 + 12]), 20)
    lists = np.array([[1, 2], [0, NOTHING]])
    assert strangers.share_of_habits(np.array([10, 12]), lists, CANDIDATES, habits) == pytest.approx(2 / 3)


def made(hits):
    ones = np.ones(len(hits))
    hit = np.array(hits, dtype=float)
    return Outcome(ones, hit, 0.5 * ones, hit, hit, hit)


def test_what_leaving_habits_out_gains_is_paired_and_told_of_both_judges():
    few, many = [1, 0, 0, 0] * 10, [1, 1, 0, 0] * 10
    outcomes = {
        (COUNTED, SERVED): made(few), (COUNTED, WITH_HABITS): made(many),
        (STRANGERS, SERVED): made(many), (STRANGERS, WITH_HABITS): made(few),
    }  # fmt: skip
    rival = [made([1] * 30 + [0] * 10)]
    at_clock = AtClock(np.arange(40), outcomes, 0.25, {"BM25": rival})
    rows, claims = strangers.rows_and_claims([at_clock, at_clock], 50, 0)
    assert [(row["judged by"], row["lists"]) for row in rows] == list(outcomes)
    assert claims["habits_listed"] == 0.25
    # Served lists hit one stranger in two, as often as by chance; the rival hits more, at one and a half times chance.
    assert claims["strangers_at_equal_hits"] == pytest.approx(1.0 / 1.5 - 1.0)
    assert claims["strangers_hr"] == 0.5
    assert claims["strangers_hr_gain"] == -claims["counted_hr_gain"] == 0.25
    assert claims["strangers_hr_gain_low"] > 0 > claims["counted_hr_gain_high"]
