"""The source event_log: what a visitor views next, buys and does in between, against counts by hand."""

from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.event_files import Event, planted_shop, write_events
from onward.data.contract import CONTRACT, NO_CATEGORY
from onward.data.sources import event_log, read_source
from onward.data.sources.source_files import fingerprint
from onward.data.validation import validate
from onward.errors import DataError

DAY = datetime(2015, 6, 1)
START, END = datetime(2015, 5, 1), datetime(2015, 7, 1)
WINDOW = timedelta(days=28)
SETTINGS = {"time_zone": "UTC", "session_minutes": 30, "name_property": "name", "price_property": "790"}
LAST = Event(END - timedelta(hours=1), 99, "view", 1)
"""The log reaches its end."""


def at(minutes, days=0):
    return DAY + timedelta(days=days, minutes=minutes)


def read(folder, **changed):
    shop = event_log.EventLog(folder=folder, **SETTINGS | {key: changed.pop(key) for key in SETTINGS if key in changed})
    given = {"start": START, "end": END, "window": WINDOW, "threads": 1} | changed
    return event_log.read_log(shop, **({"known": given["end"]} | given))


def newest(folder, before=END):
    return event_log.newest_event(event_log.EventLog(folder=folder, **SETTINGS), before, 1)


def frames(log):
    return {name: table.to_pandas() for name, table in log.tables.items()}


@pytest.fixture
def folder(tmp_path):
    events = [
        Event(at(0), 1, "view", 1),
        Event(at(0.5), 1, "view", 1),  # a reload is no step
        Event(at(5), 1, "view", 2),  # 2 after 1: the impression
        Event(at(9), 1, "view", 3),
        Event(at(10), 1, "view", 2),  # again in the session: a view of 2, and no second impression of it
        Event(at(11), 1, "addtocart", 2),
        Event(at(42), 1, "view", 3),  # 31 minutes later: another session, in which nothing came before
        Event(at(43), 1, "view", 1),
        Event(at(0, days=2), 1, "transaction", 2, 500),
        Event(at(0, days=2), 1, "transaction", 2, 500),  # two of them
        Event(at(0, days=2), 1, "transaction", 4, 500),
        Event(at(0, days=3), 1, "view", 2),  # after it converted
        Event(at(0), 2, "view", 1),
        Event(at(30), 2, "view", 2),  # 30 minutes are the same session
        Event(at(30, days=28), 2, "transaction", 2, 501),  # on the window's last moment
        Event(at(0), 3, "view", 1),
        Event(at(1), 3, "view", 2),
        Event(at(2, days=28), 3, "transaction", 2, 502),  # a minute too late
        LAST,
    ]
    properties = [
        (at(0, days=-9), 2, "categoryid", "7"), (at(0, days=5), 2, "categoryid", "8"),
        (at(0, days=-9), 1, "categoryid", "5"), (at(0, days=-9), 3, "categoryid", "6"),
        (at(0, days=-9), 2, "790", "n10.000"), (at(0, days=1), 2, "790", "n12.500 1224"),
        (at(0, days=-9), 2, "available", "0"), (at(3), 2, "available", "1"),
        (at(0, days=-9), 2, "name", "lamp"), (at(0, days=-9), 2, "28", "769062"),
    ]  # fmt: skip
    return write_events(tmp_path / "events", events, properties, [(5, ""), (7, 5), (6, 6), (8, 5)])


def test_the_log_keeps_the_contract(folder):
    log = read(folder)
    assert set(log.tables) == {table.name for table in CONTRACT}
    counts = validate(log, END, WINDOW, 1).counts
    assert all(count.rows_in == count.rows_kept for count in counts.values())
    assert log.notes["lines_read"] == 19
    assert log.notes["lines_dropped"] == {}


def test_what_is_viewed_next_is_shown_and_converts_within_the_window(folder):
    found = frames(read(folder))
    shown = found["impressions"].set_index("impression_id")
    steps = shown[["customer_id", "source_product_id", "target_product_id", "shown_at"]].to_numpy().tolist()
    assert steps == [
        ["3", "1", "2", pd.Timestamp(at(1))], ["1", "1", "2", pd.Timestamp(at(5))],
        ["1", "2", "3", pd.Timestamp(at(9))], ["2", "1", "2", pd.Timestamp(at(30))],
        ["1", "3", "1", pd.Timestamp(at(43))],
    ]  # fmt: skip
    converted = found["conversions"].set_index("impression_id")["converted_at"]
    assert {shown.loc[each, "customer_id"]: moment for each, moment in converted.items()} == {
        "1": pd.Timestamp(at(0, days=2)), "2": pd.Timestamp(at(30, days=28)),
    }  # fmt: skip


def test_views_carts_and_sessions_before_it_converts_are_engagement(folder):
    found = frames(read(folder))
    first = found["impressions"].query("customer_id == '1' and target_product_id == '2'")["impression_id"].item()
    engaged = found["engagements"][found["engagements"]["impression_id"] == first]
    assert dict(zip(engaged["kind"], engaged["happened_at"], strict=True)) == {
        "view": pd.Timestamp(at(10)), "cart": pd.Timestamp(at(11)), "visit": pd.Timestamp(at(42)),
    }  # fmt: skip


def test_products_and_orders_are_what_the_properties_say_at_the_time(folder):
    found = frames(read(folder))
    products = found["products"].set_index("product_id")
    # A category is what the item was first given; one that is its own parent stands alone, an unknown item has none.
    assert products["category"].to_dict() == {"1": "5", "2": "5 > 7", "3": "6", "4": "?"}
    assert products["name"].to_dict() == {"1": "item 1", "2": "lamp", "3": "item 3", "4": "item 4"}
    orders = found["purchases"].set_index(["order_id", "product_id"])[["quantity", "amount"]]
    assert orders.loc[("500", "2")].tolist() == [2.0, 25.0]
    assert orders.loc[("500", "4")].tolist() == [1.0, 0.0]
    shown = found["impressions"].query("target_product_id == '2'").set_index("customer_id")
    assert shown["context_price"].tolist() == [10.0, 10.0, 10.0]
    assert shown["context_available"].to_dict() == {"3": 0.0, "1": 1.0, "2": 1.0}
    assert shown["context_looked_s"].to_dict() == {"3": 60.0, "1": 270.0, "2": 1800.0}
    assert read(folder).notes["impressions_built"] == {
        "sessions": 9, "impressions": 5, "impressions_yielded": 5, "conversions": 2, "products_without_category": 1,
        "purchases_without_price": 1,
    }  # fmt: skip


def test_a_log_of_events_alone_is_enough(folder):
    for path in (*folder.glob("item_properties*"), folder / "category_tree.csv"):
        path.unlink()
    log = read(folder)
    assert set(log.tables["products"].to_pandas()["category"]) == {"?"}
    assert log.tables["impressions"].num_rows == 5


def test_the_same_files_as_parquet_are_the_same_log(folder, tmp_path):
    other = tmp_path / "parquet"
    other.mkdir()
    for path in folder.iterdir():
        # As other tools would type them: numbers, those of transactions with gaps.
        pd.read_csv(path, dtype={"value": str}).to_parquet(other / f"{path.stem}.parquet")
    assert frames(read(other)).keys() == frames(read(folder)).keys()
    for name, table in read(other).tables.items():
        assert table.to_pylist() == read(folder).tables[name].to_pylist()


def test_seconds_and_milliseconds_are_told_by_the_shop_s_wall_and_written_times_are_its_own(folder, tmp_path):
    here = frames(read(folder, time_zone="America/New_York"))["impressions"]["shown_at"]
    assert here.min() == pd.Timestamp(at(1 - 4 * 60))
    events = folder / "events.csv"
    table = pd.read_csv(events, dtype=str)
    table.assign(timestamp=table["timestamp"].str[:-3]).to_csv(events, index=False)
    in_seconds = frames(read(folder, time_zone="America/New_York"))["impressions"]["shown_at"]
    assert in_seconds.min() == pd.Timestamp(at(1 - 4 * 60))
    table["timestamp"] = pd.to_datetime(table["timestamp"].astype("int64"), unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S")
    table.to_csv(events, index=False)
    assert frames(read(folder, time_zone="America/New_York"))["impressions"]["shown_at"].min() == pd.Timestamp(at(1))


def test_what_is_no_event_is_left_out_and_counted(folder):
    bad = ["soon,1,view,1,", "1433116800000,,view,1,", "1433116800000,1,view,,", "1433116800000,1,like,1,",
           "1433116800000,1,transaction,1,"]  # fmt: skip
    with (folder / "events.csv").open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in bad)
    log = read(folder)
    assert log.notes["lines_dropped"] == {
        "no time": 1, "no visitor": 1, "no item": 1, "another kind of event": 1,
        "a purchase without its transaction": 1,
    }  # fmt: skip
    assert log.tables["impressions"].num_rows == 5


def test_wrong_files_are_named_in_one_line(folder, tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere; set sources\.event_log\.folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"set run\.as_of at least 3 days earlier"):
        read(folder, end=END + timedelta(days=3))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no events; keep one file events\.csv"):
        read(tmp_path / "empty")
    (folder / "events.csv.gz").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds events\.csv and events\.csv\.gz"):
        read(folder)
    (folder / "events.csv.gz").unlink()
    (folder / "category_tree.csv").write_text("category,parent\n1,2\n")
    with pytest.raises(DataError, match=r"category_tree\.csv lacks categoryid, parentid; its columns are to be"):
        read(folder)
    (folder / "category_tree.csv").unlink()
    (folder / "events.csv").rename(folder / "events.parquet")
    with pytest.raises(DataError, match=r"events\.parquet: .*; export it again") as error:
        read(folder)
    assert "\n" not in str(error.value)
    (folder / "events.parquet").rename(folder / "events.csv")
    with (folder / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("1433116800000,1,view,1,,a sixth,and a seventh\n")
    for ask in (read, newest):
        with pytest.raises(DataError, match=r"; export (it|the files) again") as error:
            ask(folder)
        assert "\n" not in str(error.value)


def test_what_happens_later_changes_nothing_that_was_read(tmp_path):
    folder = planted_shop(tmp_path / "events", visitors=150, days=60)
    late = datetime(2015, 6, 25)
    for early in (datetime(2015, 5, 20), datetime(2015, 6, 10)):
        before, after = (frames(read(folder, end=end)) for end in (early, late))
        for name, clock in (("impressions", "shown_at"), ("purchases", "purchased_at"), ("conversions", "converted_at"),
                            ("engagements", "happened_at")):  # fmt: skip
            known = after[name][after[name][clock] < early].reset_index(drop=True)
            pd.testing.assert_frame_equal(before[name], known)
        assert set(before["products"]["product_id"]) <= set(after["products"]["product_id"])
        described = frames(read(folder, end=late, known=early))["products"].set_index("product_id")
        pd.testing.assert_frame_equal(
            described.loc[before["products"]["product_id"]].reset_index(), before["products"], check_dtype=False
        )


def test_what_is_said_of_a_product_later_is_not_known_before(tmp_path):
    folder, known = planted_shop(tmp_path / "events", visitors=150, days=60), datetime(2015, 6, 10)
    for path in folder.glob("item_properties*.csv"):
        said = pd.read_csv(path, dtype=str)
        said.loc[said["itemid"] == "0", "timestamp"] = str(int(pd.Timestamp("2015-06-20").timestamp() * 1000))
        said.to_csv(path, index=False)
    for until, category, priced in ((known, NO_CATEGORY, False), (datetime(2015, 6, 25), "10 > 100", True)):
        products = frames(read(folder, end=datetime(2015, 6, 25), known=until))["products"].set_index("product_id")
        assert products.loc["0", "category"] == category
        assert pd.notna(products.loc["0", "attr_price"]) == priced


def test_impressions_keep_their_ids_whatever_is_yielded(tmp_path):
    folder = planted_shop(tmp_path / "events", visitors=150, days=60)
    end = datetime(2015, 6, 25)
    whole, later = (frames(read(folder, start=start, end=end))["impressions"] for start in (START, end - WINDOW))
    pd.testing.assert_frame_equal(later, whole[whole["shown_at"] >= end - WINDOW].reset_index(drop=True))


MOMENTS = st.integers(0, 6 * 60).map(lambda quarter: DAY + timedelta(minutes=10 * quarter))
EVENTS = st.builds(
    Event, MOMENTS, st.integers(1, 3), st.sampled_from(["view", "view", "view", "addtocart", "transaction"]),
    st.integers(1, 4), st.just(7),
)  # fmt: skip


def steps_by_hand(events):
    """Visitor, U, V and time of each impression, by walking through each visitor's events."""
    found = set()
    for visitor in {each.visitor for each in events}:
        walk = sorted({(each.at, each.item, each.kind) for each in events if each.visitor == visitor})
        last, before, met = None, None, set()
        for when, item, kind in walk:
            if last is None or when - last > timedelta(minutes=30):
                before, met = None, set()
            last = when
            if kind != "view":
                continue
            if before is not None and before != item and item not in met:
                found.add((str(visitor), str(before), str(item), pd.Timestamp(when)))
                met.add(item)
            before = item
    return found


@given(events=st.lists(EVENTS, min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_steps_are_those_of_a_walk_through_each_visit(tmp_path_factory, events):
    folder = write_events(tmp_path_factory.mktemp("walk"), [*events, LAST])
    shown = frames(read(folder))["impressions"]
    columns = ["customer_id", "source_product_id", "target_product_id", "shown_at"]
    assert set(shown[columns].itertuples(index=False, name=None)) == steps_by_hand(events)


def test_it_is_called_by_its_name_and_says_which_files_it_reads(monkeypatch, folder):
    chosen = {"event_log": {"folder": folder, **SETTINGS}}
    assert set(fingerprint("event_log", chosen, folder.parent)) == {
        "events.csv", "item_properties_part1.csv", "item_properties_part2.csv", "category_tree.csv",
    }  # fmt: skip
    monkeypatch.setattr(event_log, "read_log", lambda shop, **values: (shop, values))
    shop, values = read_source("event_log", chosen, WINDOW, START, END, 2)
    assert shop == event_log.EventLog(folder=folder, **SETTINGS)
    assert values == {"window": WINDOW, "start": START, "end": END, "threads": 2, "known": END}
    _, values = read_source("event_log", chosen, WINDOW, START, END, 2, known=START)
    assert values["known"] == START


def test_the_newest_event_does_not_lie_ahead_of_the_clock(folder):
    assert newest(folder) == LAST.at
    assert newest(folder, at(0, days=1)) == at(43)
    assert newest(folder, START) is None
