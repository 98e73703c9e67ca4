"""The simulated shop has the properties it says it has, with room for chance."""

import time
from datetime import datetime

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from onward.data.features import build_features
from onward.data.sources.simulator import simulate

pytestmark = pytest.mark.statistical

END = datetime(2024, 6, 1)


@pytest.fixture(scope="module")
def shop():
    return simulate(300, 1200, 180, 800, seed=7, end=END)


@pytest.fixture(scope="module")
def truth(shop):
    """One row per impression: the log's columns and the truth's."""
    shown = shop.log.tables["impressions"].to_pandas()
    truth = shown.merge(shop.truth["impressions"].to_pandas(), on="impression_id")
    truth = truth.merge(shop.truth["delay"].to_pandas(), on="impression_id")
    edges = shop.truth["edges"].to_pandas()
    truth = truth.merge(edges, on=["source_product_id", "target_product_id"], how="left")
    assert len(truth) == len(shown)
    return truth.assign(strength=truth["strength"].fillna(0.0))


@pytest.mark.parametrize("column", ["probability", "stage_probability"])
def test_impressions_convert_as_often_as_they_truly_should(truth, column):
    for _, part in truth.groupby(pd.qcut(truth[column], 8)):
        expected, spread = part[column].sum(), np.sqrt((part[column] * (1 - part[column])).sum())
        assert abs(part["converted"].sum() - expected) < 4 * spread
    assert truth[column].mean() == pytest.approx(0.05, rel=0.1)


def test_delays_are_a_mixture_of_hours_and_weeks_within_the_window(truth):
    delays = truth["delay_days"].dropna()
    assert delays.max() < 28
    assert (delays < 0.5).mean() > 0.1
    assert (delays > 14).mean() > 0.15
    slow, quick = (part["delay_days"].median() for _, part in truth.groupby(truth["quick_probability"] > 0.25))
    assert quick < slow


def test_engagement_is_early_and_tells_much(shop, truth):
    by_stage = truth.groupby("stage")["converted"].mean()
    assert by_stage[1] > 3 * by_stage[0]
    assert by_stage[2] > 1.5 * by_stage[1]
    seen = shop.log.tables["engagements"].to_pandas().merge(truth, on="impression_id")
    after = (seen["happened_at"] - seen["shown_at"]).dt.total_seconds() / 86_400
    assert after.median() < 0.5


def test_directed_counts_recover_the_true_direction(shop):
    """Customers who buy v new within 30 days after u: a higher shrunk lift along a true one-way edge."""
    bought = shop.log.tables["purchases"].to_pandas()[["customer_id", "product_id", "purchased_at"]]
    bought = bought.sort_values("purchased_at", kind="stable")
    last = bought.groupby(["customer_id", "product_id"])["purchased_at"].shift()
    fresh = bought[last.isna() | (bought["purchased_at"] - last > pd.Timedelta(days=60))]
    pairs = bought.merge(fresh, on="customer_id", suffixes=("_u", "_v"))
    wait = pairs["purchased_at_v"] - pairs["purchased_at_u"]
    pairs = pairs[(wait > pd.Timedelta(0)) & (wait <= pd.Timedelta(days=30))]
    support = pairs.groupby(["product_id_u", "product_id_v"])["customer_id"].nunique()
    edges = shop.truth["edges"].to_pandas()
    forward = pd.MultiIndex.from_frame(edges[["source_product_id", "target_product_id"]])
    backward = pd.MultiIndex.from_frame(edges[["target_product_id", "source_product_id"]])
    one_way = ~backward.isin(forward)
    buyers, newcomers = (rows.groupby("product_id")["customer_id"].nunique() for rows in (bought, fresh))

    def lift(ways):
        first, then = (ways.get_level_values(level) for level in (0, 1))
        expected = buyers.reindex(first).to_numpy() * newcomers.reindex(then).to_numpy() / 1200
        found = support.reindex(ways, fill_value=0).to_numpy()
        return (found + 1) / (expected + 5), found

    (ahead, seen), (against, _) = lift(forward[one_way]), lift(backward[one_way])
    seen, strong = seen >= 10, edges.loc[one_way, "strength"].to_numpy() > 0.1
    assert (seen & strong).sum() > 200
    assert np.mean(ahead[seen & strong] > against[seen & strong]) > 0.8
    # Weak complements drown in a small shop's habits, but do not lean the other way.
    assert np.mean(ahead[seen & ~strong] > against[seen & ~strong]) > 0.6
    assert one_way.mean() > 0.75


def test_degrees_and_sales_have_heavy_tails():
    shop = simulate(3000, 500, 60, 50, seed=2, end=END)
    edges = shop.truth["edges"].to_pandas()
    for column in ("source_product_id", "target_product_id"):
        degrees = edges[column].value_counts()
        assert degrees.max() > 8 * degrees.median()
    incoming = np.sort(edges["target_product_id"].value_counts())[::-1]
    # On a log-log plot rank against degree is close to a falling line.
    head = incoming[: len(incoming) // 3]
    assert np.corrcoef(np.log(np.arange(1, len(head) + 1)), np.log(head))[0, 1] < -0.95
    sales = np.sort(shop.truth["products"]["sales"].to_numpy())[::-1]
    assert sales[:300].sum() > 0.3 * sales.sum()


def test_little_evidence_converts_less_than_the_same_strength_with_much(shop, truth):
    sales = shop.truth["products"].to_pandas().set_index("product_id")["sales"]
    least = np.minimum(
        sales.reindex(truth["source_product_id"]).to_numpy(), sales.reindex(truth["target_product_id"]).to_numpy()
    )
    strong = truth["strength"].between(0.08, 0.2)
    rare, common = truth[strong & (least < 0.5 * sales.mean())], truth[strong & (least > 1.5 * sales.mean())]
    assert min(len(rare), len(common)) > 1000
    assert rare["converted"].mean() < 0.85 * common["converted"].mean()


def test_rates_drift_slowly(truth):
    weekly = truth.groupby(truth["shown_at"].dt.to_period("W"))["probability"].agg(["mean", "size"])
    weekly = weekly.loc[weekly["size"] > 2000, "mean"]
    assert weekly.max() > 1.15 * weekly.min()
    assert (weekly.diff().abs() / weekly).median() < 0.15


def test_a_booster_on_the_features_finds_the_signal(shop, truth):
    tables = {name: table.to_pandas() for name, table in shop.log.tables.items()}
    products, customers = (
        {name: code for code, name in enumerate(sorted(tables[table][column].unique()))}
        for table, column in (("products", "product_id"), ("purchases", "customer_id"))
    )
    bought, shown = tables["purchases"], tables["impressions"]
    frame = build_features(
        tables["products"].assign(product=tables["products"]["product_id"].map(products)),
        bought.assign(
            customer=bought["customer_id"].map(customers),
            order=pd.factorize(bought["order_id"])[0],
            product=bought["product_id"].map(products),
        ),
        shown.assign(
            impression=np.arange(len(shown)),
            customer=shown["customer_id"].map(customers),
            source=shown["source_product_id"].map(products),
            target=shown["target_product_id"].map(products),
        ),
        shown.filter(like="context_"),
    ).frame.drop(columns="impression")
    label, day = truth["converted"].to_numpy(), (truth["shown_at"] - truth["shown_at"].min()).dt.days.to_numpy()
    past, later = (day >= 80) & (day < 140), day >= 150
    booster = lightgbm.train(
        {
            "objective": "binary",
            "num_leaves": 15,
            "learning_rate": 0.1,
            "min_data_in_leaf": 200,
            "lambda_l2": 20.0,
            "verbosity": -1,
            "num_threads": 1,
            "deterministic": True,
        },
        lightgbm.Dataset(frame[past], label[past]),
        num_boost_round=50,
    )
    assert roc_auc_score(label[later], booster.predict(frame[later])) > 0.68
    assert roc_auc_score(label[later], truth["probability"][later]) > 0.75


def test_ten_times_the_products_do_not_cost_a_hundred_times_the_time():
    def cpu_seconds(products):
        started = time.process_time()
        simulate(products, 500, 60, 100, seed=1, end=END)
        return time.process_time() - started

    cpu_seconds(500)
    assert cpu_seconds(5000) < 15 * cpu_seconds(500) + 0.2
