"""What was served, and what became of it, on its way to the monitor and to ingest."""

from datetime import date, timedelta
from pathlib import Path

import orjson
import pandas as pd
import pytest

from builders.daily_files import day_number, draw_rows, lay_out, params_of
from onward.artifacts import read_table, write_table
from onward.daily.feedback_parts import write_feedback_parts
from onward.daily.monitor import assess_version, still_maturing
from onward.daily.places import read_events
from onward.daily.served_decisions import write_served_days
from onward.data.sources.parquet_folder import read_log
from onward.errors import DataError
from onward.monitoring.decision_log import SCHEMA, SERVED, check_schema, place
from onward.serving.decision_log import impression_id
from onward.serving.served_folders import ServedFolders

DAYS = 80


def write_lines(folder: Path, day: date, lines: list[dict]) -> None:
    path = folder / f"day={day}" / "000000-1-0.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def answer(row, **changes) -> dict:
    decided = ["s", "t", "goes_with", 1, 0.1, row.score, row.probability, row.uncertainty, row.level, row.decision,
               row.category]  # fmt: skip
    head = {"request_id": row.impression, "time": row.time.isoformat(), "version": 3, "route": "related"}
    return {**head, "weight": 0.3, "customer": row.customer, "decisions": [decided], **changes}


def serve_rows(root: Path, rows: dict[str, pd.DataFrame], first: int) -> ServedFolders:
    """Log decisions from a day on as answers, and name conversions and engagements after them."""
    served = ServedFolders(root / "served")
    for day, part in rows["decisions"].groupby(rows["decisions"]["time"].dt.date):
        if day >= day_number(first):
            write_lines(served.decisions, day, [answer(row) for row in part.itertuples()])
    for name in ("conversions", "engagements"):
        ids = rows[name]["impression_id"]
        number = ids.str.slice(1).astype(int)
        named = ids.where(number < first * 500, [impression_id(one, "s", "t") for one in ids])
        write_table(root / "data" / "log" / f"{name}.parquet", rows[name].assign(impression_id=named))
    return served


@pytest.mark.slow
def test_drift_in_what_was_served_is_found_on_the_same_day_as_in_the_batch(tmp_path):
    rows = draw_rows(days=DAYS, drop_from=60, a_day=500)
    verdicts = {}
    for kind in ("batch", SERVED):
        root = tmp_path / kind
        folder = lay_out(root, rows)
        if kind == SERVED:
            # The batch logged the first days, and from then on something that must not be read.
            served = serve_rows(root, rows, first=30)
            for number in range(30, DAYS):
                path = folder / place(day_number(number), 3)
                write_table(path, read_table(path).assign(probability=0.9))
            assert len(write_served_days(served, folder, day_number(DAYS))) == DAYS - 30
        verdicts[kind] = [
            assess_version(root, params_of(root), 3, folder, root / "looks", day_number(as_of))
            for as_of in (66, 70, 74, DAYS)
        ]
    said = {kind: [verdict.pop("decisions") for verdict in found] for kind, found in verdicts.items()}
    assert verdicts[SERVED] == verdicts["batch"]
    assert verdicts[SERVED][-1]["verdict"] == "drifted"
    assert said["batch"][-1] == {"served_days": 0, "batch_days": DAYS}
    assert said[SERVED][-1] == {"served_days": DAYS - 30, "batch_days": 30}


@pytest.fixture
def served(tmp_path):
    row = next(draw_rows(days=1, a_day=1)["decisions"].itertuples())
    served = ServedFolders(tmp_path / "served")
    other = ["s", "u", *answer(row)["decisions"][0][2:]]
    again = ["s", "t", "after", *answer(row)["decisions"][0][3:]]
    lines = [
        answer(row, request_id="a", decisions=[*answer(row)["decisions"], other, again]),
        answer(row, request_id="b", customer=None),
        answer(row, request_id="c", version=4),
    ]
    write_lines(served.decisions, day_number(0), lines)
    return served


def written(folder: Path, version: int = 3) -> pd.DataFrame:
    return read_table(folder / SERVED / place(day_number(0), version))


def test_a_pair_of_an_answer_counts_once_and_nobody_is_a_customer_of_its_own(served, tmp_path):
    import pyarrow.parquet as pq

    assert write_served_days(served, tmp_path / "log", day_number(1)) == [day_number(0)]
    table = written(tmp_path / "log")
    assert table["impression"].tolist() == ["a/s/t", "a/s/u", "b/s/t"]
    assert table["customer"].tolist()[2] == "b"
    assert written(tmp_path / "log", 4)["impression"].tolist() == ["c/s/t"]
    path = tmp_path / "log" / SERVED / place(day_number(0), 3)
    check_schema(path.name, pq.read_schema(path))
    assert pq.read_schema(path).names == SCHEMA.names
    assert still_maturing(tmp_path / "log", 4, day_number(2), 7) == [3]


def test_where_feedback_says_what_was_shown_that_alone_counts(served, tmp_path):
    shown = {"table": "impressions", "impression_id": "a/s/u", "shown_at": f"{day_number(0)}T12:00:00"}
    write_lines(served.feedback, day_number(1), [shown])
    write_served_days(served, tmp_path / "log", day_number(1))
    assert written(tmp_path / "log")["impression"].tolist() == ["a/s/u"]


def test_feedback_on_the_next_days_answers_says_nothing_of_this_days(served, tmp_path):
    shown = {"table": "impressions", "impression_id": "z/s/u", "shown_at": f"{day_number(1)}T12:00:00"}
    write_lines(served.feedback, day_number(1), [shown])
    write_served_days(served, tmp_path / "log", day_number(1))
    assert written(tmp_path / "log")["impression"].tolist() == ["a/s/t", "a/s/u", "b/s/t"]


def test_a_day_is_written_when_it_is_over_and_stays_as_it_is(served, tmp_path):
    log = tmp_path / "log"
    assert write_served_days(served, log, day_number(0)) == []
    write_served_days(served, log, day_number(1))
    first = written(log)
    write_lines(served.decisions, day_number(0), [])
    assert write_served_days(served, log, day_number(9)) == []
    pd.testing.assert_frame_equal(written(log), first)


def feedback_lines(impression: str, at: str) -> list[dict]:
    pair = {"source_product_id": "1", "target_product_id": "2"}
    shown = {"table": "impressions", "impression_id": impression, "customer_id": "7", **pair, "shown_at": at}
    bought = {"table": "conversions", "impression_id": impression}
    return [
        shown, shown, {"table": "engagements", "impression_id": impression, "kind": "clicked", "happened_at": at},
        {**bought, "converted_at": "2017-03-09T00:00:00"}, {**bought, "converted_at": "2017-03-08T00:00:00"},
    ]  # fmt: skip


def lay_out_source(folder: Path, ids: str = "string") -> None:
    when = pd.to_datetime(["2017-03-01"]).astype("datetime64[us]")
    one = pd.Series(["1"]).astype(ids)
    tables = {
        "products": {"product_id": one, "name": ["a"], "category": ["b"]},
        "purchases": {"customer_id": one, "order_id": one, "product_id": one, "purchased_at": when, "quantity": [1.0],
                      "amount": [1.0]},
        "impressions": {"impression_id": ["i"], "customer_id": one, "source_product_id": one, "target_product_id": one,
                        "shown_at": when, "context_place": ["front"]},
        "conversions": {"impression_id": ["i"], "converted_at": when},
        "engagements": {"impression_id": ["i"], "kind": ["visit"], "happened_at": when},
    }  # fmt: skip
    for name, columns in tables.items():
        write_table(folder / f"{name}.parquet", pd.DataFrame(columns))


@pytest.mark.parametrize("ids", ["string", "int64"])
def test_feedback_becomes_rows_that_ingest_and_monitor_read(tmp_path, ids):
    folder = tmp_path / "data" / "log"
    lay_out_source(folder, ids)
    feedback = tmp_path / "feedback"
    write_lines(feedback, day_number(0), feedback_lines("r/1/2", "2017-03-01T10:00:00"))
    assert write_feedback_parts(feedback, folder, day_number(1)) == {
        "impressions": 1, "engagements": 1, "conversions": 1,
    }  # fmt: skip
    assert sum(write_feedback_parts(feedback, folder, day_number(1)).values()) == 0
    log = read_log(folder=folder, end=pd.Timestamp("2018-01-01").to_pydatetime())
    shown = log.tables["impressions"].to_pandas()
    assert shown["impression_id"].tolist() == ["i", "r/1/2"]
    assert shown["target_product_id"].astype(str).tolist() == ["1", "2"]
    assert shown["context_place"].isna().tolist() == [False, True]
    assert log.tables["conversions"].to_pandas()["converted_at"].tolist()[1] == pd.Timestamp("2017-03-08")
    events = read_events(tmp_path, params_of(tmp_path), day_number(0), day_number(0) + timedelta(days=300))
    assert events["conversions"].num_rows == events["engagements"].num_rows == 2


def test_feedback_that_does_not_fit_the_source_is_refused_by_its_place(tmp_path):
    folder = tmp_path / "log"
    lay_out_source(folder, "int64")
    part = read_table(folder / "impressions.parquet").assign(target_product_id="not a number")
    write_table(folder / "impressions" / "feedback.parquet", part)
    with pytest.raises(DataError, match=r"impressions: .*feedback.parquet does not fit"):
        read_log(folder=folder, end=pd.Timestamp("2018-01-01").to_pydatetime())
