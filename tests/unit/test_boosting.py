"""Trees: the same rows and settings give the same text, and the text gives the same scores."""

from dataclasses import replace

import numpy as np
import pytest

from onward.boosting import Boosting, Trees, bin_rows, grow, grow_while_better

BOOSTING = Boosting(
    iterations=30, learning_rate=0.1, leaves=4, min_rows_in_leaf=20, l2=1.0, seed=1, threads=1, feature_share=0.5
)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).random((2000, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def label(rows) -> np.ndarray:
    return (np.random.default_rng(1).random(len(rows)) < rows[:, 0]).astype(np.float32)


def test_trees_repeat_byte_for_byte_and_survive_as_text(rows, label):
    trees, again = (grow(bin_rows(rows, label, BOOSTING), BOOSTING) for _ in range(2))
    assert trees.to_text() == again.to_text()
    assert trees.to_text() != grow(bin_rows(rows, label, BOOSTING), replace(BOOSTING, feature_seed=2)).to_text()
    restored = Trees.from_text(trees.to_text())
    np.testing.assert_array_equal(restored.raw_score(rows, 1), trees.raw_score(rows, 1))
    np.testing.assert_allclose(restored.probability(rows, 1), 1.0 / (1.0 + np.exp(-trees.raw_score(rows, 1))))


def test_a_name_that_lightgbm_refuses_changes_nothing_else(rows, label):
    codes = np.floor(rows * 5)
    plain, odd = (
        grow(bin_rows(codes, label, BOOSTING, names=["a", "b", "c", last], categorical=[last]), BOOSTING)
        for last in ("d", 'attr_"size": {cm}')
    )
    np.testing.assert_array_equal(odd.raw_score(codes, 1), plain.raw_score(codes, 1))


def test_the_first_trees_and_the_rest_add_up(rows, label):
    trees = grow(bin_rows(rows, label, BOOSTING), BOOSTING)
    first, rest = trees.raw_score(rows, 1, iterations=10), trees.raw_score(rows, 1, first=10, iterations=20)
    np.testing.assert_allclose(first + rest, trees.raw_score(rows, 1))
    np.testing.assert_array_equal(Trees.from_text(trees.to_text(10)).raw_score(rows, 1), first)


def test_growing_ends_where_held_out_rows_are_served_no_more(rows, label):
    binned = bin_rows(rows[:300], label[:300], BOOSTING)
    many = replace(BOOSTING, iterations=500)
    trees, losses = grow_while_better(binned, bin_rows(rows[300:], label[300:], BOOSTING, like=binned), many, 5)
    assert trees.iterations == int(np.argmin(losses)) + 1
    assert len(losses) == trees.iterations + 5 < 500
