from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from onward.evaluation.catalogue import compare_over_catalogue, encoder_method, graph_method, log_of_candidates
from onward.evaluation.comparison import REFRESHED, Windows, compare, tune
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.ranking.purchase_log import PurchaseLog

WINDOWS = Windows(training_start=120, as_of=160, backtest_end=170, horizon=200, follow_days=15)
PRODUCTS = 12
SELECTION, TEST = np.arange(0, 30), np.arange(30, 60)


def shop(seed=0, customers=60, days=200):
    """Everybody buys at random, and whatever they buy, its successor a few days later."""
    rng = np.random.default_rng(seed)
    n = customers * 40
    customer, product, day = rng.integers(0, customers, n), rng.integers(0, PRODUCTS, n), rng.integers(0, days, n)
    follows = rng.random(n) < 0.5
    return (
        np.r_[customer, customer[follows]],
        np.r_[product, (product[follows] + 1) % PRODUCTS],
        np.r_[day, np.minimum(day[follows] + rng.integers(1, 5, follows.sum()), days - 1)],
    )


def log_of(rows):
    return PurchaseLog.of(*rows, PRODUCTS, 10)


def study(log, models=None, limit=200):
    return compare(log, SELECTION, TEST, models or {}, WINDOWS, (5,), limit, 50, 1)


def test_counts_that_know_what_follows_beat_popularity_where_something_follows():
    result = study(log_of(shop()))
    hits = {row["method"]: row["hr@10"]["value"] for row in result["methods"] if row["same_purchases"]}
    ndcg = {row["method"]: row["ndcg@10"]["value"] for row in result["methods"]}
    assert result["winner"] == max(hits, key=hits.get)
    assert ndcg["window_counts"] > ndcg["popularity"]
    direction = {row["method"]: row["direction"] for row in result["methods"]}
    assert direction["window_counts"]["low"] > 0.5
    assert direction["window_counts"]["value"] > direction["popularity"]["value"]


def test_a_model_is_measured_beside_the_baselines_and_refreshed_counts_cannot_win():
    rows = shop()
    follower = np.zeros((PRODUCTS, PRODUCTS))
    follower[np.arange(PRODUCTS), (np.arange(PRODUCTS) + 1) % PRODUCTS] = 1.0
    result = study(log_of(rows), {"model": lambda sources: follower[sources]})
    assert [row["method"] for row in result["methods"]][:4] == ["popularity", "markov", "window_counts", "model"]
    refreshed = [row["method"] for row in result["methods"] if not row["same_purchases"]]
    assert refreshed == [f"{name}_to_as_of" for name in REFRESHED]
    assert result["winner"] not in refreshed
    (winner,) = [row for row in result["methods"] if row["method"] == result["winner"]]
    assert winner["minus_winner"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert {"hr@5", "hr@10", "mrr@10", "ndcg@10"} <= set(winner)


def test_neither_test_customers_nor_anything_after_as_of_picks_a_setting():
    customer, product, day = shop()
    known = log_of((customer, product, day))
    rng = np.random.default_rng(9)
    hidden = (np.isin(customer, TEST) & (day >= WINDOWS.training_start)) | (day >= WINDOWS.as_of)
    changed = np.where(hidden, rng.integers(0, PRODUCTS, len(product)), product)
    assert (changed != product).any()
    assert tune(known, SELECTION, WINDOWS, 1) == tune(log_of((customer, changed, day)), SELECTION, WINDOWS, 1)


def test_what_happens_after_as_of_changes_no_score_of_a_baseline():
    customer, product, day = shop()
    late = day >= WINDOWS.training_start
    changed = np.where(late, (product + 5) % PRODUCTS, product)
    pick = tune(log_of((customer, product, day)), SELECTION, WINDOWS, 1)["window_counts"].setting
    sources = np.arange(PRODUCTS)
    before, after = (
        pick.fit(log_of((customer, items, day)).before(WINDOWS.training_start))(sources) for items in (product, changed)
    )
    assert (before == after).all()


def test_the_pick_is_the_best_trial_and_every_trial_is_told():
    result = study(log_of(shop()))
    for tuned in result["tuning"].values():
        best = max(tuned["trials"], key=lambda trial: trial["hr@10"])
        assert tuned["picked"].items() <= best.items()


def test_without_a_query_there_is_no_winner():
    customer, product, day = shop()
    early = day < WINDOWS.training_start
    result = study(log_of((customer[early], product[early], day[early])))
    assert (result["queries"], result["winner"], result["methods"]) == (0, None, [])


def test_the_same_log_gives_the_same_result():
    assert study(log_of(shop()), limit=50) == study(log_of(shop()), limit=50)


def test_the_catalogue_ranks_candidates_only():
    edges = pd.DataFrame({"source": [0, 0, 2], "target": [2, 3, 1], "support": 5.0, "reverse_support": 0.0,
                          "expected": 1.0, "score": [2.0, 7.0, 4.0]})  # fmt: skip
    nodes = pd.DataFrame({"product": range(4), "customers": [9, 1, 9, 9], "fresh_customers": 1})
    graph = ProductGraph.from_tables(4, edges, nodes)
    candidates = np.array([0, 2, 3])  # product 1 has too few customers
    assert graph_method(graph, candidates)(np.array([0, 1])).tolist() == [[0.0, 2.0, 7.0], [0.0, 0.0, 0.0]]
    rng = np.random.default_rng(0)
    embeddings = Embeddings(*rng.normal(size=(2, 4, 3)).astype("f4"), np.arange(4, dtype="f4"), 0.5)
    relevance = encoder_method(embeddings, candidates)(np.array([1, 2]))
    assert relevance[1].tolist() == pytest.approx(embeddings.relevance(np.full(3, 3), candidates).tolist(), rel=1e-5)


def test_purchases_of_other_products_are_left_out_and_days_are_whole():
    purchases = pd.DataFrame({
        "customer": [1, 1, 1],
        "product": [0, 1, 2],
        "purchased_at": [datetime(1970, 1, 3, 23, 59), datetime(1970, 1, 3), datetime(1970, 1, 4, 0, 1)],
    })  # fmt: skip
    log = log_of_candidates(purchases, np.array([0, 2]), 3, 1)
    assert (log.product.tolist(), log.day.tolist(), log.products) == ([0, 1], [2, 3], 2)


def test_the_catalogue_study_asks_the_customers_of_the_backtest():
    customer, product, day = shop()
    frame = pd.DataFrame({"customer": customer, "product": product,
                          "purchased_at": np.array(day, dtype="datetime64[D]").astype("datetime64[us]")})  # fmt: skip
    later = frame[(day >= WINDOWS.as_of) & np.isin(customer, TEST)]
    nodes = pd.DataFrame({"product": range(PRODUCTS), "customers": 30, "fresh_customers": 20})
    edges = pd.DataFrame({"source": [0], "target": [1], "support": 5.0, "reverse_support": 0.0, "expected": 1.0,
                          "score": 2.0})  # fmt: skip
    graph = ProductGraph.from_tables(PRODUCTS, edges, nodes)
    flat = np.ones((PRODUCTS, 2), dtype="f4")
    embeddings = Embeddings(flat, flat, np.zeros(PRODUCTS, dtype="f4"), 1.0)
    result = compare_over_catalogue(
        frame[day < WINDOWS.as_of], later, SELECTION, graph, embeddings, WINDOWS, 20, 10, (5,), 100, 20, 1
    )
    assert result["candidates"] == PRODUCTS
    assert 0 < result["customers"] <= len(TEST)
    rows = {row["method"]: row for row in result["methods"]}
    # An encoder that knows nothing hits by chance: every candidate ties.
    assert rows["encoder"]["direction"]["value"] == 0.5
