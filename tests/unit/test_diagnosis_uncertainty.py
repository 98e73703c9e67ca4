"""Whether doubt pays: dependence on uncertainty at equal score, and what mending the score by it is worth."""

import numpy as np
import pytest
from scipy.special import logit
from tests.builders.scored_shop import shop

from onward.diagnosis.uncertainty import dependence, diagnose_uncertainty, excess_by_uncertainty, judge_scorer


@pytest.mark.statistical
def test_z_is_standard_where_uncertainty_says_nothing_and_where_it_is_nearly_the_score():
    z = {"nothing": [], "score": []}
    for seed in range(60):
        score, unsure, label, customer = shop(100 + seed, 0.0, n=20_000)
        z["nothing"].append(dependence(score, unsure, label, customer))
        z["score"].append(dependence(score, logit(score) + 0.02 * unsure, label, customer))
    for values in z.values():
        assert abs(np.mean(values)) < 0.45  # 3.5 errors of the mean
        assert 0.7 < np.std(values) < 1.35


@pytest.mark.parametrize("bias", [-0.5, 0.5])
def test_a_scorer_that_is_wrong_by_its_uncertainty_is_found_and_the_answer_says_where(bias):
    rows = shop(10, bias)
    answer = diagnose_uncertainty(*rows, seed=1)
    assert answer.yes
    assert answer.low > 0.0
    assert np.sign(answer.figures["dependence_z"]) == -np.sign(bias)
    surest, least = answer.figures["surest_fifth"], answer.figures["least_sure_fifth"]
    assert (surest > 1.2 > 0.8 > least) if bias > 0 else (surest < 0.8 < 1.2 < least)
    assert f"{surest:.2f} times" in answer.sentence
    assert "the surest fifth" in answer.consequence


def test_a_scorer_that_is_right_is_left_alone():
    answer = diagnose_uncertainty(*shop(11, 0.0), seed=1)
    assert not answer.yes
    assert "does not depend" in answer.sentence
    assert "single" in answer.consequence


def test_what_depends_but_gains_nothing_does_not_pay():
    # A fifth of a log odds a standard deviation is seen in so many rows, and too little to change what is shown.
    score, unsure, label, customer = shop(12, 0.12)
    verdict = judge_scorer(score, unsure, label, customer, seed=1)
    assert abs(verdict.z) > 3.0
    assert verdict.gain.low <= 0.0
    assert not verdict.pays
    assert ", but recalibrating" in diagnose_uncertainty(score, unsure, label, customer, seed=1).sentence


def test_fifths_of_a_right_scorer_convert_like_others_of_their_score():
    score, unsure, label, _ = shop(13, 0.0)
    np.testing.assert_allclose(excess_by_uncertainty(score, unsure, label), 1.0, atol=0.08)


@pytest.mark.parametrize("customers", [1, 3])
def test_too_few_customers_prove_nothing(customers):
    score, unsure, label, _ = shop(14, 1.0, n=300)
    assert not diagnose_uncertainty(score, unsure, label, np.arange(300) % customers, seed=1).yes


def test_one_uncertainty_for_all_and_no_conversions_are_no():
    score, unsure, label, customer = shop(15, 0.5, n=5000)
    assert dependence(score, np.zeros_like(score), label, customer) == 0.0
    assert not diagnose_uncertainty(score, np.zeros_like(score), label, customer, seed=1).yes
    assert not diagnose_uncertainty(score, unsure, np.zeros_like(label), customer, seed=1).yes
