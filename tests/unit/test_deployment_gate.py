from dataclasses import replace

import numpy as np
import pytest

from onward.deployment.gate import Limits, Rows, Scored, Verdict, judge, refusal

LIMITS = Limits(max_nll_increase=0.0005, max_recall_loss=0.02, pcoc_low=0.8, pcoc_high=1.25)
RNG = np.random.default_rng(8)
CUSTOMER = RNG.integers(0, 400, 6000)
TRUE = RNG.beta(1.5, 12, 6000)
ROWS = Rows(CUSTOMER, (RNG.uniform(size=6000) < TRUE).astype(float))


def scored(probability: np.ndarray) -> Scored:
    return Scored(probability, probability, probability > 0.2)


GOOD = scored(TRUE)
# The same order, other sizes: one check fails and no other.
NOISY = scored(np.clip(TRUE * np.exp(np.random.default_rng(9).normal(0, 0.8, 6000)) / np.exp(0.32), 1e-4, 0.9))


def verdict(challenger, champion=None, rows=ROWS, limits=LIMITS):
    return judge(rows, challenger, champion, limits, samples=100, seed=1)


def refusals(result):
    return [reason for reason in result.reasons if reason.startswith("refused")]


def test_a_first_good_model_is_promoted_on_absolute_checks_alone():
    result = verdict(GOOD)
    assert result.promote
    assert len(result.reasons) == 3
    assert set(result.figures) == {"auc", "pcoc"}


def test_a_model_as_good_as_the_champion_is_promoted():
    result = verdict(GOOD, GOOD)
    assert result.promote
    assert result.figures["nll_increase"] == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("challenger", "champion", "word"),
    [
        (scored(np.full(6000, ROWS.label.mean())), None, "AUC"),
        (scored(1 - TRUE), None, "AUC"),
        (Scored(TRUE, TRUE * 2, GOOD.shown), None, "predicted over observed"),
        (Scored(TRUE, TRUE / 2, GOOD.shown), None, "predicted over observed"),
        (replace(GOOD, shown=np.zeros(6000, dtype=bool)), None, "policy shows"),
        (NOISY, GOOD, "NLL"),
        (NOISY, GOOD, "recall"),
    ],
)
def test_a_model_is_refused_for_each_reason_in_words_with_numbers(challenger, champion, word):
    result = verdict(challenger, champion)
    assert not result.promote
    assert any(word in reason and any(map(str.isdigit, reason)) for reason in refusals(result))
    assert result.reasons[0].startswith("refused")


def test_only_the_check_that_fails_refuses():
    assert [reason.split()[1] for reason in refusals(verdict(Scored(TRUE, TRUE * 2, GOOD.shown)))] == ["predicted"]


def test_a_better_challenger_replaces_a_worse_champion():
    assert verdict(GOOD, NOISY).promote


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_rows_of_one_kind_cannot_be_judged(label):
    result = verdict(GOOD, rows=Rows(CUSTOMER, np.full(6000, label)))
    assert not result.promote
    assert "nothing can be judged" in result.reasons[0]


def test_recall_is_compared_at_the_volume_of_the_challengers_policy():
    frugal = replace(GOOD, shown=np.sort(TRUE)[-11] < TRUE)
    assert "in the top 10 rows" in " ".join(verdict(frugal, GOOD).reasons)
    assert verdict(frugal, GOOD).figures["recall_gain"]["value"] == 0.0


def test_a_policy_that_shows_nothing_is_refused_for_that_alone_beside_a_champion():
    silent = replace(GOOD, shown=np.zeros(6000, dtype=bool))
    assert ["policy shows" in reason for reason in refusals(verdict(silent, GOOD))] == [True]


def test_two_verdicts_promote_together_only_if_both_would_and_what_failed_comes_first():
    good = Verdict.of([(True, "a"), (True, "b")], {"auc": {"value": 0.7}})
    bad = Verdict.of([(True, "c"), (False, "d")], {"hr": {"value": 0.1}})
    both = good.together_with(bad)
    assert both == Verdict(
        False,
        ("refused: d", "passed: a", "passed: b", "passed: c"),
        {"auc": {"value": 0.7}, "hr": {"value": 0.1}},
    )
    assert not bad.together_with(good).promote
    assert bad.together_with(refusal("e")).reasons == ("refused: d", "refused: e", "passed: c")
    assert good.together_with(Verdict.of([(True, "c")], {})).promote
    assert good.together_with(Verdict.of([], {})) == good


def test_what_could_not_be_judged_is_named_before_what_passed_and_keeps_nobody_out():
    good, silent = Verdict.of([(True, "a")], {}), Verdict.of([], {}, {"after": "no answers"})
    both = good.together_with(silent)
    assert both == Verdict(True, ("not judged: after: no answers", "passed: a"), {}, ("after",))
    refused = both.together_with(refusal("b"))
    assert refused.reasons == ("refused: b", "not judged: after: no answers", "passed: a")
    assert not refused.promote
    assert refused.not_judged == ("after",)
