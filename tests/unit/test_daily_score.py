"""The decision log as `onward score` writes it."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from builders.daily_files import params_of
from builders.small_graphs import params_with
from builders.tiny_bundle import make_bundle
from onward.daily import score as scoring
from onward.daily.completeness import Complete
from onward.daily.places import read_log
from onward.data.contract import RawLog
from onward.errors import MonitoringError
from onward.monitoring.decision_log import SCHEMA, place
from onward.uncertainty.uncertainty_model import PairPredictions

ALL = Complete(date(2018, 1, 1), "the log is closed")
PRODUCTS = [f"p{number}" for number in range(6)]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A source of 20 days of which the bundle may decide on the last ten."""
    first = pd.Timestamp("2017-11-20")
    rng = np.random.default_rng(4)
    n = 400
    time = (first - timedelta(days=10) + pd.to_timedelta(rng.uniform(0, 20, n), "D")).astype("datetime64[us]")
    source = rng.integers(0, 6, n)
    names = [PRODUCTS[number] for number in source]
    others = [PRODUCTS[(number + 1 + number % 3) % 6] for number in source]
    tables = {
        "products": pd.DataFrame({"product_id": PRODUCTS, "name": PRODUCTS, "category": "food > shelf"}),
        "purchases": pd.DataFrame({
            "customer_id": "c1", "order_id": [f"o{number}" for number in range(n)], "product_id": names,
            "purchased_at": time, "quantity": 1.0, "amount": 2.0,
        }),
        "impressions": pd.DataFrame({
            "impression_id": [f"i{number}" for number in range(n)], "customer_id": "c1", "source_product_id": names,
            "target_product_id": others, "shown_at": time,
        }),
        "conversions": pd.DataFrame({"impression_id": ["i0"], "converted_at": [time[0] + pd.Timedelta(hours=1)]}),
        "engagements": pd.DataFrame({
            "impression_id": ["i0"], "kind": ["view"], "happened_at": [time[0] + pd.Timedelta(minutes=1)],
        }),
    }  # fmt: skip
    monkeypatch.setattr(scoring, "read_log", lambda *_: RawLog({name: _arrow(t) for name, t in tables.items()}))
    names = [f"cat_{side}_{what}" for side in ("source", "target") for what in ("category", "department")]
    bundle = replace(make_bundle(), categories={name: ["food > shelf", "food"] for name in names})
    features = {"customer_visits_28d", "target_sales_7d", "cat_target_category"}
    monkeypatch.setattr(type(bundle), "predict", _predict(features))
    return tmp_path, params_of(tmp_path), bundle, tables


def _arrow(table: pd.DataFrame):
    import pyarrow as pa

    return pa.Table.from_pandas(table, preserve_index=False)


def _predict(needed: set[str]):
    def predict(self, features, source, target, threads=1):
        assert needed <= set(features.columns)
        value = 0.1 + 0.2 * ((source * 7 + target) % 5) / 5
        return PairPredictions(value, value, np.zeros(len(value), np.int64), value)

    return predict


def test_a_day_is_logged_once_and_stays(shop):
    root, params, bundle, tables = shop
    folder = root / "log"
    first = pd.Timestamp("2017-11-20").date()
    done = scoring.score_days(params, bundle, 2, folder, first, first + timedelta(days=4), ALL)
    assert len(done.rows) == 5
    days = tables["impressions"]["shown_at"].dt.date
    assert done.rows[first] == (days == first).sum()
    path = folder / place(first, 2)
    before = path.read_bytes()
    assert pq.read_schema(path).equals(SCHEMA)
    again = scoring.score_days(params, bundle, 2, folder, first, first + timedelta(days=5), ALL)
    assert list(again.rows) == [first + timedelta(days=5)]
    assert len(again.kept) == 5
    assert path.read_bytes() == before
    assert not list(folder.rglob("*.partial"))


def test_a_day_scored_alone_or_with_others_is_the_same_file(shop):
    root, params, bundle, _ = shop
    first = pd.Timestamp("2017-11-20").date()
    scoring.score_days(params, bundle, 2, root / "all", first, first + timedelta(days=3), ALL)
    scoring.score_days(params, bundle, 2, root / "one", first + timedelta(days=3), first + timedelta(days=3), ALL)
    name = place(first + timedelta(days=3), 2)
    assert (root / "all" / name).read_bytes() == (root / "one" / name).read_bytes()


def test_a_day_that_the_model_has_seen_is_refused(shop):
    root, params, bundle, _ = shop
    before = pd.Timestamp("2017-11-19").date()
    with pytest.raises(MonitoringError, match="has learnt from 2017-11-19"):
        scoring.score_days(params, bundle, 2, root / "log", before, before, ALL)
    with pytest.raises(MonitoringError, match="lies before"):
        scoring.score_days(params, bundle, 2, root / "log", before, before - timedelta(days=1), ALL)


@pytest.mark.parametrize("source", ["edge_list", "sequences"])
def test_a_source_without_impressions_has_no_days(source):
    params = params_with(source, {})
    with pytest.raises(MonitoringError, match="no impressions"):
        read_log(params, date(2017, 11, 20), date(2017, 11, 21))
