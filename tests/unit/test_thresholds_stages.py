"""The two stages of doubt, on a shop small enough to write down."""

import shutil
from dataclasses import replace
from pathlib import Path

import grimp
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from onward.artifacts import StoredFiles, read_json, read_table, write_arrays, write_json, write_table, write_text
from onward.errors import ArtifactError, DataError, InfeasibleTargetError
from onward.graph.product_graph import ProductGraph
from onward.layout import Layout
from onward.model.embeddings import Embeddings
from onward.model.pair_features import scorer_frame
from onward.model.scorer import PairScorer, feature_matrix
from onward.model.trained_on import TrainedOn
from onward.params import read_params
from onward.stages import calibrate_uncertainty, fit_thresholds
from onward.thresholds.policy import Policy
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.uncertainty_model import UncertaintyModel

ROOT = Path(__file__).resolve().parents[2]
PARAMS = read_params(ROOT / "params.yaml")
PRODUCTS, IMPRESSIONS = 12, 3000


def params(**thresholds):
    settings = {"precision_target": 0.4, "bins_per_level": 10, **thresholds}
    return PARAMS.model_copy(update={"thresholds": PARAMS.thresholds.model_copy(update=settings)})


def small_shop(layout):
    rng = np.random.default_rng(5)
    source = rng.integers(0, PRODUCTS, IMPRESSIONS)
    target = (source + rng.integers(1, PRODUCTS, IMPRESSIONS)) % PRODUCTS
    shown_at = PARAMS.run.clock - pd.to_timedelta(np.sort(rng.uniform(0.1, 80.0, IMPRESSIONS))[::-1], unit="D")
    impressions = pd.DataFrame(
        {
            "impression": np.arange(IMPRESSIONS),
            "impression_id": [f"i{row}" for row in range(IMPRESSIONS)],
            "customer": rng.integers(0, 300, IMPRESSIONS),
            "split": rng.choice(["train", "selection", "calibrate", "threshold", "test"], IMPRESSIONS),
            "source": source.astype(np.int32),
            "target": target.astype(np.int32),
            "shown_at": shown_at,
        }
    )
    features = pd.DataFrame(
        {"impression": np.arange(IMPRESSIONS), "recency": rng.random(IMPRESSIONS).astype(np.float32)}
    )
    chance = 0.6 * features["recency"].to_numpy(np.float64) ** 2
    label = (rng.random(IMPRESSIONS) < chance) * 1.0
    expected = np.where(rng.random(IMPRESSIONS) < 0.3, chance, label).astype(np.float32)
    in_window = (impressions["shown_at"] >= PARAMS.run.training_start).to_numpy()
    outcomes = pd.DataFrame({"impression": impressions["impression"], "expected_label": expected})[in_window]

    edges = pd.DataFrame(
        {"source": [0, 1], "target": [1, 2], "support": 5.0, "reverse_support": 1.0, "expected": 2.0, "score": 1.5}
    )
    nodes = pd.DataFrame({"product": range(PRODUCTS), "customers": 20.0, "fresh_customers": 10.0})
    graph = ProductGraph.from_tables(PRODUCTS, edges, nodes)
    unit = rng.normal(size=(2, PRODUCTS, 4)).astype(np.float32)
    embeddings = Embeddings(unit[0], unit[1], np.ones((2, 4), np.float32))
    frame = scorer_frame(features, graph, embeddings, source, target)
    names = tuple(frame.columns)
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}
    heads = []
    for _ in range(3):
        rows = np.flatnonzero(impressions["split"] == "train")
        rows = rng.choice(rows, len(rows))
        data = lgb.Dataset(feature_matrix(frame, names)[rows], label=label[rows])
        heads.append(lgb.train({**fixed, "num_leaves": 7}, data, num_boost_round=15).model_to_string())
    scorer = PairScorer(tuple(heads), names, ())

    write_table(layout.serving / "impressions.parquet", impressions)
    write_table(layout.serving / "features.parquet", features)
    shelves = [f"{'food' if product % 3 else 'home'} > {product}" for product in range(PRODUCTS)]
    ids = [f"p{product}" for product in range(PRODUCTS)]
    products = pd.DataFrame({"product": range(PRODUCTS), "product_id": ids, "category": shelves})
    write_table(layout.serving / "products.parquet", products)
    write_json(layout.serving_log.categories, {})
    write_json(layout.trained_on, TrainedOn.of(PARAMS.run.as_of.isoformat(), products, {}).to_dict())
    write_table(layout.delay / "outcomes.parquet", outcomes.assign(state="negative", elapsed_days=1.0))
    write_table(layout.model / "edges.parquet", graph.edge_table())
    write_table(layout.model / "nodes.parquet", graph.node_table())
    write_arrays(layout.model / "embeddings.npz", embeddings.to_arrays())
    write_json(layout.model / "scorer.json", scorer.to_manifest())
    for i, head in enumerate(heads):
        write_text(layout.model / "heads" / f"head_{i}.txt", head)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("shop"))
    small_shop(layout)
    line = calibrate_uncertainty.run(layout, params())
    assert "5 levels" in line
    return layout


def test_a_kept_model_is_calibrated_on_customers_that_no_head_could_have_seen(shop, tmp_path):
    # A model of an earlier clock drew its heads by other numbers of customers: none of them is out of bag for certain.
    later = Layout(tmp_path / "later")
    shutil.copytree(shop.root, later.root)
    trained_on = read_json(later.trained_on)
    write_json(later.trained_on, {**trained_on, "as_of": "2017-11-13"})
    calibrate_uncertainty.run(later, params())
    strict = Layout(tmp_path / "strict")
    shutil.copytree(shop.root, strict.root)
    settings = PARAMS.uncertainty.model_copy(update={"out_of_bag": False})
    calibrate_uncertainty.run(strict, params().model_copy(update={"uncertainty": settings}))
    assert later.scores.read_bytes() == strict.scores.read_bytes()
    assert later.scores.read_bytes() != shop.scores.read_bytes()
    write_json(later.trained_on, {**trained_on, "catalogue_sha256": "0" * 64})
    with pytest.raises(DataError, match="run from train_gnn"):
        calibrate_uncertainty.run(later, params())


def test_scores_hold_out_customers_of_the_window_and_nobody_else(shop):
    scores = read_table(shop.uncertainty / "scores.parquet")
    impressions = read_table(shop.serving / "impressions.parquet")
    held_out = impressions["split"].isin(["calibrate", "threshold", "test"])
    wanted = impressions[held_out & (impressions["shown_at"] >= PARAMS.run.training_start)]
    assert scores["impression"].tolist() == wanted["impression"].tolist()
    assert scores["split"].tolist() == wanted["split"].tolist()
    assert list(scores.columns) == [
        "impression", "customer", "split", "score", "uncertainty", "level", "probability",
    ]  # fmt: skip
    assert str(scores["level"].dtype) == "int8"


def test_calibration_is_reported_on_customers_it_was_not_fitted_to(shop):
    metrics = read_json(shop.metrics / "calibration.json")
    scores = read_table(shop.uncertainty / "scores.parquet")
    assert metrics["threshold_split"]["all"]["examples"] == (scores["split"] == "threshold").sum()
    assert set(metrics["threshold_split"]) == {"all", "0", "1", "2", "3", "4"}
    assert metrics["calibrated_in_sample"]["pcoc"] == pytest.approx(1.0, abs=1e-3)
    assert metrics["threshold_split"]["all"]["pcoc"] == pytest.approx(1.0, abs=0.3)
    table = pd.read_csv(shop.plots / "reliability.csv")
    assert set(table["level"].astype(str)) == {"all", "0", "1", "2", "3", "4"}


@pytest.mark.parametrize("search", ["single", "mist", "ew_dpmt", "vw_dpmt", "gmt"])
def test_the_policy_is_that_of_the_chosen_search(shop, tmp_path, search):
    line = fit_thresholds.run(shop, params(search=search))
    assert line.startswith(f"{search} shows ")
    values, searches = (read_json(shop.thresholds / f"{name}.json") for name in ("policy", "searches"))
    policy = Policy.from_dict(values)
    assert values["feasible"] is True
    assert values["cuts"] == searches[search]["cuts"]
    assert set(searches) == {"single", "mist", "ew_dpmt", "ew_dpmt_random_levels", search}
    scores = read_table(shop.uncertainty / "scores.parquet").query("split == 'threshold'")
    outcomes = read_table(shop.delay / "outcomes.parquet")
    rows = scores.merge(outcomes, on="impression")
    shown = policy.decide(rows["score"], rows["level"])
    assert shown.sum() == values["shown"]
    assert rows["expected_label"][shown].mean() >= 0.4
    metrics = read_json(shop.metrics / "thresholds.json")
    assert metrics["searches"][search]["recall"] == searches[search]["recall"]
    assert set(pd.read_csv(shop.plots / "boundary.csv")["search"]) == set(searches)
    assert set(pd.read_csv(shop.plots / "operating_points.csv")["search"]) == set(searches)


def test_auto_takes_one_cut_and_the_policy_says_so(shop):
    fit_thresholds.run(shop, params(search="auto"))
    policy = read_json(shop.thresholds / "policy.json")
    assert (policy["search"], policy["search_asked"]) == ("single", "auto")
    assert len(policy["cuts"]) == 5
    assert read_json(shop.metrics / "thresholds.json")["search_asked"] == "auto"


@pytest.mark.parametrize(("pays", "search"), [(True, "auto"), (False, "auto"), (True, "single")])
def test_a_score_is_recalibrated_by_its_uncertainty_where_doubt_pays_and_auto_is_asked(
    shop, tmp_path, monkeypatch, pays, search
):
    answer = calibrate_uncertainty.diagnose_uncertainty
    monkeypatch.setattr(calibrate_uncertainty, "diagnose_uncertainty", lambda *rows: replace(answer(*rows), yes=pays))
    before = read_table(shop.scores)
    other = calibrated(shop, tmp_path, search=search)
    after, metrics = read_table(other.scores), read_json(other.metric("calibration"))
    mended = pays and search == "auto"
    assert metrics["recalibrated_by_uncertainty"] is mended
    assert metrics["question"] == read_json(other.doubt_answer)
    assert metrics["question"]["yes"] is pays
    fitted = UncertaintyModel.from_files(StoredFiles(other.root / "artifacts" / "uncertainty"))
    assert (fitted.recalibration is not None) is mended
    same = ["impression", "customer", "split", "uncertainty", "level"]
    pd.testing.assert_frame_equal(after[same], before[same])
    if not mended:
        pd.testing.assert_frame_equal(after, before)
        return
    expected = fitted.recalibration.apply(before["score"].to_numpy(), before["uncertainty"].to_numpy())
    assert after["score"].to_numpy() == pytest.approx(expected)
    assert after["probability"].to_numpy() == pytest.approx(fitted.calibrator.apply(after["score"]))
    assert metrics["threshold_split"]["all"]["pcoc"] == pytest.approx(1.0, abs=0.3)
    assert metrics["calibrated_in_sample"]["pcoc"] == pytest.approx(1.0, abs=1e-3)


def test_other_targets_a_band_and_a_certificate_reach_the_policy(shop):
    fit_thresholds.run(shop, params(target="recall", recall_target=0.5))
    values = read_json(shop.thresholds / "policy.json")
    assert values["recall"] >= 0.5
    assert values["asked"] == {"kind": "recall", "value": 0.5}
    fit_thresholds.run(
        shop, params(search="ew_dpmt", precision_target=0.3, certificate_alpha=0.2, abstain_precision=0.2)
    )
    values = read_json(shop.thresholds / "policy.json")
    assert values["precision_target"] == 0.3
    assert values["certificate"]["lower_bound"] >= 0.3
    assert read_json(shop.metrics / "thresholds.json")["certificate"] == values["certificate"]
    assert values["cuts"] == read_json(shop.thresholds / "searches.json")["ew_dpmt"]["cuts"]
    policy = Policy.from_dict(values)
    assert set(policy.answer([0.0, 0.9], [0, 0])) <= {"show", "abstain", "don't show"}
    assert len(policy.abstain_cuts) == len(policy.cuts)


@pytest.mark.parametrize("calibrator", ["platt", "beta", "histogram"])
def test_every_calibrator_is_read_back_as_one_map(shop, tmp_path, calibrator):
    other = calibrated(shop, tmp_path, calibrator=calibrator)
    read = MonotoneCalibrator.from_dict(read_json(other.uncertainty / "calibrator.json"))
    scores = read_table(other.uncertainty / "scores.parquet")
    assert read.apply(scores["score"]) == pytest.approx(scores["probability"].to_numpy())
    assert read_json(other.metrics / "calibration.json")["threshold_split"]["all"]["pcoc"] == pytest.approx(1, abs=0.3)


def calibrated(shop, root, search="auto", **settings):
    """Run the stage elsewhere with another search or other settings of `uncertainty`."""
    other = replace(shop, root=root)
    (root / "artifacts").mkdir(exist_ok=True)
    for folder in ("serving", "delay", "model"):
        (root / "artifacts" / folder).symlink_to(shop.root / "artifacts" / folder)
    asked = PARAMS.uncertainty.model_copy(update=settings)
    calibrate_uncertainty.run(other, params(search=search).model_copy(update={"uncertainty": asked}))
    return other


def test_a_repaired_group_moves_alone_and_takes_its_probabilities_with_it(shop, tmp_path):
    before = read_table(shop.uncertainty / "scores.parquet")
    after = read_table(calibrated(shop, tmp_path, repaired_groups=("department=home",)).uncertainty / "scores.parquet")
    impressions = read_table(shop.serving / "impressions.parquet").set_index("impression")
    home = impressions.loc[before["impression"], "target"].to_numpy() % 3 == 0
    assert (after["score"][~home] == before["score"][~home]).all()
    assert (after["score"][home] != before["score"][home]).all()
    assert (after["level"] == before["level"]).all()
    assert list(read_json(tmp_path / "artifacts" / "uncertainty" / "repair.json")) == ["department=home"]


def test_a_group_that_does_not_exist_stops_the_stage(shop, tmp_path):
    with pytest.raises(DataError, match=r"'aisle=7' names no column of .*department"):
        calibrated(shop, tmp_path, repaired_groups=("aisle=7",))


@pytest.mark.parametrize("spread", ["evidential_counts", "evidential_density", "venn_abers"])
def test_another_source_of_spread_changes_levels_and_nothing_else(shop, tmp_path, spread):
    before = read_table(shop.uncertainty / "scores.parquet")
    after = read_table(calibrated(shop, tmp_path, spread=spread).uncertainty / "scores.parquet")
    same = ["impression", "customer", "split", "score", "probability"]
    pd.testing.assert_frame_equal(after[same], before[same])
    assert (after["uncertainty"] != before["uncertainty"]).all()
    fitted = UncertaintyModel.from_files(StoredFiles(tmp_path / "artifacts" / "uncertainty"))
    assert fitted.levels.count == after["level"].max() + 1


def test_training_customers_calibrate_too_but_are_not_reported(shop, tmp_path):
    alone = calibrated(shop, tmp_path, out_of_bag=False)
    fewer, more = (read_json(each.metrics / "calibration.json")["calibrated_in_sample"] for each in (alone, shop))
    assert more["examples"] > 1.5 * fewer["examples"]
    assert more["pcoc"] == pytest.approx(1.0, abs=1e-3)
    scores = read_table(shop.uncertainty / "scores.parquet")
    assert set(scores["split"]) == {"calibrate", "threshold", "test"}


def test_an_infeasible_target_stops_the_stage_and_leaves_the_old_policy(shop):
    fit_thresholds.run(shop, params(search="ew_dpmt"))
    before = (shop.thresholds / "policy.json").read_bytes()
    with pytest.raises(InfeasibleTargetError, match=r"precision_target = 0.99: ew_dpmt reaches at most 0\.\d{4}"):
        fit_thresholds.run(shop, params(search="ew_dpmt", precision_target=0.99))
    assert (shop.thresholds / "policy.json").read_bytes() == before


def test_the_same_inputs_give_the_same_bytes(shop):
    def outputs():
        folders = (shop.uncertainty, shop.thresholds, shop.metrics, shop.plots)
        return {path: path.read_bytes() for folder in folders for path in folder.iterdir()}

    fit_thresholds.run(shop, params())
    before = outputs()
    calibrate_uncertainty.run(shop, params())
    fit_thresholds.run(shop, params())
    assert outputs() == before


def test_a_missing_model_is_named(shop, tmp_path):
    lost = replace(shop, root=tmp_path)
    for name in ("impressions", "features"):
        write_table(lost.serving / f"{name}.parquet", read_table(shop.serving / f"{name}.parquet"))
    write_table(lost.delay / "outcomes.parquet", read_table(shop.delay / "outcomes.parquet"))
    with pytest.raises(ArtifactError, match=r"embeddings\.npz"):
        calibrate_uncertainty.run(lost, params())


def test_another_precision_target_never_means_another_model():
    graph = grimp.build_graph("onward", include_external_packages=True, cache_dir=None)
    closure = graph.find_upstream_modules("onward.stages.fit_thresholds")
    assert {name for name in closure if name.startswith(("onward.model", "onward.graph", "onward.data"))} == set()
    assert closure & {"torch", "lightgbm", "mlflow", "duckdb"} == set()
