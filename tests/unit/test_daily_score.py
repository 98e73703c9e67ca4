"""The decision log as `onward score` writes it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from daily_files import params_of
from tiny_bundle import make_bundle, make_features

from onward.daily import score as scoring
from onward.data.contract import RawLog
from onward.deployment.decide import decide_impressions
from onward.errors import MonitoringError
from onward.monitoring.decision_log import SCHEMA, place
from onward.thresholds.policy import Policy

PRODUCTS = [f"p{number}" for number in range(6)]


def test_decisions_are_those_of_serving():
    features = make_features(60, 1).drop(columns="impression")
    source, target = [f"p{row % 3}" for row in range(60)], [f"p{2 + row % 2}" for row in range(60)]
    score = decide_impressions(make_bundle(), features, source, target)["score"]
    cut, lower = float(score.quantile(0.7)), float(score.quantile(0.4))
    bundle = replace(make_bundle(), policy=Policy("ew_dpmt", 0.3, (cut, cut), (lower, lower)))
    found = decide_impressions(bundle, features, source, target)
    expected = ["show" if each >= cut else "abstain" if each >= lower else "don't show" for each in score]
    assert found["decision"].tolist() == expected
    assert set(expected) == {"show", "abstain", "don't show"}


def test_an_unknown_product_is_logged_and_not_shown():
    features = make_features(3, 1).drop(columns="impression")
    found = decide_impressions(make_bundle(), features, ["p0", "new", "p2"], ["p2", "p3", "p3"])
    assert found["level"].tolist()[1] == -1
    assert found["decision"].tolist()[1] == "don't show"
    assert np.isnan(found["score"].tolist()[1])
    assert (found["level"].to_numpy()[[0, 2]] >= 0).all()


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
    monkeypatch.setattr(type(bundle), "heads", _heads(features))
    return tmp_path, params_of(tmp_path), bundle, tables


def _arrow(table: pd.DataFrame):
    import pyarrow as pa

    return pa.Table.from_pandas(table, preserve_index=False)


def _heads(needed: set[str]):
    def heads(self, features, source, target, threads=1):
        frame = features.rename(columns={"customer_visits_28d": "customer_visits_28d"})
        missing = needed - set(frame.columns)
        assert not missing
        value = 0.1 + 0.2 * ((source * 7 + target) % 5) / 5
        return np.stack([value, value * 1.1, value * 0.9], axis=1)

    return heads


def test_a_day_is_logged_once_and_stays(shop):
    root, params, bundle, tables = shop
    folder = root / "log"
    first = pd.Timestamp("2017-11-20").date()
    done = scoring.score_days(params, bundle, 2, folder, first, first + timedelta(days=4))
    assert len(done.rows) == 5
    days = tables["impressions"]["shown_at"].dt.date
    assert done.rows[first] == (days == first).sum()
    path = folder / place(first, 2)
    before = path.read_bytes()
    assert pq.read_schema(path).equals(SCHEMA)
    again = scoring.score_days(params, bundle, 2, folder, first, first + timedelta(days=5))
    assert list(again.rows) == [first + timedelta(days=5)]
    assert len(again.kept) == 5
    assert path.read_bytes() == before
    assert not list(folder.rglob("*.partial"))


def test_a_day_scored_alone_or_with_others_is_the_same_file(shop):
    root, params, bundle, _ = shop
    first = pd.Timestamp("2017-11-20").date()
    scoring.score_days(params, bundle, 2, root / "all", first, first + timedelta(days=3))
    scoring.score_days(params, bundle, 2, root / "one", first + timedelta(days=3), first + timedelta(days=3))
    name = place(first + timedelta(days=3), 2)
    assert (root / "all" / name).read_bytes() == (root / "one" / name).read_bytes()


def test_a_day_that_the_model_has_seen_is_refused(shop):
    root, params, bundle, _ = shop
    before = pd.Timestamp("2017-11-19").date()
    with pytest.raises(MonitoringError, match="has learnt from 2017-11-19"):
        scoring.score_days(params, bundle, 2, root / "log", before, before)
    with pytest.raises(MonitoringError, match="lies before"):
        scoring.score_days(params, bundle, 2, root / "log", before, before - timedelta(days=1))
