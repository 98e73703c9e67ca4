import json
from datetime import datetime, timedelta
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from onward.artifacts import Layout, write_arrays, write_json, write_table, write_text
from onward.errors import DataError
from onward.evaluation.backtest import decide_all, describe, end_of_log, label_matured, refuse_empty
from onward.model.embeddings import Embeddings
from onward.model.pair_features import PAIR_FEATURES
from onward.params import parse_params
from onward.stages.evaluate import run
from onward.thresholds.comparison import CONTROL

ROOT = Path(__file__).resolve().parents[2]
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
AS_OF = datetime(2017, 11, 20)


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
    shown = decide_all({"ew_dpmt": cuts, CONTROL: cuts}, np.ones(1000), level, 1)
    assert (shown["ew_dpmt"] == (level == 0)).all()
    assert shown[CONTROL].sum() == 500
    assert 200 < shown[CONTROL][:500].sum() < 300


def test_the_line_about_a_backtest_without_conversions_claims_no_figure():
    nothing = {"value": None}
    line = describe({"classification": {"n": 3, "auc": nothing, "pcoc": nothing}, "ranking": {"winner": "popularity"}})
    assert line == "3 test impressions: none converted; best ranking: popularity"


@pytest.fixture
def layout(tmp_path):
    """A small shop as the earlier stages would have left it."""
    rng = np.random.default_rng(0)
    layout = Layout(tmp_path)
    products, customers, n = 30, 80, 6000
    ids = np.array([f"p{i:02d}" for i in range(products)])
    write_table(
        layout.serving / "products.parquet",
        pd.DataFrame({"product": np.arange(products), "product_id": ids, "category": "FOOD > BREAD"}),
    )
    split = np.where(np.arange(customers) % 2, "test", "selection")
    write_table(
        layout.serving / "customers.parquet",
        pd.DataFrame({"customer": np.arange(customers), "customer_id": ids[0], "split": split}),
    )
    day = rng.integers(-200, 42, n)
    purchases = pd.DataFrame({
        "customer": rng.integers(0, customers, n),
        "product": rng.integers(0, products, n),
        "purchased_at": [AS_OF + int(d) * DAY for d in day],
    })  # fmt: skip
    write_table(layout.serving / "purchases.parquet", purchases[day < 0])
    write_table(layout.backtest / "purchases.parquet", purchases[(day >= 0) & (purchases["customer"] % 2 == 1)])

    shown = 900
    impressions = pd.DataFrame({
        "impression": np.arange(5000, 5000 + shown),
        "customer": rng.integers(0, customers // 2, shown) * 2 + 1,
        "source": rng.integers(0, products, shown),
        "target": rng.integers(0, products, shown),
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

    flat = rng.normal(size=(products, 4)).astype("f4")
    embeddings = Embeddings(flat, flat, np.zeros(products, "f4"), 0.1)
    write_arrays(layout.model / "embeddings.npz", embeddings.to_arrays())
    edges = pd.DataFrame({"source": [0, 1], "target": [1, 2], "support": 4.0, "reverse_support": 1.0, "expected": 1.0,
                          "score": 2.0})  # fmt: skip
    nodes = pd.DataFrame({"product": np.arange(products), "customers": 40.0, "fresh_customers": 30.0})
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
    cut = {"precision_target": 0.2, "cuts": [0.2, None]}
    searches = {name: cut | {"search": name} for name in ("single", "mist", "ew_dpmt", CONTROL)}
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
    written = files(layout)
    assert set(written) == {
        "artifacts/evaluation/gate_rows.parquet",
        "artifacts/evaluation/predictions.parquet",
        "artifacts/evaluation/results.json",
        "metrics/evaluation.json",
        "plots/heatmap.csv",
        "plots/ranking.csv",
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


def test_the_headline_names_policies_methods_and_the_winner(layout, params):
    run(layout, params)
    headline = json.loads((layout.metrics / "evaluation.json").read_text())
    results = json.loads((layout.evaluation / "results.json").read_text())
    assert headline["auc"]["low"] > 0.5
    assert headline["n"] == results["rows"]["matured"] == 900
    assert headline["deployed_policy"] == "ew_dpmt"
    assert set(headline["policies"]) == {"single", "mist", "ew_dpmt", CONTROL}
    assert headline["ranking_winner"] in headline["ranking"]
    assert {"graph", "encoder", "popularity", "markov", "window_counts"} < set(headline["ranking"])
    assert sum(row["n"] for row in results["by_level"]) == 900


def test_a_log_that_ends_too_soon_is_refused_with_the_remedy(layout, params):
    later = pd.read_parquet(layout.backtest / "purchases.parquet")
    conversions = pd.read_parquet(layout.backtest / "conversions.parquet")
    write_table(layout.backtest / "purchases.parquet", later[later["purchased_at"] < AS_OF + 10 * DAY])
    write_table(layout.backtest / "conversions.parquet", conversions[:0])
    with pytest.raises(DataError, match=r"set run\.as_of to 2017-10-"):
        run(layout, params)


def test_evaluate_alone_reads_what_came_after_as_of():
    stages = (ROOT / "src" / "onward" / "stages").glob("*.py")
    readers = {path.stem for path in stages if "layout.backtest" in path.read_text()}
    assert readers - {"ingest"} == {"evaluate"}  # ingest writes it
    rest = [path for path in (ROOT / "src" / "onward").rglob("*.py") if path.parent.name != "stages"]
    assert [path.name for path in rest if ".backtest /" in path.read_text()] == []
