"""The pair scorer: soft labels, customer bootstrap, text round trip, and its place beside counts and embeddings."""

import numpy as np
import pandas as pd
import pytest

from onward.errors import DataError
from onward.graph.product_graph import ProductGraph
from onward.metrics.classification import area_under_curve, log_loss
from onward.model.embeddings import RELATIONS, Embeddings
from onward.model.pair_features import EMBEDDING_FEATURES, PAIR_FEATURES, pair_features, scorer_frame
from onward.model.scorer import PairScorer
from onward.model.scorer_training import (
    LabelledPairs,
    ScorerSettings,
    bootstrap_weights,
    labelled_pairs,
    train_scorer,
)

SETTINGS = ScorerSettings(
    heads=3, iterations=25, learning_rate=0.2, leaves=4, min_rows_in_leaf=20, l2=1.0, feature_share=1.0
)


def world(seed, rows=1500):
    rng = np.random.default_rng(seed)
    x, kind = rng.normal(size=rows), rng.integers(0, 4, rows)
    truth = 1.0 / (1.0 + np.exp(-(1.5 * x + (kind == 2) - 1.0)))
    frame = pd.DataFrame({"x": x, "noise": rng.normal(size=rows), "cat_kind": kind}).astype(np.float32)
    frame.loc[::17, "cat_kind"] = np.nan
    customer = rng.integers(0, 100, rows)
    return LabelledPairs(frame, (rng.random(rows) < truth).astype(float), np.ones(rows), customer), truth


@pytest.fixture(scope="module")
def fitted():
    return train_scorer(world(1)[0], world(2)[0], SETTINGS, seed=4, threads=1)


def test_heads_predict_probabilities_that_rank_the_truth(fitted):
    pairs, truth = world(3)
    heads = fitted.scorer.predict(pairs.frame)
    assert heads.shape == (1500, 3)
    assert ((heads > 0) & (heads < 1)).all()
    assert np.corrcoef(heads.mean(axis=1), truth)[0, 1] > 0.9
    assert heads.std(axis=1).mean() > 0, "heads saw different customers"


def test_text_round_trip_predicts_the_same(fitted):
    scorer = fitted.scorer
    again = PairScorer.from_manifest(scorer.to_manifest(), scorer.heads)
    frame = world(3)[0].frame
    assert again == scorer
    assert scorer.categorical == ("cat_kind",)
    shuffled = frame.assign(extra=1.0)[["extra", "cat_kind", "noise", "x"]]
    assert np.array_equal(again.predict(shuffled), scorer.predict(frame)), "columns are found by name"


def test_iterations_are_those_that_fit_selection_best(fitted):
    looks = dict(fitted.selection_loss)
    assert list(looks) == [10, 20, 25]
    assert looks[fitted.iterations] == min(looks.values())
    assert all(trees.iterations == fitted.iterations for trees in fitted.scorer.trees)
    pairs = world(2)[0]
    mean = fitted.scorer.predict(pairs.frame).mean(axis=1)
    assert log_loss(pairs.label, mean, pairs.weight) == pytest.approx(looks[fitted.iterations])


def test_fitting_is_repeatable(fitted):
    again = train_scorer(world(1)[0], world(2)[0], SETTINGS, seed=4, threads=1)
    assert again.scorer.heads == fitted.scorer.heads


def test_weights_split_a_label_like_soft_labels():
    """Rows (1, z) and (0, 1 - z) for every impression teach the rate z."""
    pairs, _ = world(1)
    rows = len(pairs.label)
    twice = LabelledPairs(
        pd.concat([pairs.frame, pairs.frame], ignore_index=True),
        np.repeat([1.0, 0.0], rows),
        np.repeat([0.2, 0.8], rows),
        np.tile(pairs.customer, 2),
    )
    scores = train_scorer(twice, twice, SETTINGS, seed=4, threads=1).scorer.predict(pairs.frame)
    np.testing.assert_allclose(scores, 0.2, atol=0.01)


def test_bootstrap_draws_customers_with_mean_one():
    customer = np.repeat(np.arange(5000), 2)
    weights = bootstrap_weights(customer, seed=1, head=0)
    assert (weights[::2] == weights[1::2]).all(), "a customer's rows come together"
    assert weights.mean() == pytest.approx(1.0, abs=4 / np.sqrt(5000))
    assert weights[::2].var() == pytest.approx(1.0, abs=0.1)
    assert not np.array_equal(weights, bootstrap_weights(customer, seed=1, head=1))
    assert np.array_equal(weights, bootstrap_weights(customer, seed=1, head=0))


def test_one_label_only_is_one_clear_line():
    pairs, _ = world(1)
    negatives = LabelledPairs(pairs.frame, np.zeros(1500), pairs.weight, pairs.customer)
    with pytest.raises(DataError, match="1500 training rows do not hold both labels"):
        train_scorer(negatives, pairs, SETTINGS, seed=1, threads=1)
    with pytest.raises(DataError, match="1500 selection rows"):
        train_scorer(pairs, negatives, SETTINGS, seed=1, threads=1)


def test_a_missing_feature_is_named(fitted):
    with pytest.raises(DataError, match=r"1 of 3 features are missing \(noise\)"):
        fitted.scorer.predict(world(1)[0].frame.drop(columns="noise"))


def test_no_rows_give_no_scores(fitted):
    assert fitted.scorer.predict(world(1)[0].frame.head(0)).shape == (0, 3)


@pytest.fixture
def model():
    edges = pd.DataFrame(
        {"source": [0, 1], "target": [1, 2], "support": 5, "reverse_support": 1, "expected": 2.0, "score": 0.9}
    )
    nodes = pd.DataFrame({"product": range(3), "customers": 10, "fresh_customers": 4})
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(2, 3, 4)).astype(np.float32)
    scale = rng.uniform(1, 5, size=(2, 4)).astype(np.float32)
    return ProductGraph.from_tables(3, edges, nodes), Embeddings(source, target, scale)


def test_pair_features_follow_their_formulas(model):
    graph, embeddings = model
    frame = pair_features(graph, embeddings, np.array([0, 2]), np.array([1, 2]))
    assert tuple(frame.columns) == PAIR_FEATURES
    s, t, (together, after) = embeddings.source, embeddings.target, embeddings.scale
    assert frame["gnn_forward"][0] == pytest.approx((s[0] * after) @ t[1], abs=1e-5)
    assert frame["gnn_reverse"][0] == pytest.approx((s[1] * after) @ t[0], abs=1e-5)
    assert frame["gnn_together"][0] == pytest.approx((s[0] * together) @ t[1], abs=1e-5)
    assert frame["gnn_cosine"][0] == pytest.approx(s[0] @ t[1], abs=1e-5)
    assert frame["gnn_substitute"][0] == pytest.approx(s[0] @ s[1], abs=1e-5)
    assert frame["gnn_direction"][1] == 0.0
    assert (frame.dtypes == np.float32).all()


def test_embeddings_round_trip_and_agree_with_themselves(model):
    _, embeddings = model
    again = Embeddings.from_arrays(embeddings.to_arrays())
    everything = np.arange(3)
    assert again.products == 3
    for relation in RELATIONS:
        matrix = again.log_lift_matrix(relation, everything, everything)
        for u in range(3):
            pairs = embeddings.log_lift(relation, np.full(3, u), everything)
            np.testing.assert_allclose(matrix[u], pairs, atol=1e-5)
    s, together = embeddings.source, embeddings.scale[0]
    likeness = embeddings.alike(np.array([0, 1]), np.array([2, 2]))
    np.testing.assert_allclose(likeness, [(s[0] * together) @ s[2], (s[1] * together) @ s[2]], rtol=1e-5)


def test_embeddings_of_an_earlier_version_are_one_clear_line(model):
    old = {**model[1].to_arrays(), "bias": np.zeros(3, np.float32), "temperature": np.float32(0.1)}
    del old["scale"]
    with pytest.raises(DataError, match=r"earlier version.*dvc repro") as refused:
        Embeddings.from_arrays(old)
    assert "\n" not in str(refused.value)


def test_scorer_frame_keeps_rows_and_order(model):
    features = pd.DataFrame({"impression": [7, 8], "a": [1.0, 2.0]}, index=[5, 3])
    frame = scorer_frame(features, *model, np.array([0, 1]), np.array([1, 2]))
    assert list(frame.columns) == ["a", *PAIR_FEATURES]
    assert frame["a"].tolist() == [1.0, 2.0]
    assert not frame[list(EMBEDDING_FEATURES)].isna().any(axis=None)
    with pytest.raises(DataError, match="2 feature rows, 1 sources and 1 targets"):
        scorer_frame(features, *model, np.array([0]), np.array([1]))


def test_label_rows_meet_the_features_of_their_impression(model):
    impressions = pd.DataFrame(
        {"impression": [3, 4, 6], "customer": [30, 40, 60], "source": [0, 1, 2], "target": [1, 2, 0]}
    )
    features = pd.DataFrame({"impression": [3, 4, 6], "a": [0.3, 0.4, 0.6]})
    labels = pd.DataFrame({"impression": [6, 3, 3, 99], "label": [0, 1, 0, 1], "weight": [1.0, 0.2, 0.8, 1.0]})
    pairs = labelled_pairs(labels, impressions, features, *model)
    assert pairs.frame["a"].tolist() == [0.6, 0.3, 0.3]
    assert pairs.customer.tolist() == [60, 30, 30]
    assert pairs.label.tolist() == [0, 1, 0]
    assert pairs.weight.tolist() == [1.0, 0.2, 0.8]


def test_area_under_curve_counts_pairs():
    label, score = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.1, 0.2, 0.2])
    assert area_under_curve(label, score, np.ones(4)) == pytest.approx((2 + 1 + 0.5) / 4)
    assert area_under_curve(np.full(4, 0.3), score, np.ones(4)) == pytest.approx(0.5)
    assert np.isnan(area_under_curve(np.ones(4), score, np.ones(4)))
