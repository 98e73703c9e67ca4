"""Sources without impressions through every stage: what is known is kept apart, what is served is what is judged."""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from builders.small_graphs import ITEMS, NODES, ROOT, edge_list_project, sequences_project
from onward.artifacts import read_json, read_table
from onward.cli import app
from onward.deployment.bundle_files import read_bundle
from onward.deployment.graph_lists import holds_graph_lists, read_graph_lists
from onward.deployment.registry import Registry
from onward.deployment.release import no_gate
from onward.errors import ArtifactError, DataError
from onward.ranking.blend import BlendSettings
from onward.ranking.catalogue_ranker import RankerSettings
from onward.ranking.link_blend import LinkBlend
from onward.ranking.link_settings import LinkSettings
from onward.ranking.whole_graph import WholeGraphEncoder
from onward.runs.protocol.finish import files_about
from onward.stages import (
    calibrate_uncertainty,
    correct_label_delay,
    deploy,
    evaluate,
    fingerprint_source,
    fit_thresholds,
    graph_train,
    ingest,
    monitor,
    train_gnn,
)
from onward.stages.graph_files import read_fitted, read_known

# Runs every stage for each kind of log, and again.
pytestmark = pytest.mark.slow

STAGES = {
    "fingerprint_source": fingerprint_source, "ingest": ingest, "correct_label_delay": correct_label_delay,
    "train_gnn": train_gnn, "calibrate_uncertainty": calibrate_uncertainty, "fit_thresholds": fit_thresholds,
    "evaluate": evaluate, "deploy": deploy, "monitor": monitor,
}  # fmt: skip
PASSING = ("correct_label_delay", "calibrate_uncertainty", "fit_thresholds", "monitor")
OUTPUTS = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
RANKERS = tuple(RankerSettings(iterations=20, min_rows_in_leaf=5, objective=each) for each in ("binary", "lambdarank"))


def quicken(monkeypatch):
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


@pytest.fixture(scope="module", params=["edge_list", "edge_list without attributes", "sequences"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    if request.param == "sequences":
        layout, params = sequences_project(folder)
    else:
        layout, params = edge_list_project(folder, attributes=request.param == "edge_list")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        yield layout, params, run_all(layout, params)


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
        # The order of the list is the order that was judged.
        split, _ = read_known(layout.serving)
        scores = LinkBlend.restore(split, *read_fitted(layout.model), 1).lists.method(np.array([5]))[0]
        assert (np.diff(scores[after.loc[after["node"] == 5, "other"]]) <= 0).all()


def test_the_same_inputs_give_the_same_lists_and_one_version(finished):
    layout, params, _ = finished
    first = read_json(layout.deployment / "deployment.json")
    again = run_all(layout, params)
    assert read_json(layout.deployment / "deployment.json") == first
    assert "version 1 is champion" in again["deploy"]


def test_lists_never_take_the_place_of_another_sources_model_by_themselves(finished):
    layout, params, _ = finished
    folder = layout.deployment / "bundle"
    assert no_gate(params.run.source, folder, {}).promote
    assert "only `onward promote`" in no_gate("complete_journey", folder, {}).reasons[0]
    # And the other way round: a shop's gate is told why there is nothing to compare with.
    with pytest.raises(DataError, match="lists of a graph"):
        read_bundle(folder)


def test_the_command_answers_from_the_lists_and_the_report_says_why_there_is_none(finished, monkeypatch):
    layout, *_ = finished
    monkeypatch.chdir(layout.root)
    node = read_graph_lists(layout.deployment / "bundle").nodes[3]
    said = CliRunner().invoke(app, ["recommend", node, "-n", "2"])
    assert said.exit_code == 0
    assert f"after {node}: " in said.stdout
    assert f"before {node}: " in said.stdout
    assert "without impressions" in said.stdout
    # A run of Airflow's then has no pages to hang on the version, and says so by the note.
    assert files_about(layout.root, pages=True) == ("artifacts/monitoring/passed_through.json", "run.json")
    refused = CliRunner().invoke(app, ["report"])
    assert isinstance(refused.exception, ArtifactError)
    assert "no impressions" in str(refused.exception)
