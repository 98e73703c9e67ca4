"""Which way an edge goes, when degrees do not tell."""

import numpy as np

from benchmarks.direction.direction_blend import DirectionBlend, turned_round
from benchmarks.direction.direction_pairs import matched_weights
from onward.ranking.blend import BlendSettings
from onward.ranking.node_facts import NODE_FACTS

QUICK = BlendSettings(iterations=30, min_rows_in_leaf=10, bags=1, feature_share=1.0)


def made_rows(count, seed):
    """One score that is higher the right way, one that says nothing, and in-degrees, the first of the facts of a node,
    that are nearly always higher."""
    generator = np.random.default_rng(seed)
    there, back, noise, more = generator.random((4, count))
    facts = generator.integers(1, 20, (count, 2 * len(NODE_FACTS))).astype(np.float64)
    facts[:, len(NODE_FACTS)] = facts[:, 0] + 5 * (generator.random(count) < 0.9)
    return np.column_stack([there + 0.3, noise, back, more, facts]).astype(np.float32)


def test_a_pair_and_its_reverse_add_up_to_zero():
    rows = made_rows(300, 0)
    blend = DirectionBlend.fit(rows, np.ones(300), QUICK)
    assert np.array_equal(blend.predict(rows), -blend.predict(turned_round(rows)))


def test_it_finds_the_way_of_unseen_pairs():
    blend = DirectionBlend.fit(made_rows(2000, 1), np.ones(2000), QUICK)
    assert (blend.predict(made_rows(2000, 2)) > 0).mean() > 0.85


def test_weights_decide_whether_degrees_are_learnt():
    """With nothing but degrees to go by, matched training pairs leave nothing to learn."""
    rows = made_rows(3000, 3)
    in_degrees = rows[:, [4, 4 + len(NODE_FACTS)]]
    rows[:] = 0.0
    rows[:, [4, 4 + len(NODE_FACTS)]] = in_degrees
    in_degree = np.log1p(in_degrees[:, 1]) - np.log1p(in_degrees[:, 0])
    plain = DirectionBlend.fit(rows, np.ones(len(rows)), QUICK)
    matched = DirectionBlend.fit(rows, matched_weights([in_degree], 0.25), QUICK)
    weight = matched_weights([in_degree], 0.25)
    # A pair that is left undecided is right half of the time.
    right = [np.average(0.5 + 0.5 * np.sign(each.predict(rows)), weights=weight) for each in (plain, matched)]
    assert np.average(plain.predict(rows) > 0) > 0.8
    assert abs(right[1] - 0.5) < 0.15
