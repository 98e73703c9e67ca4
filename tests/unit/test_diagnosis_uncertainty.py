"""Whether doubt pays: dependence on the level at equal score, and what it is worth."""

from dataclasses import dataclass

import numpy as np
import pytest

from onward.diagnosis.uncertainty import chosen_search, diagnose_uncertainty, level_dependence
from onward.thresholds.held_out_gain import measure_gain
from onward.thresholds.target import Target


@dataclass(frozen=True)
class Gain:
    recall: float
    error: float
    p_value: float


def examples(effect, seed=0, rows=20_000, customers=500):
    generator = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-generator.normal(-2.5, 1.0, rows)))
    # The level goes with the score, as disagreement does.
    level = np.clip(np.floor(5 * score**0.3 + generator.normal(0.0, 1.0, rows)), 0, 4).astype(np.int64)
    chance = 1 / (1 + np.exp(-(np.log(score / (1 - score)) + effect * (level - 2))))
    return score, level, (generator.random(rows) < chance) * 1.0, generator.integers(0, customers, rows)


def gain_of(shop):
    return measure_gain(*shop, Target("precision", 0.2), levels=5, bins_per_level=20, seed=1)


def test_dependence_is_found_and_names_the_levels_that_convert_more():
    p_value, excess = level_dependence(*examples(0.4))
    assert p_value < 1e-6
    assert excess[0] < 0 < excess[-1]


def test_a_level_that_only_follows_the_score_says_nothing():
    p_value, excess = level_dependence(*examples(0.0))
    assert p_value > 0.01
    assert np.abs(excess).max() < 0.01


def test_doubt_pays_only_where_levels_tell_something_and_cuts_gain_by_it():
    shop = examples(0.6)
    assert diagnose_uncertainty(*shop, gain_of(shop)).yes
    assert not diagnose_uncertainty(*shop, Gain(0.001, 0.01, 0.46)).yes
    flat = examples(0.0)
    answer = diagnose_uncertainty(*flat, Gain(0.02, 0.002, 1e-9))
    assert not answer.yes
    assert "does not depend" in answer.sentence


@pytest.mark.parametrize("customers", [1, 3])
def test_too_few_customers_prove_nothing(customers):
    shop = examples(1.0, rows=300, customers=customers)
    assert not diagnose_uncertainty(*shop, gain_of(shop)).yes


def test_one_level_and_no_conversions_are_no():
    score, level, label, customer = examples(0.5)
    assert level_dependence(score, np.zeros_like(level), label, customer)[0] == 1.0
    nothing = (score, level, np.zeros_like(label), customer)
    assert not diagnose_uncertainty(*nothing, gain_of(nothing)).yes


@pytest.mark.parametrize("asked", ["single", "mist", "ew_dpmt", "vw_dpmt", "gmt"])
def test_only_auto_listens_to_the_answer(asked):
    assert {chosen_search(asked, doubt_pays=pays) for pays in (True, False)} == {asked}
    assert chosen_search("auto", doubt_pays=True) == "ew_dpmt"
    assert chosen_search("auto", doubt_pays=False) == "single"
