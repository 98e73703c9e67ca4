import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from onward.artifacts import write_arrays, write_files, write_json, write_table, write_text
from onward.choices import LEVELS_AT_RANDOM
from onward.errors import DataError
from onward.evaluation.backtest import decide_all, describe, end_of_log, label_matured, refuse_empty
from onward.evaluation.related_comparison import SERVED
from onward.layout import Layout
from onward.model.embeddings import Embeddings
from onward.model.pair_features import PAIR_FEATURES
from onward.params import parse_params
from onward.ranking import relations
from onward.ranking.evidence import CountingRules
from onward.ranking.fitting import Learners, TrainingWindow, fit_ranking, read_training_data
from onward.ranking.learned_lift import LiftSettings
from onward.ranking.ranking_files import ranking_to_files
from onward.ranking.related_lists import related_lists
from onward.stages.evaluate import run
from onward.stages.ranking import list_settings, trained_ranking
from onward.uncertainty.chance_range import ChanceRange

ROOT = Path(__file__).resolve().parents[2]
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
AS_OF = datetime(2017, 11, 20)
PRODUCTS, CUSTOMERS = 30, 80
IDS = np.array([f"p{number:02d}" for number in range(PRODUCTS)])
SPLITS = ("train", "selection")


def test_a_label_is_a_conversion_after_the_impression_and_within_the_window():
    shown = pd.DataFrame({"impression": range(5), "shown_at": AS_OF})
    conversions = pd.DataFrame({
        "impression": [0, 1, 2, 3],
        "converted_at": [AS_OF, AS_OF + SECOND, AS_OF + 28 * DAY, AS_OF + 28 * DAY + SECOND],
    })  # fmt: skip
    rows = label_matured(shown, conversions, 28 * DAY, pd.Timestamp(AS_OF + 60 * DAY))
    assert rows["label"].tolist() == [0, 1, 1, 0, 0]


def test_an_impression_whose_window_the_log_does_not_close_is_no_test_row():
    shown = pd.DataFrame({"impression": [0, 1], "shown_at": [AS_OF, AS_OF + DAY]})
    none = pd.DataFrame({"impression": np.zeros(0, int), "converted_at": np.zeros(0, "datetime64[us]")})
    assert label_matured(shown, none, 28 * DAY, pd.Timestamp(AS_OF + 28 * DAY))["impression"].tolist() == [0]
    assert len(label_matured(shown, none, 28 * DAY, None)) == 0


def test_the_log_ends_at_the_midnight_after_its_last_event():
    times = pd.Series([datetime(2017, 12, 31, 22, 25)])
    assert end_of_log(times, pd.Series([], dtype="datetime64[us]")) == pd.Timestamp(2018, 1, 1)
    assert end_of_log(pd.Series([], dtype="datetime64[us]")) is None


def test_an_empty_backtest_names_an_as_of_that_works():
    refuse_empty(pd.DataFrame({"label": [0]}), AS_OF, AS_OF + 14 * DAY, 28 * DAY, None)
    with pytest.raises(DataError, match=r"set run\.as_of to 2017-10-30 or earlier") as refused:
        refuse_empty(pd.DataFrame(), AS_OF, AS_OF + 14 * DAY, 28 * DAY, pd.Timestamp(2017, 12, 11))
    assert "\n" not in str(refused.value)
    assert "2017-12-10" in str(refused.value)
    with pytest.raises(DataError, match="no later event at all"):
        refuse_empty(pd.DataFrame(), AS_OF, AS_OF + 14 * DAY, 28 * DAY, None)


def test_the_control_decides_by_levels_that_mean_nothing():
    cuts = {"search": "x", "precision_target": 0.1, "cuts": [0.0, None]}
    level = np.r_[np.zeros(500, int), np.ones(500, int)]
    shown = decide_all({"ew_dpmt": cuts, LEVELS_AT_RANDOM: cuts}, np.ones(1000), level, 1)
    assert (shown["ew_dpmt"] == (level == 0)).all()
    assert shown[LEVELS_AT_RANDOM].sum() == 500
    assert 200 < shown[LEVELS_AT_RANDOM][:500].sum() < 300


def test_the_line_about_a_backtest_without_conversions_claims_no_figure():
    nothing = {"value": None}
    overall = {"n": 3, "auc": nothing, "pcoc": nothing}
    line = describe({"classification": overall, "related": {"goes_with": []}})
    assert line == "3 test impressions: none converted, no lists could be judged"
    row = {"method": SERVED, "basket": {"hr@10": nothing, "lift@10": nothing}}
    assert describe({"classification": overall, "related": {"goes_with": [row]}}) == line
    row["basket"] = {"hr@10": {"value": 0.25}, "lift@10": {"value": 3.04}}
    line = describe({"classification": overall, "related": {"goes_with": [row]}})
    assert line.endswith("goes with: hit rate 0.250 at ten, 3.0 times chance")


def make_shop():
    """Products of ten types, customers, and their purchases from 200 days before the clock to 40 after it."""
    rng = np.random.default_rng(7)
    products = pd.DataFrame({
        "product": np.arange(PRODUCTS), "product_id": IDS,
        "category": [f"FOOD > TYPE {number // 3}" for number in range(PRODUCTS)],
    })  # fmt: skip
    split = np.where(np.arange(CUSTOMERS) % 2, "test", np.where(np.arange(CUSTOMERS) % 4, "selection", "train"))
    # Who comes does so every fourth day, so that there are baskets of several products.
    customer, day = rng.integers(0, CUSTOMERS, 6000), rng.integers(-50, 11, 6000) * 4
    purchases = pd.DataFrame({
        "customer": customer, "order": customer * 1000 + day + 500, "product": rng.integers(0, PRODUCTS, 6000),
        "purchased_at": (pd.Timestamp(AS_OF) + pd.to_timedelta(day, unit="D")).astype("datetime64[us]"),
        "quantity": 1.0, "amount": 2.0,
    })  # fmt: skip
    purchases = purchases.drop_duplicates(["order", "product"], ignore_index=True)
    customers = pd.DataFrame({"customer": np.arange(CUSTOMERS), "customer_id": IDS[0], "split": split})
    return products, customers, purchases


@pytest.fixture(scope="module")
def ranking():
    """What train_gnn would have learnt of that shop."""
    products, customers, purchases = make_shop()
    learners = Learners(*(customers.loc[customers["split"] == each, "customer"].to_numpy() for each in SPLITS))
    trees = LiftSettings(
        pairs=2000, rivals=2, iterations=8, learning_rate=0.15, leaves=4, min_rows_in_leaf=20, l2=1.0, feature_share=0.8
    )
    rules = CountingRules(
        min_customers=20, min_support=1, follow_days=30, follow_visits=6, recent_days=28, popularity_prior=100.0
    )
    known = purchases[purchases["purchased_at"] < AS_OF]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        window = TrainingWindow(AS_OF - 56 * DAY, AS_OF, 60, trees.pairs)
        return fit_ranking(read_training_data(products, known, learners, window, rules, 0), trees, 0, 1)


@pytest.fixture
def layout(tmp_path, ranking):
    """A small shop as the earlier stages would have left it."""
    rng = np.random.default_rng(0)
    layout = Layout(tmp_path)
    products, customers, purchases = make_shop()
    write_table(layout.serving / "products.parquet", products)
    write_table(layout.serving / "customers.parquet", customers)
    known, of_test = purchases["purchased_at"] < AS_OF, purchases["customer"] % 2 == 1
    write_table(layout.serving / "purchases.parquet", purchases[known])
    write_table(layout.backtest / "purchases.parquet", purchases[~known & of_test])
    write_files(layout.model / "ranking", ranking_to_files(ranking))
    write_json(layout.model / "direction.json", {"yes": True})

    shown = 900
    impressions = pd.DataFrame({
        "impression": np.arange(5000, 5000 + shown),
        "customer": rng.integers(0, CUSTOMERS // 2, shown) * 2 + 1,
        "source": rng.integers(0, PRODUCTS, shown),
        "target": rng.integers(0, PRODUCTS, shown),
        "shown_at": [AS_OF + int(d) * DAY for d in rng.integers(0, 14, shown)],
    })  # fmt: skip
    signal = rng.random(shown)
    converted = rng.random(shown) < signal / 3
    write_table(layout.backtest / "impressions.parquet", impressions)
    write_table(
        layout.backtest / "conversions.parquet",
        pd.DataFrame({
            "impression": impressions["impression"][converted],
            "converted_at": impressions["shown_at"][converted] + 3 * DAY,
        }),
    )  # fmt: skip
    features = pd.DataFrame({"impression": impressions["impression"], "signal": signal.astype("f4")})
    write_table(layout.backtest / "features.parquet", features)

    flat = rng.normal(size=(PRODUCTS, 4)).astype("f4")
    embeddings = Embeddings(flat, flat, np.full((2, 4), 10.0, "f4"))
    write_arrays(layout.model / "embeddings.npz", embeddings.to_arrays())
    edges = pd.DataFrame({"source": [0, 1], "target": [1, 2], "support": 4.0, "reverse_support": 1.0, "expected": 1.0,
                          "score": 2.0})  # fmt: skip
    nodes = pd.DataFrame({"product": np.arange(PRODUCTS), "customers": 40.0, "fresh_customers": 30.0})
    write_table(layout.model / "edges.parquet", edges)
    write_table(layout.model / "nodes.parquet", nodes)
    names = ["signal", *PAIR_FEATURES]
    for head in range(2):
        table = rng.random((500, len(names)))
        booster = lgb.train(
            {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": head, "bagging_fraction": 0.5,
             "bagging_freq": 1, "num_leaves": 4},
            lgb.Dataset(table, label=rng.random(500) < table[:, 0] / 3), num_boost_round=10,
        )  # fmt: skip
        write_text(layout.model / "heads" / f"head_{head}.txt", booster.model_to_string())
    write_json(layout.model / "scorer.json", {"features": names, "categorical": [], "heads": 2})
    write_json(layout.uncertainty / "calibrator.json", {"x": [0.0, 0.5], "y": [0.01, 0.5]})
    write_json(layout.uncertainty / "levels.json", {"edges": [0.1]})
    write_json(layout.uncertainty / "repair.json", {})
    write_json(layout.uncertainty / "spread.json", {"source": "heads"})
    ranges = ChanceRange(0.5, follows_doubt=False, promised=0.9, conversions=5.0, batches={"product_shown": 40})
    write_json(layout.uncertainty / "ranges.json", ranges.to_dict())
    cut = {"precision_target": 0.2, "cuts": [0.2, None]}
    searches = {name: cut | {"search": name} for name in ("single", "mist", "ew_dpmt", LEVELS_AT_RANDOM)}
    write_json(layout.thresholds / "searches.json", searches)
    write_json(layout.thresholds / "policy.json", searches["ew_dpmt"])
    return layout


@pytest.fixture
def params():
    text = (ROOT / "params.yaml").read_text().replace("bootstrap_samples: 500", "bootstrap_samples: 50")
    text = text.replace("queries: 5000", "queries: 100").replace('as_of: "2017-11-20"', f'as_of: "{AS_OF:%Y-%m-%d}"')
    return parse_params(text)


def files(layout):
    paths = [
        path for folder in ("artifacts/evaluation", "metrics", "plots") for path in (layout.root / folder).iterdir()
    ]
    return {str(path.relative_to(layout.root)): path.read_bytes() for path in paths}


def test_the_stage_writes_rows_results_and_headline_and_the_same_bytes_again(layout, params):
    line = run(layout, params)
    assert line.startswith("900 test impressions: AUC 0.")
    assert "goes with: hit rate 0." in line
    written = files(layout)
    assert set(written) == {
        "artifacts/evaluation/gate_answers.parquet",
        "artifacts/evaluation/gate_chance.parquet",
        "artifacts/evaluation/gate_rows.parquet",
        "artifacts/evaluation/lists.parquet",
        "artifacts/evaluation/predictions.parquet",
        "artifacts/evaluation/results.json",
        "metrics/evaluation.json",
        "plots/heatmap.csv",
        "plots/related.csv",
        "plots/reliability_backtest.csv",
        "plots/slices.csv",
    }
    run(layout, params)
    assert files(layout) == written


def test_predictions_speak_outside_ids_and_gate_rows_can_be_scored_again(layout, params):
    run(layout, params)
    predictions = pd.read_parquet(layout.evaluation / "predictions.parquet")
    gate = pd.read_parquet(layout.evaluation / "gate_rows.parquet")
    assert set(predictions["source_product_id"].str[0]) == {"p"}
    assert (predictions["shown"] == predictions["shown_ew_dpmt"]).all()
    for column in ("impression", "customer", "source_product_id", "target_product_id", "label"):
        assert (predictions[column] == gate[column]).all()
    features = pd.read_parquet(layout.backtest / "features.parquet").set_index("impression")
    assert (gate.set_index("impression")["signal"] == features["signal"]).all()


def test_queries_for_the_gate_are_test_customers_own_and_lists_those_that_are_served(layout, params):
    run(layout, params)
    answers, chance, lists = (
        pd.read_parquet(layout.evaluation / f"{name}.parquet") for name in ("gate_answers", "gate_chance", "lists")
    )
    products, _, purchases = make_shop()
    asked = set(answers["source_product_id"])
    assert asked | set(answers["product_id"]) <= set(products["product_id"])
    assert (answers["customer"] % 2 == 1).all()
    assert set(answers["relation"]) == {"basket", "later"}
    assert (answers["source_product_id"] != answers["product_id"]).all()
    later = purchases[purchases["purchased_at"] >= AS_OF]
    bought = set(zip(later["customer"], IDS[later["product"]], strict=True))
    for name in ("source_product_id", "product_id"):
        assert set(zip(answers["customer"], answers[name], strict=True)) <= bought
    kind = products.set_index("product_id")["category"]
    basket = answers[answers["relation"] == "basket"]
    assert (kind[basket["source_product_id"]].to_numpy() != kind[basket["product_id"]].to_numpy()).all()
    assert chance[["basket", "later"]].sum().tolist() == pytest.approx([1.0, 1.0])
    assert asked <= set(IDS[lists["product"].unique()])
    served = related_lists(
        trained_ranking(layout, params, None), np.unique(lists["product"]), list_settings(layout, params)
    )
    pd.testing.assert_frame_equal(lists, served, check_dtype=False)


def test_the_headline_names_policies_methods_and_the_best_baseline(layout, params):
    run(layout, params)
    headline = json.loads((layout.metrics / "evaluation.json").read_text())
    results = json.loads((layout.evaluation / "results.json").read_text())
    assert headline["auc"]["low"] > 0.5
    assert headline["n"] == results["rows"]["matured"] == 900
    assert headline["deployed_policy"] == "ew_dpmt"
    assert set(headline["policies"]) == {"single", "mist", "ew_dpmt", LEVELS_AT_RANDOM}
    related, orders = results["related"], headline["related"]["orders"]
    assert set(related["best_baseline"]) == {"basket", "later"}
    assert set(related["best_baseline"].values()) <= set(related["tuning"]) < set(orders)
    assert f"served at weight {params.ranking.popularity_weight:g}" in orders
    assert set(headline["related"]["goes_with"]) == {SERVED, *related["tuning"]}
    assert all(row["breaches"] == 0 for row in related["goes_with"])
    assert sum(row["n"] for row in results["by_level"]) == 900


def test_a_log_that_ends_too_soon_is_refused_with_the_remedy(layout, params):
    later = pd.read_parquet(layout.backtest / "purchases.parquet")
    conversions = pd.read_parquet(layout.backtest / "conversions.parquet")
    write_table(layout.backtest / "purchases.parquet", later[later["purchased_at"] < AS_OF + 10 * DAY])
    write_table(layout.backtest / "conversions.parquet", conversions[:0])
    with pytest.raises(DataError, match=r"set run\.as_of to 2017-10-"):
        run(layout, params)


def test_evaluate_alone_reads_what_came_after_as_of():
    stages = {path.stem: path.read_text() for path in (ROOT / "src" / "onward" / "stages").glob("*.py")}
    readers = {name for name, text in stages.items() if "layout.backtest" in text}
    assert readers - {"ingest", "graph_ingest"} == {"evaluate", "related", "graph_evaluate"}  # both ingests write it
    for part in ("related", "graph_evaluate"):
        named = re.compile(rf"onward\.stages(\.| import .*\b){part}\b")
        assert {name for name, text in stages.items() if named.search(text)} == {"evaluate"}
    rest = [path for path in (ROOT / "src" / "onward").rglob("*.py") if path.parent.name != "stages"]
    assert [path.name for path in rest if ".backtest /" in path.read_text()] == []
