"""Served lists: best first, nothing known, and the way back by Bayes' rule."""

import numpy as np
import pytest
import scipy.sparse as sp

from onward.ranking.catalogue_ranker import OFF_THE_LIST
from onward.ranking.ranked_pairs import RankedPairs, best_after, chance_after, lists_of

SCORES = np.array([[9.0, 1.0, 2.0, 2.0], [OFF_THE_LIST, 5.0, OFF_THE_LIST, 1.0], [3.0, 4.0, 9.0, 9.0], [0.0] * 4])
KNOWN = sp.csr_matrix(np.eye(4, dtype=np.float32))


def test_lists_are_best_first_without_what_is_known_and_ties_go_by_number():
    known = KNOWN.tolil()
    known[2, 3] = 1
    found = best_after(lambda nodes: SCORES[nodes], known.tocsr(), 2)
    assert found.pairs.tolist() == [[0, 2], [0, 3], [1, 3], [2, 1], [2, 0], [3, 0], [3, 1]]
    assert found.score.tolist() == [2, 2, 1, 4, 3, 0, 0]


def test_before_is_after_turned_round_by_strength():
    ranked = RankedPairs(np.array([[0, 2], [0, 1], [1, 2], [3, 2]]), np.array([3.0, 1.0, 5.0, 2.0]))
    lists = lists_of(ranked, lambda found: -found.score, 2)
    rows = {(row.node, row.way, row.place): row.other for row in lists.itertuples()}
    assert rows == {
        (0, "after", 1): 2, (0, "after", 2): 1, (1, "after", 1): 2, (3, "after", 1): 2,
        (1, "before", 1): 0, (2, "before", 1): 3, (2, "before", 2): 0,
    }  # fmt: skip


def test_chance_weighs_the_share_of_a_list_by_how_often_its_node_comes():
    ranked = RankedPairs(np.array([[0, 2], [0, 1], [1, 2]]), np.log([3.0, 1.0, 7.0]))
    found = chance_after(ranked, np.array([7.0, 3.0, 0.0]))
    assert np.exp(found) == pytest.approx([0.75 * 8, 0.25 * 8, 1.0 * 4])
