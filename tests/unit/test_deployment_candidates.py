from datetime import datetime

import numpy as np
import pandas as pd
from tiny_bundle import EDGES, make_bundle

from onward.data.features import build_features
from onward.deployment.candidates import choose_candidates, describe_candidates, is_of_the_pair, sample_contexts

PRODUCTS = pd.DataFrame({"product": range(6), "category": ["A > x", "A > y", "B > z", "B > z", "A > x", None]})
AS_OF = datetime(2020, 6, 1)


def make_purchases(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame({
        "customer": rng.integers(0, 20, rows), "order": np.arange(rows), "product": rng.integers(0, 6, rows),
        "purchased_at": pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(1, 120 * 86400, rows), unit="s"),
        "quantity": 1.0, "amount": rng.uniform(1, 9, rows),
    })  # fmt: skip


def test_a_feature_is_of_the_pair_exactly_if_no_customer_changes_it():
    pairs = pd.DataFrame({"source": np.repeat(range(6), 6), "target": np.tile(range(6), 6)})
    frames = []
    for customer in range(20):
        asked = pairs.assign(
            customer=customer, impression=range(36), shown_at=pd.Series([AS_OF] * 36, dtype="datetime64[us]")
        )
        frames.append(build_features(PRODUCTS, make_purchases(), asked, pd.DataFrame(index=asked.index)).frame)
    for name in frames[0].columns.drop("impression"):
        same = all(frame[name].equals(frames[0][name]) for frame in frames)
        varies = len(set(frames[0][name].fillna(-1))) > 1
        # The moment is the same in all rows: weekday and hour say nothing here.
        if varies or not same:
            assert is_of_the_pair(name) == same, name


def test_every_edge_is_a_candidate_once_and_no_product_is_left_alone():
    bundle = make_bundle()
    source, target = choose_candidates(bundle.graph, bundle.embeddings, least=2)
    pairs = list(zip(source.tolist(), target.tolist(), strict=True))
    assert {edge[:2] for edge in EDGES} <= set(pairs)
    assert pairs == sorted(set(pairs))
    assert (source != target).all()
    assert (np.bincount(source, minlength=6) >= 2).all()
    assert (np.bincount(target, minlength=6) >= 2).all()


def test_the_products_nearest_by_embedding_come_first():
    bundle = make_bundle()
    source, target = choose_candidates(bundle.graph, bundle.embeddings, least=1)
    alone = np.array([5])
    scores = bundle.embeddings.relevance_to_all(alone)[0]
    scores[5] = -np.inf
    assert int(np.argmax(scores)) in target[source == 5]


def test_no_more_candidates_are_asked_for_than_there_are_products():
    bundle = make_bundle()
    source, _ = choose_candidates(bundle.graph, bundle.embeddings, least=100)
    assert len(source) == 6 * 5


def test_candidates_know_what_the_shop_knew_before_as_of():
    categories = build_features(
        PRODUCTS, make_purchases(),
        pd.DataFrame({"impression": [0], "customer": [0], "source": [0], "target": [1],
                      "shown_at": pd.Series([AS_OF], dtype="datetime64[us]")}),
        pd.DataFrame({"context_place": ["front"]}),
    ).categories  # fmt: skip
    source, target = np.array([0, 2]), np.array([1, 3])
    before = describe_candidates(source, target, PRODUCTS, make_purchases(), AS_OF, categories)
    late = make_purchases(5).assign(purchased_at=AS_OF, product=1, customer=0)
    after = describe_candidates(source, target, PRODUCTS, pd.concat([make_purchases(), late]), AS_OF, categories)
    pd.testing.assert_frame_equal(before, after)
    assert before["same_category"].tolist() == [0.0, 1.0]
    assert (before["target_sales_28d"] > 0).all()
    assert not [name for name in before.columns if "customer" in name or "context" in name]


def test_contexts_are_a_seeded_sample_of_eligible_rows_without_the_pair():
    features = pd.DataFrame({"impression": range(100), "customer_items_28d": range(100), "target_sales_7d": 1.0})
    eligible = np.arange(100) % 2 == 1
    drawn = sample_contexts(features, eligible, 10, seed=3)
    assert list(drawn.columns) == ["customer_items_28d"]
    assert len(drawn) == 10
    assert (drawn["customer_items_28d"] % 2 == 1).all()
    pd.testing.assert_frame_equal(drawn, sample_contexts(features, eligible, 10, seed=3))
    assert not drawn.equals(sample_contexts(features, eligible, 10, seed=4))
    assert len(sample_contexts(features, eligible, 1000, seed=3)) == 50
