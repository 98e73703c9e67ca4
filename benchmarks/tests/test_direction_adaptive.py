"""The benchmark of adaptive budgets: its reader of UCI purchases, its comparison, and that a stopped one goes on."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.direction import adaptive as benchmark
from benchmarks.direction.adaptive_budgets import neighbours_allowed
from benchmarks.direction.shops import UCI
from benchmarks.harness import trials
from onward.model.embeddings import Embeddings
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.link_split import random_split

PHONE, CASE, BAG, RARE = "10001", "10002A", "10003", "10004"
CUSTOMERS = 14


def write_invoices(folder):
    """Everybody buys a case 5 days after a phone; bags come the same day; a few buy what is rare; all pay postage."""
    rows = [(99, -150, BAG)]  # the look-back begins
    for customer in range(CUSTOMERS):
        rows += [(customer, customer, PHONE), (customer, customer, BAG), (customer, customer + 5, CASE)]
        rows += [(customer, customer, "POST")]
        if customer < 3:
            rows += [(customer, customer, RARE)]
    first = pd.Timestamp("2011-06-01 10:00")
    table = pd.DataFrame(
        [
            {
                "InvoiceNo": f"5{number:05}", "StockCode": code, "Description": f"RED {code}", "Quantity": 1,
                "InvoiceDate": first + pd.Timedelta(days=day), "UnitPrice": 2.5, "CustomerID": float(customer),
            }
            for number, (customer, day, code) in enumerate(rows)
        ]
    )  # fmt: skip
    (folder / UCI).parent.mkdir(parents=True)
    table.to_parquet(folder / UCI)


def test_uci_edges_lead_from_the_earlier_purchase_to_the_later_one(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.direction.shops.attribute_vectors", lambda words, _: attribute_vectors(words, 2))
    write_invoices(tmp_path)
    edges, products, vectors = benchmark.uci(tmp_path)
    phone, case, bag = range(3)  # sorted by code; postage is no good, and too few bought what is rare
    assert products == 3
    assert vectors.shape[0] == products
    assert sorted(map(tuple, edges.tolist())) == [(phone, case), (bag, case)]  # the same day says nothing


def made_graph(nodes=90):
    generator = np.random.default_rng(0)
    group = np.arange(nodes) % 3
    chance = np.where(group[None, :] == (group[:, None] + 1) % 3, 0.4, 0.02)
    edges = np.argwhere(generator.random((nodes, nodes)) < chance)
    return edges[edges[:, 0] != edges[:, 1]], nodes, np.eye(3, dtype=np.float32)[group]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(benchmark, "EPOCHS", {"made": 2})
    monkeypatch.setattr(benchmark, "BATCH_PAIRS", {"made": 128})


def test_every_way_is_compared_with_the_control_and_a_stopped_run_goes_on(quick, tmp_path, monkeypatch):
    store = partial(trials.Trials, "adaptive", store=tmp_path)
    monkeypatch.setattr(benchmark, "ABLATION_SEEDS", (1,))
    rows, way = benchmark.compare("made", made_graph(), (1, 2), store())
    found = {row["what"]: row for row in rows}
    assert way in benchmark.WAYS
    assert {row["seeds"] for what, row in found.items() if not what.startswith("ablation")} == {2}
    assert {row["seeds"] for what, row in found.items() if what.startswith("ablation")} == {1}
    assert found["uniform"]["gain low"] == found["uniform"]["gain overall"] == 0.0
    assert set(benchmark.ABLATIONS) <= {what.removeprefix("ablation: ") for what in found}
    monkeypatch.setattr(benchmark, "train_and_judge", lambda *_, **__: pytest.fail("trained again"))
    again, _ = benchmark.compare("made", made_graph(), (1, 2), store())
    assert again == rows


def test_the_ways_spend_no_more_than_the_control():
    graph = benchmark.product_graph(random_split(made_graph(), "made", 1, 0.05, 0.2).graph)
    most = neighbours_allowed(graph, benchmark.DEFAULT.budget(graph, benchmark.FAN_OUT)).sum()
    for variant in benchmark.WAYS.values():
        spent = neighbours_allowed(graph, variant.budget(graph, benchmark.FAN_OUT)).sum()
        assert 0.95 * most <= spent <= most


def test_thirds_part_the_sources_by_degree_and_perfect_scores_find_all():
    split = random_split(made_graph(), "made", 1, 0.05, 0.2)
    known = np.zeros((split.graph.nodes,) * 2)
    for part in (split.test, split.validation):
        known[part[:, 0], part[:, 1]] = 1.0
    found = benchmark.judge(lambda queries: known[queries], split)
    assert (found.hit_rate, found.thirds) == (1.0, (1.0, 1.0, 1.0))
    # Test edges are rivals to validation edges: nothing of a test edge may help to choose.
    assert 0.2 < found.validation < 1.0
    # Only the sources of low degree are answered: only the low third hits.
    sources = np.unique(split.test[:, 0])
    low = sources[np.lexsort((sources, split.graph.out_degrees[sources]))][: len(sources) // 3]
    known[~np.isin(np.arange(len(known)), low)] *= -1.0
    found = benchmark.judge(lambda queries: known[queries], split)
    assert found.thirds[0] == 1.0
    assert found.thirds[2] < 0.5


def test_targets_are_ranked_by_lift_and_their_share_of_the_edges():
    graph = random_split(made_graph(), "made", 1, 0.05, 0.2).graph
    flat = np.zeros((graph.nodes, 2), np.float32)
    scores = benchmark.by_probability(Embeddings(flat, flat, np.ones((2, 2), np.float32)), graph)(np.array([3, 4]))
    assert (np.argsort(scores, axis=1, kind="stable") == np.argsort(graph.in_degrees, kind="stable")).all()
    assert np.exp(scores).sum(axis=1) == pytest.approx(1.0)
    sides = np.random.default_rng(0).normal(size=(2, graph.nodes, 2)).astype(np.float32)
    embeddings = Embeddings(sides[0], sides[1], np.array([[1, 1], [2, 3]], np.float32))
    more = benchmark.by_probability(embeddings, graph)(np.array([3, 4])) - scores
    assert more == pytest.approx((sides[0, 3:5] * [2, 3]) @ sides[1].T, abs=1e-5)


def test_a_single_embedding_knows_no_direction():
    split = random_split(made_graph(), "made", 1, 0.05, 0.2)
    graph, inputs = benchmark.product_graph(split.graph), benchmark.product_inputs(split.graph, features=True)
    encoder = benchmark.SingleEncoder(inputs, torch.from_numpy(graph.connected), 8, len(benchmark.FAN_OUT))
    found = benchmark.embed_within(encoder, graph, benchmark.DEFAULT.budget(graph, benchmark.FAN_OUT), seed=1)
    u, v = graph.sources, graph.out_targets
    assert found.log_lift("after", u, v) == pytest.approx(found.log_lift("after", v, u), abs=1e-5)
