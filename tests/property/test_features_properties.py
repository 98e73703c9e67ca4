"""The as-of guard of the features, and that they mean what their names say."""

import math

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.data.features import build_features

DAY = 86_400
PRODUCTS, CUSTOMERS, SPAN = 5, 3, 130 * DAY
PATHS = ["Food > Milk", "Food > Milk", "Food > Tea", "Home", "Home > Milk"]
# Few distinct moments, so that purchases and impressions often fall on the same second and on window edges.
moments = st.one_of(
    st.integers(0, SPAN),
    st.builds(lambda day, shift: max(day * DAY + shift, 0), st.integers(0, 130), st.integers(-1, 1)),
)
purchase = st.tuples(
    st.integers(0, CUSTOMERS - 1),
    st.integers(0, 4),
    st.integers(0, PRODUCTS - 1),
    moments,
    st.integers(0, 3),
    st.integers(0, 2_000),
)
impression = st.tuples(
    st.integers(0, CUSTOMERS - 1), st.integers(0, PRODUCTS - 1), st.integers(0, PRODUCTS - 1), moments
)
logs = st.lists(purchase, max_size=25)
asks = st.lists(impression, min_size=1, max_size=8)


def products_frame(paths=PATHS):
    return pd.DataFrame({"product": np.arange(len(paths), dtype=np.int32), "category": paths})


def purchases_frame(rows):
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 6
    return pd.DataFrame(
        {
            "customer": np.array(columns[0], np.int32),
            "order": np.array(columns[1], np.int64),
            "product": np.array(columns[2], np.int32),
            "purchased_at": clock(columns[3]),
            "quantity": np.array(columns[4], np.float32),
            "amount": np.array(columns[5], np.float32) / np.float32(100),
        }
    )


def impressions_frame(rows):
    customer, source, target, shown = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "impression": np.arange(len(rows)) + 7,
            "customer": np.array(customer, np.int32),
            "source": np.array(source, np.int32),
            "target": np.array(target, np.int32),
            "shown_at": clock(shown),
        }
    )


def clock(seconds):
    return np.datetime64("2024-02-27", "us") + np.array(seconds, np.int64).astype("timedelta64[s]")


def build(purchases, impressions, paths=PATHS):
    asked = impressions_frame(impressions)
    return build_features(
        products_frame(paths), purchases_frame(purchases), asked, pd.DataFrame(index=asked.index)
    ).frame


def same(left, right):
    pd.testing.assert_frame_equal(left.reset_index(drop=True), right.reset_index(drop=True), check_exact=True)


@settings(deadline=None)
@given(purchases=logs, impressions=asks, cut=moments, others=logs)
def test_no_purchase_at_or_after_shown_at_changes_a_feature(purchases, impressions, cut, others):
    """THE as-of guard: from `cut` on the log is removed, or becomes another one."""
    judged = [row for row in impressions if row[3] <= cut] or [(0, 0, 1, cut)]
    past = [row for row in purchases if row[3] < cut]
    future = [(*row[:3], max(row[3], cut), *row[4:]) for row in others]
    expected = build(purchases, judged)
    same(build(past, judged), expected)
    same(build(future + past, judged), expected)


@settings(deadline=None)
@given(purchases=logs, impressions=asks, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(purchases, impressions, random):
    shuffled = list(purchases)
    random.shuffle(shuffled)
    places = list(range(len(impressions)))
    random.shuffle(places)
    expected = build(purchases, impressions).drop(columns="impression")
    found = build(shuffled, [impressions[place] for place in places]).drop(columns="impression")
    same(found, expected.iloc[places])


@settings(deadline=None)
@given(
    purchases=logs,
    impressions=asks,
    customers=st.permutations(range(CUSTOMERS)),
    products=st.permutations(range(PRODUCTS)),
)
def test_other_ids_change_nothing_and_other_names_only_codes(purchases, impressions, customers, products):
    expected = build(purchases, impressions)
    paths = [PATHS[products.index(product)] for product in range(PRODUCTS)]
    found = build(
        [(customers[c], 900 - order, products[p], *rest) for c, order, p, *rest in purchases],
        [(customers[c], products[u], products[v], shown) for c, u, v, shown in impressions],
        paths,
    )
    same(found, expected)
    renamed = build(purchases, impressions, [path.replace("Food", "Zoo").replace("Milk", "Aal") for path in PATHS])
    numeric = [name for name in expected if not name.startswith("cat_")]
    same(renamed[numeric], expected[numeric])


@settings(max_examples=60, deadline=None)
@given(purchases=logs, impressions=asks)
def test_features_equal_a_plain_reading_of_their_names(purchases, impressions):
    found = build(purchases, impressions)
    for place, row in enumerate(impressions):
        for name, value in plain_features(purchases, row).items():
            got = float(found.loc[place, name])
            assert (math.isnan(got) and math.isnan(value)) or np.isclose(got, value, rtol=1e-6, atol=1e-6), name


def plain_features(purchases, row):
    customer, source, target, shown = row
    known = [p for p in purchases if p[3] < shown]

    def recent(rows, days):
        return [p for p in rows if p[3] >= shown - days * DAY]

    def since(rows):
        return (shown - max(p[3] for p in rows)) / DAY if rows else math.nan

    def price(product):
        rows = recent([p for p in known if p[2] == product], 90)
        items = sum(p[4] for p in rows)
        return sum(p[5] for p in rows) / 100 / items if items else math.nan

    leaf, top = PATHS, [path.split(" > ")[0] for path in PATHS]
    own = [p for p in known if p[0] == customer]
    first_lines = {}
    for p in own:
        first_lines[p[1]] = min(first_lines.get(p[1], p[3]), p[3])
    visits = [(customer, order, None, second) for order, second in first_lines.items()]
    in_target = [p for p in own if leaf[p[2]] == leaf[target]]
    had_target, had_source = [p for p in own if p[2] == target], [p for p in own if p[2] == source]
    moment = pd.Timestamp(clock([shown])[0])
    source_price, target_price = price(source), price(target)
    return {
        "customer_visits_28d": len(recent(visits, 28)),
        "customer_visits_90d": len(recent(visits, 90)),
        "customer_days_since_visit": since(visits),
        "customer_days_since_earlier_visit": since([v for v in visits if v[3] < shown - DAY]),
        "customer_tenure_days": min((shown - min(v[3] for v in visits)) / DAY, 120) if visits else math.nan,
        "customer_items_1d": sum(p[4] for p in recent(own, 1)),
        "customer_spend_1d": sum(p[5] for p in recent(own, 1)) / 100,
        "customer_items_28d": sum(p[4] for p in recent(own, 28)),
        "customer_spend_28d": sum(p[5] for p in recent(own, 28)) / 100,
        "target_sales_7d": len(recent([p for p in known if p[2] == target], 7)),
        "target_sales_28d": len(recent([p for p in known if p[2] == target], 28)),
        "source_sales_28d": len(recent([p for p in known if p[2] == source], 28)),
        "target_price_90d": target_price,
        "source_price_90d": source_price,
        "price_ratio_90d": target_price / source_price if source_price > 0 else math.nan,
        "target_purchases": len(had_target),
        "target_days_since": since(had_target),
        "source_purchases": len(had_source),
        "source_days_since": since(had_source),
        "target_category_28d": len(recent(in_target, 28)),
        "target_category_90d": len(recent(in_target, 90)),
        "target_category_purchases": len(in_target),
        "target_category_days_since": since(in_target),
        "source_category_90d": len(recent([p for p in own if leaf[p[2]] == leaf[source]], 90)),
        "same_category": leaf[source] == leaf[target],
        "same_department": top[source] == top[target],
        "weekday": moment.weekday(),
        "hour": moment.hour,
    }
