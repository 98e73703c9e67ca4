from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from onward.data.features import build_features
from onward.deployment.typical_features import ProductState, describe_products, is_of_the_pair, sample_contexts

PRODUCTS = pd.DataFrame({"product": range(6), "category": ["A > x", "A > y", "B > z", "B > z", "A > x", None]})
AS_OF = datetime(2020, 6, 1)


def make_purchases(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame({
        "customer": rng.integers(0, 20, rows), "order": np.arange(rows), "product": rng.integers(0, 6, rows),
        "purchased_at": pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(1, 120 * 86400, rows), unit="s"),
        "quantity": 1.0, "amount": rng.uniform(1, 9, rows),
    })  # fmt: skip


@pytest.fixture(scope="module")
def build_pairs():
    """Every pair of products, its features for some customer, and the codes, one of which is a context's."""
    pairs = pd.DataFrame({"source": np.repeat(range(6), 6), "target": np.tile(range(6), 6)})
    asked = pairs.assign(customer=3, impression=range(36), shown_at=pd.Series([AS_OF] * 36, dtype="datetime64[us]"))
    table = build_features(PRODUCTS, make_purchases(), asked, pd.DataFrame({"context_place": ["front"] * 36}))
    return pairs, table.frame, table.categories


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


def test_any_pair_is_described_as_the_builder_would(build_pairs):
    pairs, frame, categories = build_pairs
    state = describe_products(PRODUCTS, make_purchases(), AS_OF, categories)
    assert len(state) == len(PRODUCTS)
    products = ProductState.of(state, PRODUCTS["category"])
    described = pd.DataFrame(products.columns(pairs["source"].to_numpy(), pairs["target"].to_numpy()))
    wanted = frame[[name for name in frame.columns if is_of_the_pair(name)]]
    assert set(described.columns) == set(wanted.columns)
    pd.testing.assert_frame_equal(described[wanted.columns], wanted)


def test_products_are_described_as_known_before_as_of(build_pairs):
    _, _, categories = build_pairs
    late = make_purchases(5).assign(purchased_at=AS_OF, product=1, customer=0)
    before = describe_products(PRODUCTS, make_purchases(), AS_OF, categories)
    after = describe_products(PRODUCTS, pd.concat([make_purchases(), late]), AS_OF, categories)
    pd.testing.assert_frame_equal(before, after)
    assert not [name for name in before.columns if "customer" in name or "context" in name]


def test_a_shop_without_purchases_is_described_too(build_pairs):
    _, _, categories = build_pairs
    state = describe_products(PRODUCTS, make_purchases(5)[:0], AS_OF, categories)
    assert state["target_price_90d"].isna().all()


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
