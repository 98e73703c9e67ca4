import numpy as np
import pytest

from onward.evaluation.decisions import decision_table
from onward.metrics.matched_volume import top_by_score


def test_rows_tied_at_the_cut_share_what_is_left_and_the_volume_is_kept():
    score = np.random.default_rng(0).integers(0, 6, 200) / 5
    for count in (0, 1, 57, 200):
        assert top_by_score(score, count).sum() == pytest.approx(count)


def test_precision_recall_and_volume_by_hand():
    label = np.array([1, 1, 0, 0, 1])
    shown = np.array([True, False, True, False, False])
    (row,) = decision_table(label, np.arange(5.0), {"mine": shown}, np.arange(5), 50, 0)
    assert (row["policy"], row["shown"], row["hits"]) == ("mine", 2, 1)
    assert row["precision"]["value"] == 0.5
    assert row["recall"]["value"] == pytest.approx(1 / 3)
    assert row["shown_share"]["value"] == 0.4


def test_a_policy_that_follows_the_score_gains_nothing_at_matched_volume_however_low_its_cut():
    rng = np.random.default_rng(1)
    score = rng.random(500)
    label = (rng.random(500) < score).astype(int)
    shown = {str(cut): score >= cut for cut in (0.2, 0.9)}
    for row in decision_table(label, score, shown, rng.integers(0, 50, 500), 50, 0):
        assert row["matched_volume_gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    low, high = (shown["0.2"] @ label, shown["0.9"] @ label)
    assert low > high  # their recalls differ, and only because of where the cut landed


def test_a_policy_that_knows_more_than_the_score_gains():
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 500)
    (row,) = decision_table(label, rng.random(500), {"oracle": label > 0}, np.arange(500), 200, 0)
    assert row["matched_volume_gain"]["low"] > 0.3


def test_a_policy_that_shows_nothing_has_no_precision():
    (row,) = decision_table(np.ones(4), np.arange(4.0), {"none": np.zeros(4, bool)}, np.arange(4), 20, 0)
    assert row["precision"]["value"] is None
    assert row["recall"]["value"] == 0.0
