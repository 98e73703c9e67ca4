"""The benchmark of cold products on a made graph: what is hidden, what may be learnt, and what is told."""

from functools import partial

import numpy as np
import pytest

from benchmarks.direction import cold as direction_cold
from benchmarks.harness import trials
from onward.ranking.whole_graph import WholeGraphEncoder

NODES, GROUPS = 120, 4


def made_graph(_folder=None):
    """Each group leads to the next, and the attributes tell the group."""
    generator = np.random.default_rng(0)
    group = np.arange(NODES) % GROUPS
    edges = np.argwhere((group[None, :] == (group[:, None] + 1) % GROUPS) & (generator.random((NODES, NODES)) < 0.5))
    attributes = (np.eye(GROUPS)[group] + 0.1 * generator.standard_normal((NODES, GROUPS))).astype(np.float32)
    return edges, NODES, attributes


@pytest.fixture
def quick(monkeypatch, tmp_path):
    small = partial(WholeGraphEncoder, dimension=8, coordinates=16, hops=2, rows=30, candidates=30)
    monkeypatch.setattr(direction_cold, "WholeGraphEncoder", small)
    monkeypatch.setattr(direction_cold, "Kept", partial(trials.Kept, store=tmp_path))
    monkeypatch.setattr(direction_cold, "NODES_A_STEP", 2.0)
    monkeypatch.setattr(direction_cold, "CATALOGUE", 200)
    monkeypatch.setattr(direction_cold, "TIMED", 3)
    monkeypatch.setattr(direction_cold, "SETS", {"made": (made_graph, (1, 2))})
    return tmp_path


def test_nothing_that_is_fitted_sees_an_edge_of_a_cold_node(quick, monkeypatch):
    fitted = []

    def spied(kind):
        def fit(self, graph):
            fitted.append(graph)
            return kind.fit(self, graph)

        return fit

    for kind in (trials.Kept, *{type(each) for each in direction_cold.BASELINES.values()}):
        monkeypatch.setattr(kind, "fit", spied(type("As", (), {"fit": kind.fit})))
    direction_cold.judge("made", 1, quick)
    edges = made_graph()[0]
    generator = np.random.default_rng([1, 0xC01D])
    cold = generator.permutation(NODES)[: round(direction_cold.COLD * NODES)]
    kept = edges[~np.isin(edges, cold).any(axis=1)]
    assert len(fitted) == 1 + len(direction_cold.BASELINES)
    assert fitted[0].nodes == NODES - len(cold)  # the encoder does not even know that cold nodes exist
    for graph in fitted:
        assert len(graph.edges) == len(kept)
        if graph.nodes == NODES:
            assert not np.isin(graph.edges, cold).any()


def test_attributes_find_a_cold_node_that_popularity_cannot(quick):
    found = direction_cold.judge("made", 1, quick)["hr@10"]
    for way in (direction_cold.AMONG_COLD, direction_cold.ASKING):
        assert found[way][direction_cold.ENCODER] > found[way]["popularity"]
    # Known nodes are the rivals in the first and not in the second.
    for method, among_cold in found[direction_cold.AMONG_COLD].items():
        assert among_cold >= found[direction_cold.ASKED_FOR][method]


def test_embeddings_that_attributes_tell_are_carried_over_and_known_ones_kept():
    generator = np.random.default_rng(1)
    attributes, weights = generator.standard_normal((200, 6)), generator.standard_normal((6, 8))
    learnt = (attributes @ weights)[:150], (attributes @ weights[::-1])[:150]
    known = np.arange(150)
    found, _ = direction_cold.carried_over(attributes, known, learnt)
    for way in (direction_cold.RIDGE, direction_cold.ALIKE):
        source, target = found[way].matrices
        assert np.allclose(source[:150], learnt[0], atol=1e-5)
        assert np.allclose(target.T[:150], learnt[1], atol=1e-5)
    source, target = found[direction_cold.RIDGE].matrices
    assert np.abs(source[150:] - (attributes @ weights)[150:]).max() < 0.1
    assert np.abs(target.T[150:] - (attributes @ weights[::-1])[150:]).max() < 0.1


def test_a_part_claims_no_ratio_over_all_sets(quick, monkeypatch):
    told = []
    monkeypatch.setattr(direction_cold, "publish", told.append)
    monkeypatch.setattr(direction_cold, "Trials", partial(trials.Trials, store=quick))
    monkeypatch.setattr(direction_cold, "pipeline_milliseconds", lambda: 0.5)
    sets = {**direction_cold.SETS, "other": (made_graph, (3,))}
    monkeypatch.setattr(direction_cold, "SETS", sets)
    for chosen in (["made"], ["made", "other"]):
        monkeypatch.setattr("sys.argv", ["direction_cold", "--data", str(quick), "--sets", *chosen])
        direction_cold.main()
    part, whole = (finding.claims for finding in told)
    assert "cold_hr10_ratio" not in part
    assert whole["cold_hr10_ratio"] == min(value for name, value in whole.items() if name.endswith("_ratio"))
    assert part["add_product_ms"] >= 0.5
    seeds = {row["data"]: row["seeds"] for row in told[1].rows}
    assert seeds == {"made": 2, "other": 1}
