import json
import math

import pytest

from onward.errors import DataError
from onward.thresholds.policy import Policy
from tools.testbeds.boundary_searches import search_single

POLICY = Policy("ew_dpmt", 0.08, (0.1, 0.2, math.inf))


def test_shows_at_or_above_the_cut_of_the_level():
    assert POLICY.decide([0.1, 0.1, 0.2, 1.0], [0, 1, 1, 2]).tolist() == [True, False, True, False]


def test_survives_json_which_knows_no_infinity():
    text = json.dumps(POLICY.to_dict(), allow_nan=False)
    assert json.loads(text)["cuts"] == [0.1, 0.2, None]
    assert Policy.from_dict(json.loads(text)) == POLICY


def test_reads_back_from_the_record_of_a_search():
    result = search_single([0.9, 0.1], [1.0, 0.0], 0.9, levels=2)
    assert Policy.from_dict(result.to_dict()) == Policy("single", 0.9, (0.9, 0.9))


@pytest.mark.parametrize("level", [-1, 3])
def test_a_level_it_does_not_know_is_refused(level):
    with pytest.raises(DataError, match=r"1 of 2 .* outside 0 .. 2"):
        POLICY.decide([0.5, 0.5], [0, level])


def test_the_band_between_two_boundaries_is_where_the_policy_abstains():
    upper, lower = Policy("mist", 0.2, (0.5, 0.4, math.inf)), Policy("mist", 0.1, (0.3, 0.6, 0.7))
    policy = Policy.with_band(upper, lower)
    assert policy.abstain_cuts == (0.3, 0.4, 0.7)
    answers = policy.answer([0.6, 0.4, 0.2, 0.5, 0.39, 0.8], [0, 0, 0, 1, 1, 2])
    assert answers.tolist() == ["show", "abstain", "don't show", "show", "don't show", "abstain"]
    assert policy.decide([0.6, 0.4], [0, 0]).tolist() == [True, False]
    assert Policy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
    assert "abstain_cuts" not in upper.to_dict()


def test_a_band_above_its_cut_is_refused():
    with pytest.raises(DataError, match="1 of them above"):
        Policy("mist", 0.2, (0.5, 0.4), (0.6, 0.1))
    with pytest.raises(DataError, match="1 abstain cuts for 2 cuts"):
        Policy("mist", 0.2, (0.5, 0.4), (0.1,))
