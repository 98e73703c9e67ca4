"""Ingest's promises over many logs: no row is lost, order does not matter, and the future changes nothing."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from builders.small_log import AS_OF, HORIZON, WINDOW, IngestedLog, ingest, small_log
from onward.data.contract import CONTRACT, RawLog
from onward.data.validation import validate

# Reads a whole log again and again.
pytestmark = pytest.mark.slow

BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
ODD = [
    "",
    " ",
    "p0",
    "c00",
    "i00-0",
    "NaN",
    "inf",
    "-1",
    "0",
    "1e400",
    "2024-01-20",
    "2024-01-20T10:00:00Z",
    "x\ny",
    "é",
    None,
]
KEPT_BY_ALL = ["c00", "c01"]  # whose future is left alone, so that the log still reaches the horizon


EXPECTED = ingest(small_log())


def assert_same_serving(log: IngestedLog, other: IngestedLog) -> None:
    assert log.serving.keys() == other.serving.keys()
    for name, table in log.serving.items():
        assert table.equals(other.serving[name]), name
    assert log.context["serving"].equals(other.context["serving"])


@st.composite
def spoilt_logs(draw):
    """A log in which up to 30 cells hold something odd."""
    tables = small_log()
    for contract in CONTRACT:
        columns = {name: tables[contract.name][name].cast(pa.string()).to_pylist() for name in contract.columns}
        for _ in range(draw(st.integers(0, 6))):
            name = draw(st.sampled_from(sorted(columns)))
            columns[name][draw(st.integers(0, len(columns[name]) - 1))] = draw(st.sampled_from(ODD))
        for name, values in columns.items():
            place = tables[contract.name].column_names.index(name)
            tables[contract.name] = tables[contract.name].set_column(place, name, pa.array(values, pa.string()))
    return tables


@given(spoilt_logs())
@settings(max_examples=25, **BUSY)
def test_every_row_is_kept_or_quarantined(tables):
    valid = validate(RawLog(tables), HORIZON, WINDOW, threads=1)
    for name, table in tables.items():
        kept, bad = valid.tables[name], valid.quarantine[name]
        assert table.num_rows == kept.num_rows + bad.num_rows
        assert bad["reason"].null_count == 0
    impressions = set(valid.tables["impressions"]["impression_id"].to_pylist())
    assert set(valid.tables["engagements"]["impression_id"].to_pylist()) <= impressions
    assert set(valid.tables["conversions"]["impression_id"].to_pylist()) <= impressions


@given(spoilt_logs())
@settings(max_examples=10, **BUSY)
def test_what_was_kept_is_kept_again(tables):
    once = validate(RawLog(tables), HORIZON, WINDOW, threads=1)
    # Where most products are spoilt no conversion is left, and a log without any is refused as a whole.
    assume(all(once.tables[each.name].num_rows or each.may_be_empty for each in CONTRACT))
    again = validate(RawLog(once.tables), HORIZON, WINDOW, threads=1)
    assert all(not count.quarantined for count in again.counts.values())


@st.composite
def other_futures(draw):
    """The small log with another future: rows at or after as_of go, move, change hands or come anew."""
    tables = small_log()
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    span = (HORIZON - AS_OF) // timedelta(seconds=1)
    for contract in CONTRACT[1:]:
        rows = tables[contract.name].to_pylist()
        past = [row for row in rows if row[contract.clock] < AS_OF]
        future = [row for row in rows if row[contract.clock] >= AS_OF]
        kept = [row for row in future if row.get("customer_id") in KEPT_BY_ALL]
        changed = [dict(row) for row in future if row not in kept and random.random() < 0.7]
        for row in changed:
            row[contract.clock] = AS_OF + timedelta(seconds=int(random.integers(span)))
            if "customer_id" in row:
                row["customer_id"] = f"c{int(random.integers(2, 40)):02}"
        # Copies of past rows that claim to have happened later; their ids are already taken.
        copied = random.permutation(np.arange(len(past)))[: int(random.integers(8))]
        changed += [
            past[row] | {contract.clock: AS_OF + timedelta(seconds=int(random.integers(span)))} for row in copied
        ]
        order = [*past, *kept, *changed]
        random.shuffle(order)
        tables[contract.name] = pa.Table.from_pylist(order, schema=tables[contract.name].schema)
    return tables


@given(other_futures())
@settings(max_examples=15, **BUSY)
def test_the_future_changes_nothing_that_serving_reads(tables):
    assert_same_serving(EXPECTED, ingest(tables))


def test_the_test_above_can_fail():
    tables = small_log()
    past = pc.less(tables["purchases"]["purchased_at"], pa.scalar(AS_OF - timedelta(days=1), pa.timestamp("us")))
    future = pc.greater_equal(tables["purchases"]["purchased_at"], pa.scalar(AS_OF, pa.timestamp("us")))
    tables["purchases"] = tables["purchases"].filter(pc.or_(past, future))
    assert not ingest(tables).serving["purchases"].equals(EXPECTED.serving["purchases"])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, **BUSY)
def test_the_order_of_rows_does_not_matter(seed):
    random = np.random.default_rng(seed)
    tables = {name: table.take(random.permutation(table.num_rows)) for name, table in small_log().items()}
    log = ingest(tables)
    assert_same_serving(EXPECTED, log)
    assert {name: table.to_pylist() for name, table in log.backtest.items()} == {
        name: table.to_pylist() for name, table in EXPECTED.backtest.items()
    }
