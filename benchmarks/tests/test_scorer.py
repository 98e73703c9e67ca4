"""Whether the network earns its place, asked on made impressions: what is compared, picked and claimed."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.doubt import scorer as benchmark
from onward.model.pair_features import EMBEDDING_FEATURES
from onward.model.scorer_training import LabelledPairs
from onward.params import read_params


def made_pairs(rows, seed, telling=1.5, first_customer=0):
    """Counts tell a little, the embeddings more, one column is missing at times and one is a category."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({name: generator.standard_normal(rows) for name in ("count_support", *EMBEDDING_FEATURES)})
    chance = 1 / (1 + np.exp(2 - 0.7 * frame["count_support"] - telling * frame["gnn_forward"]))
    frame["count_score"] = np.where(generator.random(rows) < 0.3, np.nan, frame["count_support"])
    frame = frame.astype(np.float32)
    frame["cat_department"] = generator.integers(0, 3, rows)
    label = (generator.random(rows) < chance.to_numpy()).astype(np.float64)
    return LabelledPairs(frame, label, np.ones(rows), first_customer + np.arange(rows) // 5)


class MadeClock:
    """Stands in for a run of the pipeline."""

    def __init__(self, telling):
        params = read_params(benchmark.ROOT / "params.yaml")
        scorer = params.scorer.model_copy(update={"heads": 2, "iterations": 40, "min_rows_in_leaf": 20})
        run = params.run.model_copy(update={"threads": 1})
        self.params = params.model_copy(update={"scorer": scorer, "run": run})
        self.telling = telling

    def learning(self):
        fit, stop, choose = (made_pairs(rows, seed, self.telling) for rows, seed in ((3000, 1), (800, 2), (800, 2)))
        return fit, stop, choose

    def judging(self):
        pairs = made_pairs(1500, 3, self.telling, 10_000)
        weight = np.where(np.arange(1500) < 900, 1.0, 2.0)
        return LabelledPairs(pairs.frame, pairs.label, weight, pairs.customer)


@pytest.fixture
def made(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "STORE", tmp_path)
    monkeypatch.setattr(benchmark.Clock, "of", lambda _day: MadeClock(1.5))
    monkeypatch.setattr(benchmark, "SAMPLES", 50)
    for day in benchmark.CLOCKS:
        (tmp_path / day).mkdir()
    return tmp_path


def run(monkeypatch, *arguments):
    told = []
    monkeypatch.setattr(benchmark, "publish", told.append)
    monkeypatch.setattr("sys.argv", ["scorer_complete_journey", *arguments])
    benchmark.main()
    return told[0]


def test_what_embeddings_tell_is_claimed_and_a_stopped_run_goes_on(made, monkeypatch):
    found = run(monkeypatch, "--clocks", *benchmark.CLOCKS[:2])
    assert found.claims["auc_gain_from_gnn_low"] > 0
    assert found.claims["nll_gain_from_gnn_low"] > 0
    assert {row["clock"] for row in found.rows} == {*benchmark.CLOCKS[:2], "all"}
    matured, after = (
        {row["n"] for row in found.rows if row["impressions"] == kind and row["clock"] == "all"}
        for kind in ("matured", "of these after the clock")
    )
    assert (matured, after) == ({3000}, {1200})
    monkeypatch.setattr(benchmark.Clock, "of", lambda day: pytest.fail(f"{day} was run again"))
    assert run(monkeypatch, "--clocks", *benchmark.CLOCKS[:2]).claims == found.claims


def test_where_embeddings_tell_nothing_nothing_is_gained(made, monkeypatch):
    monkeypatch.setattr(benchmark.Clock, "of", lambda _day: MadeClock(0.0))
    found = run(monkeypatch, "--clocks", benchmark.CLOCKS[0])
    assert found.claims["auc_gain_from_gnn_low"] < 0.005


def test_without_the_network_no_scorer_sees_what_embeddings_say(made, monkeypatch):
    seen = []

    def spied(clock, fit, stop, choose, judge):
        seen.append([set(EMBEDDING_FEATURES) & set(rows.frame.columns) for rows in (fit, stop, choose, judge)])
        return np.full(len(choose.label), 0.1), np.full(len(judge.label), 0.1)

    monkeypatch.setattr(benchmark, "SCORERS", {"boosted": spied})
    benchmark.predictions(benchmark.CLOCKS[0])
    assert seen == [[set(EMBEDDING_FEATURES)] * 4, [set()] * 4]


def test_selection_households_pick_and_not_those_that_judge(made, monkeypatch):
    label = np.r_[np.ones(50), np.zeros(50)]
    good, bad = np.where(label > 0, 0.8, 0.2), np.full(100, 0.5)

    def says(chosen, judged):
        return lambda *_: (chosen, judged)

    class Same(MadeClock):
        def learning(self):
            return (self.judging(),) * 3

        def judging(self):
            frame = pd.DataFrame(np.zeros((100, len(EMBEDDING_FEATURES))), columns=list(EMBEDDING_FEATURES))
            return LabelledPairs(frame, label, np.tile([1.0, 2.0], 50), np.arange(100))

    monkeypatch.setattr(benchmark.Clock, "of", lambda _day: Same(0.0))
    scorers = {"boosted": says(good, bad), "neural": says(bad, good)}
    monkeypatch.setattr(benchmark, "SCORERS", scorers)
    found = run(monkeypatch, "--clocks", benchmark.CLOCKS[0])
    assert found.claims["pipeline_scorer_is_picked"] == 1.0
