"""The benchmark of cold products on a made graph: what is hidden, what may be learnt, and what is told."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.direction import cold
from benchmarks.harness import trials
from onward.ranking.catalogue_ranker import RankerSettings

NODES, GROUPS = 200, 4
FEW = {name: cold.GRID[name][:1] for name in (cold.BASE, "attributes", "edges of the most alike targets")} | {
    "DropoutNet": (cold.DropoutNet(steps=20, rank=8),)
}


def made_graph(_folder=None):
    """Each group leads to the next, and the attributes tell the group."""
    generator = np.random.default_rng(0)
    group = np.arange(NODES) % GROUPS
    edges = np.argwhere((group[None, :] == (group[:, None] + 1) % GROUPS) & (generator.random((NODES, NODES)) < 0.3))
    attributes = (np.eye(GROUPS)[group] + 0.1 * generator.standard_normal((NODES, GROUPS))).astype(np.float32)
    return edges, NODES, attributes / np.linalg.norm(attributes, axis=1, keepdims=True)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    ranker = RankerSettings(iterations=40, leaves=8, min_rows_in_leaf=20)
    monkeypatch.setattr(cold, "SETS", {"made": made_graph})
    monkeypatch.setattr(cold, "GRID", FEW)
    monkeypatch.setattr(cold, "SETTINGS", replace(cold.SETTINGS, rankers=(ranker,), per_proposer=30))
    monkeypatch.setattr(cold, "SAMPLES", 50)
    return tmp_path


def test_nothing_that_is_fitted_sees_what_is_asked(quick, monkeypatch):
    fitted = []

    def spied(scores, graph):
        fitted.append(graph)
        return kept(scores, graph)

    kept = cold.fit_scores
    monkeypatch.setattr(cold, "fit_scores", spied)
    cold.judge("made", 1, quick)
    world = cold.World.of(made_graph(), 1)
    answers = set(map(tuple, world.tested.asked.tolist()))
    hidden = np.unique(world.tested.asked[:, 1])
    to_learn = 1 + 2 * cold.ROUNDS
    assert len(fitted) == to_learn + len(cold.REVEALED) + 1
    answers |= set(map(tuple, world.warm.tolist()))
    assert not np.isin(world.warm, hidden).any()
    for graph in fitted:
        assert not answers & set(map(tuple, graph.edges.tolist()))
    for graph in fitted[: to_learn + 1]:
        assert not np.isin(graph.edges, hidden).any(), "until edges are given back, nobody knows the tested nodes"
    picked_by = np.unique(world.picking.asked[:, 1])
    for graph in fitted[:to_learn]:
        assert not np.isin(graph.edges, picked_by).any(), "nothing learns from the nodes that settings are picked by"
    sizes = [len(graph.edges) for graph in fitted[to_learn:]]
    assert sizes == sorted(sizes), "edges come back and stay"
    assert sizes[0] < sizes[-1]


def test_what_is_taught_with_hidden_nodes_finds_them_and_what_is_taught_without_does_not(quick):
    trial = cold.judge("made", 1, quick)
    hits = trial["hits"]
    found = {method: np.mean(each) for method, each in hits["0"].items()}
    assert found[cold.BASE] == 0.0, "known nodes are rivals, and popular"
    assert found[cold.OURS] > 2.0 * found[cold.TAUGHT_WARM]
    assert np.mean(hits[str(cold.ALL)][cold.OURS]) > 0.0
    alone = {method: np.mean(each) for method, each in trial["shelf"]["hits"].items()}
    assert all(alone[method] >= found[method] for method in (cold.OURS, cold.TAUGHT_WARM)), "fewer rivals, more hits"
    known = {method: np.mean(each) for method, each in trial["warm"]["hits"].items()}
    assert known[cold.TAUGHT_WARM] > known[cold.OURS] > 0.0


def test_what_is_published_is_paired_with_the_rival_that_validation_picked(quick, monkeypatch):
    told = []
    monkeypatch.setattr(cold, "publish", told.append)
    monkeypatch.setattr(cold, "Trials", partial(trials.Trials, store=quick))
    monkeypatch.setattr("sys.argv", ["cold", "--data", str(quick), "--sets", "made", "--seeds", "1", "2"])
    cold.main()
    rows = {row["method"]: row for row in told[0].rows}
    assert rows[cold.RIVAL][cold.RATIO] == rows[cold.RIVAL][f"{cold.RATIO} low"] == 1.0
    assert rows[cold.RIVAL][cold.DIFFERENCE] == 0.0
    claims = told[0].claims
    assert claims["made_cold_ratio"] == pytest.approx(claims["made_cold_hr10"] / claims["made_rival_hr10"])
    assert rows[cold.RIVAL][f"alone {cold.RATIO}"] == 1.0
    assert claims["made_alone_ratio"] == pytest.approx(claims["made_alone_hr10"] / claims["made_alone_rival_hr10"])
    assert claims["cold_ratio_low"] == claims["made_alone_ratio_low"] <= claims["made_alone_ratio"]
    met = claims["made_alone_ratio"] >= cold.TARGET and claims["made_alone_ratio_low"] > 1.0
    assert claims["sets_met"] == float(met)
