from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from onward.data.contract import TABLES
from onward.data.sources.simulator import simulate
from onward.data.sources.simulator_world import WeightedGroups, build_world
from onward.data.validation import validate

END = datetime(2024, 3, 1)
DAYS = 90


@pytest.fixture(scope="module")
def shop():
    return simulate(200, 300, DAYS, 100, seed=3, end=END)


@pytest.fixture(scope="module")
def frames(shop):
    return {name: table.to_pandas() for name, table in shop.log.tables.items()}


def test_the_same_arguments_give_the_same_log(shop):
    again = simulate(200, 300, DAYS, 100, seed=3, end=END)
    assert all(again.log.tables[name].equals(shop.log.tables[name]) for name in TABLES)
    assert all(again.truth[name].equals(table) for name, table in shop.truth.items())


def test_another_seed_is_another_shop(shop):
    other = simulate(200, 300, DAYS, 100, seed=4, end=END)
    assert not other.truth["edges"].equals(shop.truth["edges"])


@pytest.mark.parametrize(
    ("products", "customers", "per_day", "window", "end"),
    [
        (300, 500, 200, 28, END),
        (20, 20, 30, 7, datetime(2017, 1, 1, 5, 3, 2)),
        (2000, 100, 50, 1, datetime(2030, 12, 31, 23, 59, 59)),
    ],
)
def test_the_log_keeps_the_contract(products, customers, per_day, window, end):
    log = simulate(products, customers, 60, per_day, seed=1, end=end, attribution_days=window).log
    valid = validate(log, end, timedelta(days=window), threads=1)
    assert {name: count.quarantined for name, count in valid.counts.items()} == {name: {} for name in TABLES}


def test_nothing_happens_outside_the_log(frames):
    start = END - timedelta(days=DAYS)
    for name, clock in [
        ("purchases", "purchased_at"),
        ("impressions", "shown_at"),
        ("engagements", "happened_at"),
        ("conversions", "converted_at"),
    ]:
        assert frames[name][clock].between(start, END, inclusive="left").all()


def test_impressions_come_every_day_in_the_number_asked_for(frames):
    per_day = frames["impressions"].groupby(frames["impressions"]["shown_at"].dt.date).size()
    assert len(per_day) == DAYS
    # What is mailed late in the evening of the last day is shown after the end.
    assert per_day.iloc[2:-1].mean() == pytest.approx(100, rel=0.03)


def test_an_impression_follows_a_purchase_of_its_source(frames):
    shown = frames["impressions"].sort_values("shown_at")
    bought = frames["purchases"].sort_values("purchased_at")
    found = pd.merge_asof(
        shown,
        bought.rename(columns={"product_id": "source_product_id"})[
            ["customer_id", "source_product_id", "purchased_at"]
        ],
        left_on="shown_at",
        right_on="purchased_at",
        by=["customer_id", "source_product_id"],
        allow_exact_matches=False,
        tolerance=pd.Timedelta(days=2),
    )
    assert found["purchased_at"].notna().all()


def test_a_slate_shows_a_target_once_and_ranks_from_one(frames):
    shown = frames["impressions"]
    slate = ["customer_id", "shown_at", "context_slot"]
    assert shown.groupby(slate)["context_rank"].min().eq(1).all()
    assert not shown.duplicated([*slate, "context_rank"]).any()


def test_a_conversion_is_a_purchase_of_the_target_at_that_moment(frames):
    caused = frames["conversions"].merge(frames["impressions"], on="impression_id")
    found = caused.merge(
        frames["purchases"],
        left_on=["customer_id", "target_product_id", "converted_at"],
        right_on=["customer_id", "product_id", "purchased_at"],
    )
    assert set(found["impression_id"]) == set(caused["impression_id"])
    assert len(caused) > 100


def test_engagement_comes_after_the_impression_and_before_its_conversion(frames):
    seen = frames["engagements"].merge(frames["impressions"], on="impression_id")
    seen = seen.merge(frames["conversions"], on="impression_id", how="left")
    assert (seen["happened_at"] > seen["shown_at"]).all()
    converted = seen[seen["converted_at"].notna()]
    assert (converted["happened_at"] < converted["converted_at"]).all()
    assert set(seen["kind"]) == {"view", "add_to_cart"}


def test_the_truth_agrees_with_the_log_and_knows_what_came_after_it(shop, frames):
    truth = shop.truth["impressions"].to_pandas().merge(frames["impressions"], on="impression_id")
    logged = set(frames["conversions"]["impression_id"])
    at = truth["shown_at"] + pd.to_timedelta(truth["delay_days"], unit="D")
    before_end = truth["converted"] & (at < END - timedelta(seconds=1))
    assert set(truth.loc[before_end, "impression_id"]) <= logged <= set(truth.loc[truth["converted"], "impression_id"])
    assert truth["converted"].sum() > len(logged)
    assert truth["delay_days"].notna().equals(truth["converted"])
    assert truth["delay_days"].max() < 28


def test_order_ids_go_with_time_so_that_they_give_nothing_away(frames):
    orders = frames["purchases"].groupby("order_id")["purchased_at"].min()
    assert orders.is_monotonic_increasing


def test_products_have_paths_names_and_attributes(frames):
    products = frames["products"]
    assert products["category"].str.fullmatch(r"Department \d+ > Category \d+").all()
    assert products["name"].is_unique
    assert (products["attr_list_price"] > 0).all()


def test_weighted_groups_draw_by_weight_within_the_group():
    groups = WeightedGroups.of(np.array([2, 0, 2, 2]), np.array([1.0, 5.0, 3.0, 0.0]), 4)
    assert groups.mass(np.arange(4)).tolist() == [5.0, 0.0, 4.0, 0.0]
    uniform = (np.arange(1000) + 0.5) / 1000
    picked = groups.pick(np.full(1000, 2), uniform)
    assert np.bincount(picked, minlength=4).tolist() == [250, 0, 750, 0]
    assert groups.pick(np.array([0, 2]), np.array([1.0, 1.0])).tolist()[0] == 1


def test_edges_are_looked_up_in_their_direction_only():
    edges = build_world(100, 20, 60, seed=1).edges
    assert (edges.look_up(edges.source, edges.target) == edges.strength).all()
    back = edges.look_up(edges.target, edges.source)
    assert np.mean(back == 0.0) > 0.7
    assert (edges.source != edges.target).all()
