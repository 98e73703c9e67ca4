"""A log need not fit in memory: scanned, spilt and taken in portions, it gives what it gives at once."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.small_log import AS_OF, CLOCKS, HORIZON, WINDOW, by_name, ingest, small_log
from onward.data.contract import ParquetFiles, RawLog
from onward.data.features import build_features
from onward.data.identifiers import encode
from onward.data.session import arrow, session
from onward.data.sources.parquet_folder import find_log, read_log
from onward.data.stored_purchases import StoredPurchases
from onward.data.validation import judge, validate
from onward.errors import DataError

MANY = 300_000


@pytest.fixture
def folder(tmp_path):
    """The small log, its purchases in three files, with rows at and after the horizon in each."""
    tables = small_log()
    purchases = tables["purchases"]
    later = purchases.slice(0, 5).set_column(3, "purchased_at", pa.array([HORIZON] * 5, pa.timestamp("us")))
    thirds = [purchases.slice(start, 60) for start in (0, 60)] + [purchases.slice(120)]
    (tmp_path / "purchases").mkdir()
    for name, table in (tables | {"purchases": pa.concat_tables([later, thirds[0]])}).items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    for number, part in enumerate(thirds[1:]):
        pq.write_table(pa.concat_tables([part, later]), tmp_path / "purchases" / f"part-{number}.parquet")
    return tmp_path


def many_purchases() -> dict[str, pa.Table]:
    tables = small_log()
    row = np.arange(MANY)
    seconds = row * 9_973 % ((HORIZON - datetime(2024, 1, 1)) // timedelta(seconds=1))
    tables["purchases"] = pa.table(
        {
            "customer_id": [f"c{number:05}" for number in row % 9_001],
            "order_id": [f"order number {number:09}" for number in row // 3],
            "product_id": [f"p{number}" for number in row % 6],
            "purchased_at": np.datetime64("2024-01-01", "us") + seconds.astype("timedelta64[s]"),
            "quantity": 1.0 + row % 3,
            "amount": row % 97 / 4,
        }
    )
    # Every hundredth row once more, at the end.
    again = tables["purchases"].take(pa.array(row[::100]))
    tables["purchases"] = pa.concat_tables([tables["purchases"], again])
    return tables


def test_files_are_scanned_where_they_lie(folder):
    found = find_log(folder=folder, end=HORIZON)
    assert all(isinstance(table, ParquetFiles) for table in found.tables.values())
    read = read_log(folder=folder, end=HORIZON)
    assert found.notes == read.notes
    assert found.notes["rows_at_or_after_horizon"]["purchases"] == 15
    assert {name: table.num_rows for name, table in found.tables.items()} == {
        name: table.num_rows for name, table in read.tables.items()
    }
    scanned, held = ingest(found.tables), ingest(read.tables)
    assert scanned.serving == held.serving
    assert scanned.backtest == held.backtest
    assert scanned.context == held.context


def test_quarantine_keeps_the_order_of_the_files(folder):
    for path in (folder / "purchases.parquet", folder / "purchases" / "part-1.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.set_column(4, "quantity", pa.array([-1.0] * table.num_rows)), path)
    found, read = (
        validate(way(folder=folder, end=HORIZON), HORIZON, WINDOW, threads=2).quarantine["purchases"]
        for way in (find_log, read_log)
    )
    assert found.num_rows > 60
    assert found.equals(read)


@pytest.mark.parametrize("change", ["kind of ids", "milliseconds", "name like a pattern"])
def test_what_duckdb_would_read_otherwise_is_read_by_arrow(folder, change):
    path = folder / "purchases" / "part-1.parquet"
    table = pq.read_table(path)
    if change == "kind of ids":
        table = table.set_column(0, "customer_id", table["customer_id"].cast(pa.large_string()))
    elif change == "milliseconds":
        table = table.set_column(3, "purchased_at", table["purchased_at"].cast(pa.timestamp("ms")))
    else:
        path = folder / "purchases" / "part-[1].parquet"
    pq.write_table(table, path)
    found = find_log(folder=folder, end=HORIZON).tables["purchases"]
    assert isinstance(found, pa.Table)
    assert found.equals(read_log(folder=folder, end=HORIZON).tables["purchases"])


@pytest.mark.parametrize("table", ["purchases", "impressions"])
def test_a_broken_page_is_named(folder, table):
    path = folder / f"{table}.parquet"
    groups = pq.ParquetFile(path).metadata.row_group(0)
    last = groups.column(groups.num_columns - 1)
    content = bytearray(path.read_bytes())
    content[last.dictionary_page_offset : last.dictionary_page_offset + last.total_compressed_size] = bytes(
        last.total_compressed_size
    )
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{table}: .*{table}.parquet.* is not readable as Parquet \([^\n]*export it"):
        validate(find_log(folder=folder, end=HORIZON), HORIZON, WINDOW, threads=1)


def test_what_does_not_fit_in_memory_is_spilt(tmp_path):
    tables = many_purchases()
    logs = []
    for spill in (None, tmp_path):
        with session(1, spill=spill, memory="48MB") as connection:
            counts = judge(connection, RawLog(tables), HORIZON, WINDOW)
            log = encode(connection, CLOCKS, by_name, "test")
            spilt = arrow(connection, "select coalesce(sum(size), 0) as bytes from duckdb_temporary_files()")
            assert (spilt["bytes"][0].as_py() > 0) == (spill is not None)
            logs.append((counts, {name: arrow(connection, query) for name, query in log.serving.items()}))
    assert logs[0] == logs[1]
    assert logs[0][0]["purchases"].quarantined == {"row comes again": MANY // 100}


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_portions_give_the_features_of_all_at_once(rows):
    with session(2) as connection:
        judge(connection, RawLog(small_log()), HORIZON, WINDOW)
        log = encode(connection, CLOCKS, by_name, "test")
        products = arrow(connection, log.serving["products"]).to_pandas()
        purchases = arrow(connection, "from coded_purchases").to_pandas()
        for side, end in ((log.serving, AS_OF), (log.backtest, HORIZON)):
            shown = arrow(connection, side["impressions"]).to_pandas()
            history = StoredPurchases(connection, end, rows)
            assert len(list(history.portions("customer", shown["customer"].to_numpy()))) > 1
            nothing = pd.DataFrame(index=shown.index)
            portions, whole = (
                build_features(products, bought, shown, nothing).frame for bought in (history, purchases)
            )
            pd.testing.assert_frame_equal(portions, whole, check_exact=True)


def test_a_customer_without_purchases_falls_into_a_portion():
    with session(1) as connection:
        judge(connection, RawLog(small_log()), HORIZON, WINDOW)
        encode(connection, CLOCKS, by_name, "test")
        found = list(StoredPurchases(connection, AS_OF, 50).portions("customer", np.array([0, 3, 99_999])))
    assert [sum(part.low <= who < part.high for part in found) for who in (0, 3, 99_999)] == [1, 1, 1]
    assert {int(who) for part in found for who in part.bought["customer"]} == {0, 3}


def test_ids_that_are_whole_numbers_everywhere_are_numbered_as_the_texts_they_are():
    texts, numbers = small_log(), small_log()
    for column in ("customer_id", "order_id", "product_id", "source_product_id", "target_product_id", "impression_id"):
        for name, table in texts.items():
            if column not in table.column_names:
                continue
            # Of one to four digits, so that 10 comes before 9.
            digits = [int("".join(filter(str.isdigit, value))) % 9_973 for value in table[column].to_pylist()]
            place = table.column_names.index(column)
            texts[name] = table.set_column(place, column, pa.array(map(str, digits)))
            numbers[name] = numbers[name].set_column(place, column, pa.array(digits, pa.int32()))
    of_texts, of_numbers = ingest(texts), ingest(numbers)
    assert of_numbers.serving == of_texts.serving
    assert of_numbers.backtest == of_texts.backtest
    assert of_texts.serving["customers"]["customer_id"].to_pylist()[:3] == ["0", "1", "10"]
