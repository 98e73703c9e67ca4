"""One blend for both matchings: the planted way of a made graph is learnt, and means are over splits."""

import numpy as np
import pytest

from benchmarks.direction import matched, which_way
from benchmarks.direction.which_way import MATCHED
from onward.ranking.blend import BlendSettings
from onward.ranking.link_split import random_split


def test_one_blend_tells_the_way_under_both_matchings(monkeypatch):
    quick = (BlendSettings(iterations=20, min_rows_in_leaf=5, bags=1),)
    for module in (matched, which_way):
        monkeypatch.setattr(module, "SETTINGS", quick)
    monkeypatch.setattr(which_way, "MOST_ROUNDS", 2)
    generator, nodes = np.random.default_rng(2), 90
    group = np.arange(nodes) % 3
    edges = np.argwhere((group[None, :] == (group[:, None] + 1) % 3) & (generator.random((nodes, nodes)) < 0.4))
    vectors = generator.random((nodes, 4)).astype(np.float32)
    trials = [
        matched.judge("made", random_split((edges, nodes, vectors), "made", number, 0.1, 0.2)) for number in (0, 1)
    ]
    rows = matched.rows_of("made", trials)
    assert rows[0]["splits"] == 2
    assert {"in-degree", "out-degree", "SpringRank, pull 2", matched.BLEND} <= {row["method"] for row in rows}
    claims = matched.claims_of("made", rows)
    for matching in MATCHED:
        name = f"made_{matching.replace(' ', '_')}"
        assert claims[name] > 0.8
        assert 0.5 < claims[f"{name}_low"] <= claims[name]
        assert 0 < claims[f"{name}_effective_pairs"] <= 0.2 * len(edges)
    blend = next(row for row in rows if row["method"] == matched.BLEND)
    assert blend[MATCHED[0]] == pytest.approx(
        np.mean([trial["found"][matched.BLEND][MATCHED[0]]["value"] for trial in trials])
    )


def test_alike_both_matchings_count_for_as_much():
    weights = {MATCHED[0]: np.array([0.0, 2.0, 0.0, 2.0]), MATCHED[1]: np.array([0.1, 0.1, 0.3, 0.3])}
    assert matched.alike(weights) == pytest.approx([0.5, 2.5, 1.5, 3.5])
    assert matched.alike(weights).sum() == pytest.approx(2 * 4)
