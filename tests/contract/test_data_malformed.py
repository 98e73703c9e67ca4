"""Whatever a source may get wrong is refused in one line, or goes into quarantine with a reason; no row is lost."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from builders.small_log import AS_OF, HORIZON, WINDOW, small_log
from onward.data.contract import RawLog, SourceLog
from onward.data.session import session
from onward.data.sources.parquet_folder import find_log, read_log
from onward.data.validation import ValidLog, _count, validate
from onward.errors import DataError

Tables = dict[str, pa.Table]
NEVER = datetime(2200, 1, 1)
TEXT, TIME = pa.string(), pa.timestamp("us")
SECOND = timedelta(seconds=1)


class Case(NamedTuple):
    name: str
    table: str
    spoil: Callable[[Tables], None] | None
    expected: str  # a reason, or a fragment of the refusal
    rows: int = 1  # rows with that reason; 0: the log is refused
    harm: Callable[[Path], None] | None = None  # done to the written folder


def put(table: str, column: str, value, kind: pa.DataType | None = None, row: int = 0) -> Callable[[Tables], None]:
    """Set one cell, after a cast of its column to `kind`."""

    def spoil(tables: Tables) -> None:
        old = tables[table][column]
        old = old.cast(kind) if kind is not None else old
        values = old.to_pylist()
        values[row] = value
        place = tables[table].column_names.index(column)
        tables[table] = tables[table].set_column(place, column, pa.array(values, old.type))

    return spoil


def cast(table: str, column: str, kind: pa.DataType) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        place = tables[table].column_names.index(column)
        old = tables[table][column]
        new = pa.nulls(len(old), kind) if not pa.types.is_timestamp(kind) else old.cast(kind)
        tables[table] = tables[table].set_column(place, column, new)

    return spoil


def fill(table: str, column: str, values: Callable[[int], pa.Array]) -> Callable[[Tables], None]:
    """Replace or add a whole column."""

    def spoil(tables: Tables) -> None:
        new = values(tables[table].num_rows)
        if column in tables[table].column_names:
            tables[table] = tables[table].set_column(tables[table].column_names.index(column), column, new)
        else:
            tables[table] = tables[table].append_column(column, new)

    return spoil


def edit(table: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        tables[table] = change(tables[table])

    return spoil


def again(table: str, **changes) -> Callable[[Tables], None]:
    """Append a copy of the first row, with some of its values changed."""

    def spoil(tables: Tables) -> None:
        row = tables[table].slice(0, 1).to_pylist()[0] | changes
        copy = pa.Table.from_pylist([row], schema=tables[table].schema)
        tables[table] = pa.concat_tables([tables[table], copy])

    return spoil


def first(table: str, column: str):
    return small_log()[table][column][0].as_py()


def shown(table: str) -> datetime:
    """When the impression of a table's first row was shown."""
    impressions = small_log()["impressions"].select(["impression_id", "shown_at"]).to_pylist()
    return {row["impression_id"]: row["shown_at"] for row in impressions}[first(table, "impression_id")]


def drop(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns([column])


def rename(**names: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.rename_columns([names.get(name, name) for name in table.column_names])


def lose(table: str) -> Callable[[Tables], None]:
    return lambda tables: tables.pop(table) and None


def both(one: Callable[[Tables], None], other: Callable[[Tables], None]) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        one(tables)
        other(tables)

    return spoil


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def texts(value: str) -> Callable[[int], pa.Array]:
    return lambda rows: pa.array([value] * rows)


REQUIRED = [
    ("products", "product_id"),
    ("products", "category"),
    ("purchases", "customer_id"),
    ("purchases", "quantity"),
    ("impressions", "target_product_id"),
    ("impressions", "shown_at"),
    ("engagements", "kind"),
    ("conversions", "converted_at"),
]
NULLABLE = [
    ("products", "product_id"),
    ("products", "name"),
    ("products", "category"),
    ("purchases", "customer_id"),
    ("purchases", "order_id"),
    ("purchases", "product_id"),
    ("purchases", "purchased_at"),
    ("purchases", "quantity"),
    ("purchases", "amount"),
    ("impressions", "impression_id"),
    ("impressions", "customer_id"),
    ("impressions", "source_product_id"),
    ("impressions", "target_product_id"),
    ("impressions", "shown_at"),
    ("engagements", "impression_id"),
    ("engagements", "kind"),
    ("engagements", "happened_at"),
    ("conversions", "impression_id"),
    ("conversions", "converted_at"),
]
TEXTS = [
    (table, column) for table, column in NULLABLE if column.endswith("_id") or column in ("name", "category", "kind")
]
CLOCK_OF = {
    "purchases": "purchased_at",
    "impressions": "shown_at",
    "engagements": "happened_at",
    "conversions": "converted_at",
}

REFUSED = [
    *[Case(f"no {table}.{column}", table, edit(table, drop(column)), f"{table}.{column}: column missing", 0)
      for table, column in REQUIRED],
    *[Case(f"no file of {table}", table, lose(table), f"{table}: no file", 0) for table in small_log()],
    *[Case(f"zoned {table}.{clock}", table, cast(table, clock, pa.timestamp("us", "Europe/Berlin")),
           "naive local time", 0) for table, clock in CLOCK_OF.items()],
    *[Case(f"empty {table}", table, edit(table, lambda old: old.slice(0, 0)), f"{table}: table has no rows", 0)
      for table in ("products", "purchases", "impressions", "conversions")],
    Case("column misspelt", "purchases", edit("purchases", rename(quantity="qty")), "quantity: column missing", 0),
    Case("column in capitals", "products", edit("products", rename(name="Name")), "name: column missing", 0),
    Case("superfluous column", "purchases", fill("purchases", "store", texts("s1")), "'store': column is not in", 0),
    Case("superfluous product column", "products", fill("products", "size", texts("s")), "name it attr_", 0),
    Case("column name of two lines", "products", fill("products", "a\nb", texts("s")), "not in the contract", 0),
    Case("bare prefix", "impressions", fill("impressions", "context_", texts("s")), "not in the contract", 0),
    Case("column twice", "products", edit("products", rename(attr_brand="name")), "'name': column comes 2 times", 0),
    Case("ids as floats", "purchases", cast("purchases", "customer_id", pa.float64()), "holds double, wanted text", 0),
    Case("ids as bytes", "products", cast("products", "product_id", pa.binary()), "holds binary, wanted text", 0),
    Case("names as numbers", "products", cast("products", "name", pa.int32()), "holds int32, wanted text", 0),
    Case("quantity as bool", "purchases", cast("purchases", "quantity", pa.bool_()), "holds bool, wanted numbers", 0),
    Case("time as epoch", "purchases", cast("purchases", "purchased_at", pa.int64()), "holds int64, wanted", 0),
    Case("time as date", "impressions", cast("impressions", "shown_at", pa.date32()), "holds date32", 0),
    Case("column of nulls", "purchases", cast("purchases", "amount", pa.null()), "holds null, wanted numbers", 0),
    Case("category as list", "products", cast("products", "category", pa.list_(TEXT)), "wanted text", 0),
    Case("context as struct", "impressions",
         fill("impressions", "context_x", lambda rows: pa.nulls(rows, pa.struct([("a", TEXT)]))), "numbers or text", 0),
    Case("attribute as bool", "products", fill("products", "attr_x", lambda rows: pa.nulls(rows, pa.bool_())),
         "numbers or text", 0),
    Case("file of no bytes", "purchases", None, "not readable as Parquet", 0,
         lambda folder: (folder / "purchases.parquet").write_bytes(b"")),
    Case("CSV named Parquet", "purchases", None, "not readable as Parquet", 0,
         lambda folder: (folder / "purchases.parquet").write_text("customer_id,order_id\n1,2\n")),
    Case("half a file", "impressions", None, "not readable as Parquet", 0,
         lambda folder: cut(folder / "impressions.parquet")),
    Case("folder in place of a file", "products", None, "products: no file", 0,
         lambda folder: ((folder / "products.parquet").unlink(), (folder / "products.parquet").mkdir())),
]  # fmt: skip

QUARANTINED = [
    *[Case(f"null {table}.{column}", table, put(table, column, None), f"{column} is null")
      for table, column in NULLABLE],
    *[Case(f"empty {table}.{column}", table, put(table, column, ""), f"{column} is empty") for table, column in TEXTS],
    Case("id of blanks", "products", put("products", "product_id", " \t\n"), "product_id is empty"),
    Case("blank before id", "purchases", put("purchases", "customer_id", " c00"), "customer_id has blanks around it"),
    Case("line break after id", "impressions", put("impressions", "customer_id", "c00\n"),
         "customer_id has blanks around it"),
    Case("NaN quantity", "purchases", put("purchases", "quantity", float("nan")), "quantity is not finite"),
    Case("infinite quantity", "purchases", put("purchases", "quantity", float("inf")), "quantity is not finite"),
    Case("NaN amount", "purchases", put("purchases", "amount", float("nan")), "amount is not finite"),
    Case("minus infinite amount", "purchases", put("purchases", "amount", float("-inf")), "amount is not finite"),
    Case("zero quantity", "purchases", put("purchases", "quantity", 0.0), "quantity is not above zero"),
    Case("negative quantity", "purchases", put("purchases", "quantity", -1.0), "quantity is not above zero"),
    Case("negative amount", "purchases", put("purchases", "amount", -0.01), "amount is negative"),
    Case("quantity in words", "purchases", put("purchases", "quantity", "two", TEXT), "quantity is not a number"),
    Case("amount with a comma", "purchases", put("purchases", "amount", "2,50", TEXT), "amount is not a number"),
    Case("infinite context", "impressions", put("impressions", "context_score", float("inf")),
         "context_score is infinite"),
    Case("time in words", "purchases", put("purchases", "purchased_at", "yesterday", TEXT),
         "purchased_at is not a timestamp"),
    Case("no such day", "impressions", put("impressions", "shown_at", "2024-02-30 10:00:00", TEXT),
         "shown_at is not a timestamp"),
    Case("day first", "conversions", put("conversions", "converted_at", "31/01/2024", TEXT),
         "converted_at is not a timestamp"),
    *[Case(f"text with {zone}", "purchases", put("purchases", "purchased_at", f"2024-01-02 10:00:00{zone}", TEXT),
           "purchased_at carries a time zone") for zone in ("Z", "+01:00", "-0500", "+02", " UTC", " Europe/Berlin")],
    *[Case(f"{table} of 1970", table, put(table, clock, datetime(1970, 1, 1)), f"{clock} is before 1990")
      for table, clock in CLOCK_OF.items()],
    *[Case(f"{table} at the horizon", table, put(table, clock, HORIZON), f"{clock} is at or after the horizon")
      for table, clock in CLOCK_OF.items()],
    Case("purchase of 2199", "purchases", put("purchases", "purchased_at", datetime(2199, 1, 1)),
         "purchased_at is at or after the horizon"),
    Case("endless time", "purchases", put("purchases", "purchased_at", "infinity", TEXT),
         "purchased_at is at or after the horizon"),
    Case("product twice", "products", again("products"), "product_id comes again"),
    Case("product with two names", "products", again("products", name="other"), "product_id comes again"),
    Case("purchase row twice", "purchases", again("purchases"), "row comes again"),
    Case("impression twice", "impressions", again("impressions"), "impression_id comes again"),
    Case("impression id of two customers", "impressions", again("impressions", customer_id="c05"),
         "impression_id comes again"),
    Case("conversion twice", "conversions", again("conversions"), "impression_id comes again"),
    Case("second conversion", "conversions",
         again("conversions", converted_at=first("conversions", "converted_at") + SECOND), "impression_id comes again"),
    Case("engagement row twice", "engagements", again("engagements"), "row comes again"),
    Case("unknown product bought", "purchases", put("purchases", "product_id", "p99"),
         "product_id is unknown or in quarantine"),
    Case("id in other letters", "purchases", put("purchases", "product_id", "P0"),
         "product_id is unknown or in quarantine"),
    Case("unknown source", "impressions", put("impressions", "source_product_id", "p99"),
         "source_product_id is unknown or in quarantine"),
    Case("unknown target", "impressions", put("impressions", "target_product_id", "p99"),
         "target_product_id is unknown or in quarantine"),
    Case("shown after itself", "impressions",
         put("impressions", "target_product_id", first("impressions", "source_product_id")),
         "source and target are the same product"),
    Case("engagement of no impression", "engagements", put("engagements", "impression_id", "i99"),
         "impression_id is unknown or in quarantine"),
    Case("conversion of no impression", "conversions", put("conversions", "impression_id", "i99"),
         "impression_id is unknown or in quarantine"),
    Case("conversion at the impression", "conversions", put("conversions", "converted_at", shown("conversions")),
         "converted_at is not after the impression"),
    Case("conversion before the impression", "conversions",
         put("conversions", "converted_at", shown("conversions") - SECOND), "converted_at is not after the impression"),
    Case("conversion after the window", "conversions",
         put("conversions", "converted_at", shown("conversions") + WINDOW + SECOND),
         "converted_at is after the attribution window"),
    Case("engagement before the impression", "engagements",
         put("engagements", "happened_at", shown("engagements") - SECOND), "happened_at is before the impression"),
    Case("engagements of a bad impression", "engagements", put("impressions", "customer_id", None),
         "impression_id is unknown or in quarantine", 2),
    Case("conversion of a bad impression", "conversions", put("impressions", "customer_id", None),
         "impression_id is unknown or in quarantine"),
    Case("purchases of a bad product", "purchases", put("products", "name", None),
         "product_id is unknown or in quarantine",
         pc.sum(pc.equal(small_log()["purchases"]["product_id"], "p0")).as_py()),
    Case("two faults, one reason", "purchases",
         both(put("purchases", "quantity", -1.0), put("purchases", "amount", -1.0)), "quantity is not above zero"),
]  # fmt: skip


def read(folder: Path, case: Case, in_memory: bool) -> tuple[SourceLog, ValidLog]:
    tables = small_log()
    if case.spoil is not None:
        case.spoil(tables)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    if case.harm is not None:
        case.harm(folder)
    raw = (read_log if in_memory else find_log)(folder=folder, end=NEVER)
    return raw, validate(raw, HORIZON, WINDOW, threads=1)


def assert_conserved(raw: SourceLog, valid: ValidLog) -> None:
    for name, table in raw.tables.items():
        count = valid.counts[name]
        assert count.rows_in == table.num_rows == count.rows_kept + sum(count.quarantined.values())
        assert count.rows_kept == valid.tables[name].num_rows
        assert valid.quarantine[name].num_rows == table.num_rows - count.rows_kept
        assert valid.quarantine[name].column_names == [*table.schema.names, "reason"]


IN_MEMORY = pytest.mark.parametrize("in_memory", [True, False], ids=["Arrow", "files"])


@IN_MEMORY
@pytest.mark.parametrize("case", REFUSED + QUARANTINED, ids=lambda case: case.name)
def test_no_malformed_input_passes_and_no_row_is_lost(case, in_memory, tmp_path):
    if case.rows == 0:
        with pytest.raises(DataError) as caught:
            read(tmp_path, case, in_memory)
        message = str(caught.value)
        assert message.startswith(case.table)
        assert case.expected in message
        assert "\n" not in message
        assert ";" in message, "the remedy comes after a semicolon"
        return
    raw, valid = read(tmp_path, case, in_memory)
    assert_conserved(raw, valid)
    assert valid.counts[case.table].quarantined == {case.expected: case.rows}
    assert all("\n" not in reason for count in valid.counts.values() for reason in count.quarantined)


def test_there_are_many_malformed_inputs_and_each_is_another():
    names = [case.name for case in REFUSED + QUARANTINED]
    assert len(set(names)) == len(names) >= 60


ODD_BUT_VALID = {
    "as it is": lambda tables: None,
    "no engagement": edit("engagements", lambda old: old.slice(0, 0)),
    "dictionary columns": edit("engagements", lambda old: old.set_column(1, "kind", old["kind"].dictionary_encode())),
    "large text": edit(
        "products", lambda old: old.set_column(0, "product_id", old["product_id"].cast(pa.large_string()))
    ),
    "time as text": edit("purchases", lambda old: old.set_column(3, "purchased_at", old["purchased_at"].cast(TEXT))),
    "time in nanoseconds": cast("impressions", "shown_at", pa.timestamp("ns")),
    "time in seconds": cast("impressions", "shown_at", pa.timestamp("s")),
    "decimal amounts": edit(
        "purchases", lambda old: old.set_column(5, "amount", old["amount"].cast(pa.decimal128(9, 2)))
    ),
    "amount zero": put("purchases", "amount", 0.0),
    "missing context": put("impressions", "context_score", None),
    "NaN context": put("impressions", "context_score", float("nan")),
    "context of nulls": fill("impressions", "context_x", lambda rows: pa.nulls(rows, pa.float64())),
    "quoted column": fill("impressions", 'context_"x', texts("a")),
    "id with quotes": put("purchases", "customer_id", "o'ne\"; drop table products; --"),
    "engagement at once": put("engagements", "happened_at", shown("engagements")),
    "conversion at the end of the window": put("conversions", "converted_at", shown("conversions") + WINDOW),
    "columns in another order": edit(
        "products", lambda old: old.select(["name", "attr_brand", "category", "product_id"])
    ),
    "last moment before the horizon": put("purchases", "purchased_at", HORIZON - timedelta(microseconds=1)),
}


@IN_MEMORY
@pytest.mark.parametrize("spoil", ODD_BUT_VALID.values(), ids=ODD_BUT_VALID)
def test_what_is_odd_but_valid_is_kept_whole(spoil, in_memory, tmp_path):
    raw, valid = read(tmp_path, Case("", "", spoil, ""), in_memory)
    assert_conserved(raw, valid)
    assert {name: dict(count.quarantined) for name, count in valid.counts.items()} == {name: {} for name in raw.tables}


def test_integer_ids_are_read_as_text():
    tables = small_log()
    number = {name: place for place, name in enumerate(tables["products"]["product_id"].to_pylist())}
    for table, columns in (
        ("products", ["product_id"]),
        ("purchases", ["product_id"]),
        ("impressions", ["source_product_id", "target_product_id"]),
    ):
        for column in columns:
            place = tables[table].column_names.index(column)
            ids = pa.array([number[name] for name in tables[table][column].to_pylist()], pa.int16())
            tables[table] = tables[table].set_column(place, column, ids)
    valid = validate(RawLog(tables), HORIZON, WINDOW, threads=1)
    assert sorted(valid.tables["products"]["product_id"].to_pylist()) == ["0", "1", "2", "3", "4", "5"]
    assert all(not count.quarantined for count in valid.counts.values())


def test_a_source_yields_the_tables_of_the_contract_and_no_other():
    tables = small_log()
    with pytest.raises(DataError, match=r"^'refunds': unknown table; .*products, purchases"):
        validate(RawLog(tables | {"refunds": tables["purchases"]}), HORIZON, WINDOW, threads=1)
    del tables["conversions"]
    with pytest.raises(DataError, match=r"^conversions: table missing; the source must yield products"):
        validate(RawLog(tables), HORIZON, WINDOW, threads=1)


def test_a_lost_row_would_not_go_unnoticed():
    bad = pa.table({"_row": [3], "reason": ["amount is negative"]})
    with (
        session(1, {"purchases": pa.table({"amount": [1.0] * 8}), "bad_purchases": bad}) as connection,
        pytest.raises(DataError, match="10 rows came in but 8 were kept and 1 quarantined"),
    ):
        _count(connection, "purchases", 10)


def test_of_two_rows_with_one_id_the_earlier_moment_is_kept():
    tables = small_log()
    late, early = AS_OF + timedelta(days=1), first("impressions", "shown_at")
    rows = [tables["impressions"].slice(0, 1).to_pylist()[0] | {"shown_at": late, "customer_id": "c99"}]
    swapped = pa.Table.from_pylist(rows, schema=tables["impressions"].schema)
    tables["impressions"] = pa.concat_tables([swapped, tables["impressions"]])
    valid = validate(RawLog(tables), HORIZON, WINDOW, threads=1)
    assert valid.quarantine["impressions"]["customer_id"].to_pylist() == ["c99"]
    assert early in valid.tables["impressions"]["shown_at"].to_pylist()


def test_quarantine_shows_the_raw_value():
    tables = small_log()
    put("purchases", "amount", "2,50", TEXT, row=7)(tables)
    bad = validate(RawLog(tables), HORIZON, WINDOW, threads=1).quarantine["purchases"]
    assert bad["amount"].to_pylist() == ["2,50"]
    assert bad["purchased_at"].to_pylist() == [str(tables["purchases"]["purchased_at"][7].as_py())]
