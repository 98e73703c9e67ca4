import numpy as np
import pytest

from onward.ranking.sequence_counts import count_followers, histories


def test_counts_agree_with_counting_by_hand():
    generator = np.random.default_rng(0)
    sequences = [generator.integers(0, 9, size) for size in (1, 2, 7, 12, 30)]
    expected = np.zeros((9, 9))
    for sequence in sequences:
        for place, item in enumerate(sequence):
            for gap in range(1, 5):
                if place + gap < len(sequence) and sequence[place + gap] != item:
                    expected[item, sequence[place + gap]] += gap**-0.5
    assert count_followers(sequences, 9, 4, 0.5).adjacency.toarray() == pytest.approx(expected, rel=1e-5)


def test_customers_are_never_mixed_and_baskets_hold_what_each_bought():
    graph = count_followers([np.array([0, 1]), np.array([2])], 3, 5, 0.0)
    assert graph.edges.tolist() == [[0, 1]]
    assert graph.baskets.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]


def test_reversing_every_sequence_reverses_every_edge():
    sequences = [np.array([0, 1, 3, 2]), np.array([4, 1, 0])]
    forward, backward = (count_followers(each, 5, 3, 1.0) for each in (sequences, [s[::-1] for s in sequences]))
    assert forward.adjacency.toarray().tolist() == backward.adjacency.T.toarray().tolist()


def test_no_sequences_give_no_edges():
    assert len(count_followers([], 4, 3, 1.0).edges) == 0


def test_an_item_bought_twice_adds_up_in_the_history():
    assert histories([np.array([1, 0, 1])], 2, 0.5).toarray().tolist() == [[0.5, 1.25]]
