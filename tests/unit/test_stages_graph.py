"""Sources without impressions through every stage: what is known is kept apart, what is served is what is judged."""

import numpy as np
import pytest
import yaml
from small_graphs import ITEMS, NODES, ROOT, edge_list_project, sequences_project

from onward.artifacts import read_json, read_table
from onward.deployment.graph_lists import holds_graph_lists, read_graph_lists
from onward.deployment.registry import Registry
from onward.ranking.blend import BlendSettings
from onward.ranking.link_settings import LinkSettings
from onward.ranking.shortlist import RankerSettings
from onward.ranking.whole_graph import WholeGraphEncoder
from onward.stages import (
    calibrate_uncertainty,
    correct_label_delay,
    deploy,
    evaluate,
    fit_thresholds,
    graph_train,
    ingest,
    monitor,
    train_gnn,
)

STAGES = {
    "ingest": ingest, "correct_label_delay": correct_label_delay, "train_gnn": train_gnn,
    "calibrate_uncertainty": calibrate_uncertainty, "fit_thresholds": fit_thresholds, "evaluate": evaluate,
    "deploy": deploy, "monitor": monitor,
}  # fmt: skip
PASSING = ("correct_label_delay", "calibrate_uncertainty", "fit_thresholds", "monitor")
OUTPUTS = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
RANKERS = tuple(RankerSettings(iterations=20, min_rows_in_leaf=5, objective=each) for each in ("binary", "lambdarank"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    encoder = WholeGraphEncoder(dimension=8, coordinates=16, hops=2, rows=30, candidates=30)
    settings = LinkSettings(
        encoders=((9.0, encoder), (18.0, encoder)), rankers=RANKERS, learnt_edges=100,
        blends=(BlendSettings(iterations=20, bags=2), BlendSettings(iterations=20, bags=1, linear=False)),
    )  # fmt: skip
    monkeypatch.setattr(graph_train, "LinkSettings", lambda: settings)
    monkeypatch.setattr(graph_train, "RANKERS", RANKERS)


def run_all(layout, params):
    (layout.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return {name: stage.run(layout, params) for name, stage in STAGES.items()}


def made(folder, entries):
    paths = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]
    return {path for path in paths if (folder / path).exists()} == set(paths)


@pytest.fixture(params=["edge_list", "edge_list without attributes", "sequences"])
def finished(request, tmp_path):
    if request.param == "sequences":
        layout, params = sequences_project(tmp_path)
    else:
        layout, params = edge_list_project(tmp_path, attributes=request.param == "edge_list")
    return layout, params, run_all(layout, params)


def test_every_stage_writes_what_dvc_expects_and_says_so_in_a_line(finished):
    layout, params, lines = finished
    for name, stage in OUTPUTS.items():
        for part in ("outs", "metrics", "plots"):
            assert made(layout.root, stage.get(part, [])), (name, part)
        assert "\n" not in lines[name]
    for name in PASSING:
        assert "no impressions" in lines[name]
        assert "passed through" in lines[name]
    assert "no gate applies" in lines["deploy"]
    # Whoever reads lists finds every node's, best first, never the node itself.
    lists = read_graph_lists(layout.deployment / "bundle")
    assert holds_graph_lists(layout.deployment / "bundle")
    assert len(lists.nodes) == (ITEMS if params.run.source == "sequences" else NODES)
    assert (lists.lists["node"] != lists.lists["other"]).all()
    assert set(lists.lists["way"]) == {"after", "before"}
    champion = Registry(layout.registry).champion()
    assert champion.tags["source"] == params.run.source


def test_what_is_served_finds_what_was_held_out(finished):
    layout, params, _ = finished
    found = read_json(layout.metrics / "evaluation.json")
    if params.run.source == "sequences":
        assert found["previous item"]["hr@10"]["value"] > 0.9
        assert found["history"]["hr@10"]["low"] <= found["history"]["hr@10"]["value"]
        name, answer = read_graph_lists(layout.deployment / "bundle").answer("i3", 3)
        assert (name, answer["after"][0][0], answer["before"][0][0]) == ("i3", "i4", "i2")
    else:
        # A node leads to 20 of 60, a tenth of which are asked for: guessing would find half of them at best.
        assert found["pairs"]["auc"]["value"] > 0.8
        test = read_table(layout.backtest / "test.parquet")
        known = set(map(tuple, read_table(layout.serving / "edges.parquet").to_numpy().tolist()))
        asked = set(map(tuple, test.loc[test["edge"], ["source", "target"]].to_numpy().tolist()))
        assert not known & asked
        after = read_graph_lists(layout.deployment / "bundle").lists.query("way == 'after'")
        listed = set(map(tuple, after[["node", "other"]].to_numpy().tolist()))
        assert not known & listed
        assert len(asked & listed) / len(asked) > 0.5


def test_the_same_inputs_give_the_same_lists_and_one_version(finished):
    layout, params, _ = finished
    first = read_json(layout.deployment / "deployment.json")
    again = run_all(layout, params)
    assert read_json(layout.deployment / "deployment.json") == first
    assert "version 1 is champion" in again["deploy"]


def test_a_model_of_another_source_is_replaced_by_hand_alone(tmp_path):
    layout, params = sequences_project(tmp_path)
    run_all(layout, params)
    (tmp_path / "other").mkdir()
    there, asked = edge_list_project(tmp_path / "other")
    (there.root / "mlruns").symlink_to(layout.registry)
    assert "refused: in use is a model of sequences" in run_all(there, asked)["deploy"]


def test_a_list_is_the_order_that_was_judged(tmp_path):
    from onward.ranking.link_blend import LinkBlend
    from onward.stages.graph_files import read_fitted, read_known

    layout, params = edge_list_project(tmp_path)
    run_all(layout, params)
    known, _ = read_known(layout.serving)
    fitted = LinkBlend.restore(known, *read_fitted(layout.model), 1)
    scores = fitted.lists.method(np.array([5]))[0]
    after = read_graph_lists(layout.deployment / "bundle").lists.query("way == 'after' and node == 5")
    assert (np.diff(scores[after["other"]]) <= 0).all()
