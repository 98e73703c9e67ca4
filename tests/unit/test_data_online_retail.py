"""The source online_retail, on a handful of invoices in the data set's own form."""

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from onward.data.contract import CONTRACT
from onward.data.sources import online_retail, read_source
from onward.data.validation import validate
from onward.errors import DataError

U, V, OTHER, SIDE = "10001", "10002A", "10003", "10004"
START, END = datetime(2011, 4, 1), datetime(2011, 8, 1)
WINDOW = timedelta(days=28)
SETTINGS = {
    "candidates_before": date(2011, 4, 1), "min_customers": 2, "min_support": 2, "candidates_per_product": 5,
    "shown_per_visit": 1, "fresh_days": 60, "follow_days": 30,
}  # fmt: skip
NAMES = {U: "RED PHONE", V: "LEATHER PHONE CASE", OTHER: "SILK CASE ", SIDE: "PAPER BAG"}


def invoices():
    """Customer, day of 2011 from 0, code, quantity; the first days fill the look-back."""
    rows = [(90, 0, SIDE, 1), (90, 211, SIDE, 1)]
    for customer in (1, 2, 3):
        rows += [(customer, 60, U, 1), (customer, 65, V, 2)]
    for customer in (1, 2):
        rows += [(customer, 70, OTHER, 1)]
    return [
        *rows,
        (4, 100, U, 1),  # recommended V, the strongest; converts on day 105 ...
        (4, 102, SIDE, 1),  # ... after a visit
        (4, 105, V, 1),
        (4, 105, V, 2),  # a second line of one order
        (5, 110, U, 1),  # recommended, never bought
        (3, 115, U, 1),  # V is not new to the customer: OTHER is shown
    ]


@pytest.fixture
def file(tmp_path):
    first = pd.Timestamp("2011-01-01 10:00")
    rows = [
        (f"5{who:03}{day:03}", code, NAMES[code], quantity, first + pd.Timedelta(days=day), 2.5, float(who), "France")
        for who, day, code, quantity in invoices()
    ]
    moment = pd.Timestamp("2011-05-01")
    rows += [
        ("C5", V, NAMES[V], -1, moment, 2.5, 4.0, "France"),
        ("6", V, NAMES[V], 1, moment, 2.5, float("nan"), "France"),
        ("7", "POST", "POSTAGE", 1, moment, 18.0, 4.0, "France"),
        ("8", V, NAMES[V], 0, moment, 2.5, 4.0, "France"),
    ]
    columns = [*online_retail.COLUMNS, "Country"]
    path = tmp_path / "online_retail.parquet"
    pd.DataFrame(rows, columns=columns).to_parquet(path)
    return path


def read(file, **changed):
    shop = online_retail.OnlineRetail(file=file, **SETTINGS)
    given = {"start": START, "end": END, "window": WINDOW, "threads": 1} | changed
    return online_retail.read_log(shop, **({"known": given["end"]} | given))


def test_the_log_keeps_the_contract(file):
    log = read(file)
    assert set(log.tables) == {table.name for table in CONTRACT}
    counts = validate(log, END, WINDOW, 1).counts
    assert all(count.rows_in == count.rows_kept for count in counts.values())


def test_the_strongest_new_follower_is_shown_and_converts_within_the_window(file):
    tables = {name: table.to_pandas() for name, table in read(file).tables.items()}
    first = tables["impressions"].sort_values("shown_at").drop_duplicates("customer_id").set_index("customer_id")
    shown, number = first["target_product_id"], first["impression_id"]
    assert shown.loc["4"] == V
    assert shown.loc["5"] == V
    assert shown.loc["3"] == OTHER
    assert tables["conversions"]["impression_id"].tolist() == [number.loc["4"]]
    assert (tables["conversions"]["converted_at"] == pd.Timestamp("2011-04-16 10:00")).all()
    followed = tables["engagements"].query("impression_id == @number.loc['4']")
    assert followed["kind"].tolist() == ["visit"]


def test_what_is_no_sale_of_goods_is_left_out_and_counted(file):
    log = read(file)
    assert log.notes["lines_dropped"] == {"a return": 1, "no customer": 1, "no goods": 1, "no sale": 1}
    purchases = log.tables["purchases"].to_pandas()
    assert purchases.query("product_id == @V and customer_id == '4'")["quantity"].tolist() == [3.0]
    products = log.tables["products"].to_pandas().set_index("product_id")["category"]
    assert products.to_dict() == {U: "gifts > PHONE", V: "gifts > CASE", OTHER: "gifts > CASE", SIDE: "gifts > BAG"}


def test_what_happens_later_changes_no_impression(file):
    early = read(file, end=datetime(2011, 6, 1)).tables["impressions"]
    late = read(file).tables["impressions"]
    assert early.to_pylist() == late.slice(0, len(early)).to_pylist()


def test_nothing_is_said_of_a_product_that_was_only_said_later(file):
    known = datetime(2011, 4, 1)
    lines = pd.read_parquet(file)
    said = {row["product_id"]: row for row in read(file, known=known).tables["products"].to_pylist()}
    lines.loc[lines["InvoiceDate"] >= known, ["Description", "UnitPrice"]] = ["SOMETHING ELSE", 99.0]
    lines.to_parquet(file)
    assert {row["product_id"]: row for row in read(file, known=known).tables["products"].to_pylist()} == said


def test_a_wrong_file_is_named_in_one_line(tmp_path, file):
    with pytest.raises(DataError, match=r"no file .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"set run\.as_of at least 3 days earlier"):
        read(file, end=datetime(2011, 8, 4))
    (tmp_path / "text").write_text("no table", encoding="utf-8")
    with pytest.raises(DataError, match="not readable as Parquet") as error:
        read(tmp_path / "text")
    assert "\n" not in str(error.value)
    pd.DataFrame({"InvoiceNo": ["1"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="lacks StockCode, Description"):
        read(tmp_path / "other.parquet")


def test_it_is_called_by_its_name(monkeypatch, file):
    monkeypatch.setattr(online_retail, "read_log", lambda **values: values)
    found = read_source("online_retail", {"online_retail": {"file": file, **SETTINGS}}, WINDOW, START, END, 2)
    shop = online_retail.OnlineRetail(file=file, **SETTINGS)
    assert found == {"shop": shop, "window": WINDOW, "start": START, "end": END, "threads": 2, "known": END}
