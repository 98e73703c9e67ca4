"""The benchmark of budgets by degree: what is hidden, spent and picked, and that a stopped one goes on."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from rich.progress import Progress

from benchmarks.direction import adaptive as benchmark
from benchmarks.direction import thinned_graphs
from benchmarks.direction.adaptive import ARMS, BEST_FIRST, FULL, IMPORTANCE, UNIFORM, Ground, at_equal_cost
from benchmarks.direction.shops import UCI
from benchmarks.direction.thinned_graphs import Question, simulated_links, thinned, uci_links
from benchmarks.direction.walk_encoder import WalkEncoder, answer, bucket_of, full_answers
from benchmarks.harness import trials
from onward.ranking.directed_graph import DirectedGraph, attribute_vectors

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
    edges, products = uci_links(tmp_path)
    phone, case, bag = range(3)  # sorted by code; postage is no good, and too few bought what is rare
    assert products == 3
    assert sorted(map(tuple, edges.tolist())) == [(phone, case), (bag, case)]  # the same day says nothing


@pytest.fixture(scope="module")
def links():
    return simulated_links(nodes=1500, groups=30)


@pytest.fixture(scope="module")
def ground(links):
    return Ground.of(thinned(*links, 1))


def test_simulated_degrees_have_heavy_tails():
    edges, nodes = simulated_links(nodes=20_000, groups=300)
    for side in (0, 1):
        degrees = np.bincount(edges[:, side], minlength=nodes)
        assert degrees.max() > 50 * degrees.mean()
    assert len(np.unique(edges, axis=0)) == len(edges)


def test_what_is_asked_for_is_hidden_and_young_sources_keep_five_targets_at_most(links):
    graph = thinned(*links, 1)
    degrees = graph.observed.out_degrees
    for asked in (graph.test, graph.validation):
        pairs = np.stack([asked.source, asked.answer], axis=1)
        assert not graph.observed.has(pairs).any()
        assert graph.known.has(pairs).all()
        assert degrees[asked.source[asked.young]].max() <= 5
        left = graph.known.out_degrees[asked.source] - 1
        assert (degrees[asked.source[asked.young]] >= np.minimum(left[asked.young], 1)).all()
        assert (degrees[asked.source] == left)[~asked.young].all()
    learn = graph.learn
    assert graph.observed.has(np.stack([learn.source, learn.answer], axis=1)).all()
    assert degrees[learn.source[learn.young]].max() <= 6
    everybody = np.concatenate([each.source for each in (graph.test, graph.validation, graph.learn)])
    assert np.array_equal(np.sort(everybody), np.unique(links[0][:, 0]))


def test_buckets_are_those_of_the_table():
    assert bucket_of(np.array([0, 1, 2, 3, 5, 6, 15, 16, 900])).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("arm", ARMS, ids=str)
def test_every_sampler_reads_as_many_edges_in_the_mean(ground, arm):
    queries = ground.training_queries()
    touched = [
        np.mean([at_equal_cost(each, ground, 3, 0)(queries, seed).touched.mean() for seed in range(5)])
        for each in (arm, UNIFORM)
    ]
    assert touched[0] == pytest.approx(touched[1], rel=0.03)


def test_a_power_moves_edges_to_low_degrees(ground):
    queries = ground.training_queries()
    even, steep = (at_equal_cost(BEST_FIRST[number], ground, 3, 0)(queries, 1).touched for number in (1, 3))
    low = (queries.degree >= 1) & (queries.degree <= 2)
    assert steep[low].mean() > 1.2 * even[low].mean()
    assert steep[queries.degree > 15].mean() < 0.5 * even[queries.degree > 15].mean()


def test_all_edges_by_walks_and_by_matrices_rank_alike(ground):
    encoder = WalkEncoder(ground.rows)
    graph = ground.graph
    asked = Question(*(each[:60] for each in (graph.test.source, graph.test.answer, graph.test.young)))
    everything = benchmark.Sampling(UNIFORM, ground, np.inf, 1.0)
    by_walks = answer(ground.rows, encoder, asked, everything, graph.known, 7, 1)
    by_matrices = full_answers(ground.rows, encoder, asked, graph.known, 7)
    # Single precision: sums in another order may change what stands beside what.
    assert by_walks.rank == pytest.approx(by_matrices.rank, rel=0.01, abs=0.6)
    own_row = ground.rows.out_degrees[asked.source]
    assert (by_matrices.touched - own_row <= by_walks.touched).all()


def test_popularity_ranks_what_no_walk_reaches():
    edges = np.array([[0, 1], [2, 1], [3, 1], [4, 3], [5, 3], [6, 5], [0, 6]])
    ground = Ground.of(thinned(edges, 7, 0))
    known = DirectedGraph.from_edges(edges, 7)
    asked = Question(np.array([0]), np.array([6]), np.array([False]))
    nothing = benchmark.Walks.of(np.empty((0, 5), np.int32), np.empty(0), np.zeros(1, np.int64))
    encoder = WalkEncoder(ground.rows)
    found = answer(ground.rows, encoder, asked, lambda *_: nothing, known, 1, 0)
    rivals = encoder.popularity[[2, 3, 4, 5]]  # neither itself nor its other target
    mine = encoder.popularity[6]
    assert found.rank.tolist() == [1 + (rivals > mine).sum() + (rivals == mine).sum() / 2]


def test_validation_picks_among_those_that_lose_nothing_over_all():
    low, high = np.array([1] * 10), np.array([4] * 10)
    asked = benchmark.Asked(np.arange(20), np.r_[low, high], np.zeros(20, bool), np.r_[low, high])

    def found(at_low, at_high):
        hits = np.r_[np.arange(10) < at_low, np.arange(10) < at_high]
        return benchmark.Found(hits, hits, np.ones(1), np.ones(1))

    arms = {arm: found(0, 0) for arm in ARMS} | {UNIFORM: found(3, 6), BEST_FIRST[2]: found(5, 4)}
    assert benchmark.pick(arms | {BEST_FIRST[3]: found(9, 0)}, asked) == BEST_FIRST[3]
    assert benchmark.pick(arms | {BEST_FIRST[3]: found(8, 0)}, asked) == BEST_FIRST[2]
    assert benchmark.pick(arms | {BEST_FIRST[2]: found(0, 0), IMPORTANCE: found(9, 9)}, asked) == UNIFORM


def test_gains_are_relative_and_their_interval_holds_them():
    generator = np.random.default_rng(0)
    control = generator.random(4000) < 0.2
    ours = control | (generator.random(4000) < 0.1)
    value, low, high = benchmark.gain(ours, control, np.arange(4000) % 1500, np.ones(4000, bool))
    assert low < value < high
    assert value == pytest.approx(ours.sum() / control.sum() - 1)


def test_the_second_best_set_is_claimed():
    def told(name, low, low_end, overall):
        return {
            f"{name}_low_gain": low, f"{name}_low_gain_low": low_end, f"{name}_all_gain": overall,
            f"{name}_speed_ratio": 1.0,
        }  # fmt: skip

    claims = benchmark.over_sets(
        told("a", 0.9, 0.6, 0.1) | told("b", 0.6, 0.3, 0.0) | told("c", 2.0, 1.0, -0.1), ("a", "b", "c")
    )
    assert (claims["sets_gained"], claims["low_bucket_gain"], claims["low_bucket_gain_low"]) == (2.0, 0.6, 0.3)


def test_every_arm_is_compared_and_a_stopped_run_goes_on(links, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "STEPS", 3)
    monkeypatch.setattr(benchmark, "RESAMPLES", 20)
    monkeypatch.setattr(thinned_graphs, "MOST_TEST", 80)
    monkeypatch.setattr(thinned_graphs, "MOST_VALIDATION", 80)
    compare = partial(benchmark.compare, "made", links, (1, 2), (2,))
    with Progress(disable=True) as progress:
        rows, claims = compare(trials.Trials("adaptive", store=tmp_path), progress)
        assert [row["sampler"] for row in rows] == [str(arm) for arm in (*ARMS, FULL)]
        assert sum(row["picked"] for row in rows) == 1
        assert rows[0]["gain low"] == rows[0]["gain all"] == 0.0
        assert claims == {}  # another size is claimed
        monkeypatch.setattr(benchmark, "train", lambda *_: pytest.fail("trained again"))
        again, _ = compare(trials.Trials("adaptive", store=tmp_path), progress)
    assert again == rows
