"""The rule that asks whether a scorer is wrong where its uncertainty says so finds what is planted, and only that."""

import numpy as np
import pytest

from benchmarks.doubt.__main__ import simulated_verdict
from benchmarks.doubt.cases_picture import Case, draw
from onward.metrics.matched_volume import MatchedGain


@pytest.mark.statistical
def test_the_rule_finds_what_is_planted_and_nothing_else():
    fired = {
        kind: np.mean([simulated_verdict(kind, 900 + seed).pays for seed in range(10)])
        for kind in ("planted", "random", "following")
    }
    assert fired["planted"] >= 0.9
    assert fired["random"] == 0.0
    assert fired["following"] == 0.0


def test_the_picture_has_the_same_bytes_again(tmp_path):
    cases = [Case("well fitted", {"a cut a level": {0.01: MatchedGain(0.01, 0.002), 0.03: MatchedGain(-0.01, 0.002)}})]
    draw(cases, tmp_path / "a.svg")
    draw(cases, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
