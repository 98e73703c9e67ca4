"""Input that nobody meant: one line that names the cause and the remedy, no traceback, and nothing silent."""

import json
import re
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.daily_files import ROOT, day_number, draw_rows, lay_out, params_of
from onward import cli
from onward.artifacts import read_table
from onward.daily import monitor as daily_monitor
from onward.daily import places, served_decisions
from onward.daily.monitor import assess_version, first_logged, still_maturing
from onward.data.sources import online_retail
from onward.data.sources.parquet_folder import read_log
from onward.errors import NOT_TO_BE_RETRIED, DataError, MonitoringError, OnwardError, ParamsError
from onward.monitoring.alerts import parse_rules
from onward.params import parse_params, read_params

PARAMS = (ROOT / "params.yaml").read_text()


@pytest.fixture
def log(tmp_path):
    """A project with 30 days of version 3's decisions, a parquet source, and no registry."""
    lay_out(tmp_path, draw_rows(days=30, a_day=60))
    params_of(tmp_path)
    return tmp_path


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run the installed command in a project; its exit status and what it wrote to standard error."""

    def run(*words, stdin=b"", **variables):
        monkeypatch.setattr("sys.argv", ["onward", *words])
        monkeypatch.setattr("sys.stdin", _Input(stdin))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return run


class _Input:
    def __init__(self, content):
        self.buffer = self
        self._content = content

    def isatty(self):
        return False

    def read(self, most):
        return self._content[:most]


def look(root, days=30):
    verdict = root / "monitoring" / "looks" / "version=3" / f"as_of={day_number(days)}" / "verdict.json"
    return json.loads(verdict.read_text())


def one_line(text):
    return text.count("\n") <= 1 and "Traceback" not in text


# The monitor.


def test_a_version_of_online_retail_is_scored_and_watched(tmp_path):
    text = PARAMS.replace("source: complete_journey ", "source: online_retail ")
    params = parse_params(text.replace('as_of: "2017-11-20"', 'as_of: "2011-10-20"'))
    with pytest.raises(DataError, match=r"no file .*online_retail"):
        places.read_log(params, date(2011, 10, 20), date(2011, 10, 27))
    with pytest.raises(DataError, match=r"no file .*online_retail"):
        places.read_events(tmp_path, params, date(2011, 10, 20), date(2011, 10, 27))


@pytest.mark.parametrize("table", ["conversions", "engagements"])
def test_events_that_are_half_written_are_a_look_that_failed(log, table):
    path = log / "data" / "log" / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:200])
    said = assess_version(
        log, read_params(log / "params.yaml"), 3, log / "monitoring" / "decisions", log / "looks", day_number(30)
    )
    assert said["verdict"] == "failed"
    assert str(path) in said["reason"]
    assert "export it again" in said["reason"]


def test_pages_of_a_log_that_are_damaged_are_a_look_that_failed(log):
    path = log / "monitoring" / "decisions" / f"day={day_number(3)}" / "version=3.parquet"
    whole = bytearray(path.read_bytes())
    whole[40:400] = b"\xff" * 360
    path.write_bytes(bytes(whole))
    said = assess_version(
        log, read_params(log / "params.yaml"), 3, log / "monitoring" / "decisions", log / "looks", day_number(30)
    )
    assert said["verdict"] == "failed"
    assert one_line(said["reason"])
    assert json.loads((log / "looks" / "version=3" / f"as_of={day_number(30)}" / "verdict.json").read_text()) == said


@pytest.mark.parametrize("name", ["write_served_days", "still_maturing", "read_once"])
def test_a_look_is_recorded_as_failed_whatever_broke(log, command, monkeypatch, name):
    def break_off(*_):
        raise ZeroDivisionError("nobody thought\nof this")

    for module in (daily_monitor, places, served_decisions):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, break_off)
    monkeypatch.setattr(daily_monitor, "version_in_use", lambda registry: 3)
    status, said = command("monitor", f"--as-of={day_number(30)}")
    assert status == 1
    assert one_line(said), said
    assert look(log)["verdict"] == "failed"
    assert "ZeroDivisionError: nobody thought of this" in look(log)["reason"]


def test_params_that_cannot_be_read_are_a_look_that_failed(log, command):
    (log / "params.yaml").write_text("run: [")
    status, said = command("monitor", f"--as-of={day_number(30)}", "--version=3")
    assert (status, one_line(said)) == (1, True)
    assert "params.yaml" in look(log)["reason"]


def test_a_copy_beside_a_day_of_the_log_is_no_version(log, caplog):
    folder = log / "monitoring" / "decisions"
    copy = folder / f"day={day_number(3)}" / "version=4.bak.parquet"
    copy.write_bytes(b"a copy")
    assert still_maturing(folder, 3, day_number(30), 28) == []
    assert first_logged(folder, {3}, day_number(30)) == day_number(0)
    assert str(copy) in caplog.text


# Days.


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1969-12-31", "2200-01-01"])
@pytest.mark.parametrize(
    "words",
    [
        ["score", "--as-of"], ["score", "--day"], ["monitor", "--version=3", "--as-of"],
        ["replay", "--to=2017-11-20", "--from"], ["replay", "--from=2017-11-20", "--to"],
    ],
)  # fmt: skip
def test_a_day_of_no_shop_is_refused(log, command, words, day):
    status, said = command(*words, day)
    assert (status, one_line(said)) == (NOT_TO_BE_RETRIED, True), said
    assert day in said
    assert "1970" in said


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_clock_of_no_shop_is_refused(day):
    with pytest.raises(ParamsError, match=f"run.as_of.*{day}.*1970 to 2199"):
        parse_params(PARAMS.replace('as_of: "2017-11-20"', f'as_of: "{day}"'))


# Text files.


def test_settings_in_latin_1_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(PARAMS.replace("onward-1", "caf\u00e9").encode("latin-1", "replace"))
    with pytest.raises(ParamsError, match=r"params.yaml: not UTF-8 \(byte 0xe9 in line \d+\); save it as UTF-8"):
        read_params(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run:\n  as_of: x\n  as_of: y\n", "'as_of' comes twice"),
        ("run: {}\nrun: {}\n", "'run' comes twice"),
        ("run:\n  as_of: 2017-13-01\n", "month must be in 1..12"),
        ("[" * 200_000 + "]" * 200_000, "nested"),
        ("- " * 200_000, "nested"),
        ("run: " + "9" * 5000, "digits"),
        ("? [a]\n: 1\n", "unhashable"),
        ("run: \x00", "not YAML"),
    ],
)
def test_yaml_that_means_two_things_or_nothing_is_refused(text, words):
    for parse, error in ((parse_params, ParamsError), (parse_rules, MonitoringError)):
        with pytest.raises(error, match=words) as refused:
            parse(text)
        assert one_line(str(refused.value))
        assert refused.value.status == NOT_TO_BE_RETRIED


@pytest.mark.parametrize(
    "text",
    [
        b'{"verdict": "ok", "version": Infinity, "as_of": "2017-11-20"}', b'{"version": NaN}', b'{"version": 1e999}',
        b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b"\xff\xfe", b"{}", b"[]", b'{"version": 1' + b"0" * 400 + b"}",
        b'{"verdict": "ok", "version": 3, "as_of": "2017-11-20", "levels": 7}',
        b'{"verdict": "ok", "version": 3, "as_of": "2017-11-20", "levels": [7], "signals": {"a": 1}}',
        b'{"verdict": ["ok"], "version": 3, "as_of": "2017-11-20"}',
        b'{"verdict": "ok", "version": 3, "version": 4, "as_of": "2017-11-20"}',
        b'{"verdict": "ok", "version": 3.7, "as_of": "2017-11-20"}',
        b'{"verdict": "ok", "version": true, "as_of": "2017-11-20"}',
        b'{"verdict": "ok", "version": 3, "as_of": "2017-11-20", "unknown": Infinity}',
        b'{"verdict": "ok", "version": 3, "as_of": "2017-11-20", "unknown": 1e999}',
    ],
    ids=range(18),
)  # fmt: skip
def test_act_refuses_what_is_no_verdict(log, monkeypatch, text):
    from onward.daily.oncall import parse_verdict
    from onward.monitoring.alerts import Findings

    with pytest.raises(MonitoringError) as refused:
        Findings.of(parse_verdict(text.decode("utf-8", "replace")), None, None)
    assert one_line(str(refused.value))
    assert refused.value.status == NOT_TO_BE_RETRIED
    assert len(str(refused.value)) < 500
    assert "onward monitor" in str(refused.value)


# The shop's files.


def invoices(**columns):
    rows = pd.DataFrame({
        "InvoiceNo": ["536365", "C536366"], "StockCode": ["85123A", "71053"], "Description": ["RED BAG", "BLUE BAG"],
        "Quantity": [6, -1], "InvoiceDate": pd.to_datetime(["2011-05-01 08:26", "2011-11-30 08:28"]),
        "UnitPrice": [2.55, 3.39], "CustomerID": [17850.0, np.nan],
    })  # fmt: skip
    return rows.assign(**columns)


def read_invoices(tmp_path, table):
    file = tmp_path / "online_retail.parquet"
    table.to_parquet(file)
    settings = params_of_retail()
    shop = online_retail.OnlineRetail(file=file, **settings)
    from datetime import timedelta

    return online_retail.read_log(
        shop,
        window=timedelta(days=28),
        start=datetime(2011, 4, 1),
        end=datetime(2011, 5, 1),
        threads=1,
        known=datetime(2011, 5, 1),
    )


def params_of_retail():
    return {"candidates_before": date(2011, 4, 1), "min_customers": 1, "min_support": 1, "candidates_per_product": 5,
            "shown_per_visit": 1, "fresh_days": 60, "follow_days": 30}  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        {"InvoiceNo": [536365, 536366]}, {"InvoiceNo": [536365.0, 536366.0]},
        {"InvoiceDate": ["2011-05-01 08:26:00", "2011-11-30 08:28:00"]}, {"CustomerID": ["17850", None]},
        {"CustomerID": ["17850.0", ""]}, {"CustomerID": pd.array([17850, None], "Int64")},
        {"StockCode": [85123, 71053]},
        {"Quantity": ["6", "-1"], "UnitPrice": ["2.55", "3.39"]}, {"Description": [1, 2]},
    ],
    ids=lambda columns: "-".join(columns),
)  # fmt: skip
def test_invoices_made_in_excel_are_read_for_what_they_say(tmp_path, columns):
    log = read_invoices(tmp_path, invoices(**columns))
    assert log.notes["lines_read"] == 2
    assert log.tables["products"].num_rows == 0  # both lines lie at or after the end
    lines = log.notes["lines_dropped"]
    assert lines == ({"a return": 1} if "InvoiceNo" not in columns else {"no customer": 1}), lines


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"InvoiceDate": ["12/1/2010 8:26", "13/1/2010 8:26"]}, r"InvoiceDate: 2 of 2 .*'12/1/2010 8:26'"),
        ({"InvoiceDate": [40513.35, 40514.1]}, "InvoiceDate: holds DOUBLE"),
        ({"InvoiceDate": pd.to_datetime(["2011-05-01", "2011-11-30"], utc=True)}, "InvoiceDate: .*TIME ZONE"),
        ({"Quantity": ["six", "1"]}, "Quantity: 1 of 2 .*'six'"),
        ({"UnitPrice": ["2,55", "3.39"]}, "UnitPrice: 1 of 2 .*'2,55'"),
    ],
)
def test_invoices_that_could_mean_two_things_are_refused(tmp_path, columns, words):
    with pytest.raises(DataError, match=words) as refused:
        read_invoices(tmp_path, invoices(**columns))
    assert one_line(str(refused.value))
    assert "export" in str(refused.value)


def test_a_far_future_time_in_seconds_is_left_out_as_any_later_row(tmp_path):
    end = datetime(2017, 4, 1)
    for name, columns in TABLES_OF_A_SHOP.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    log = read_log(folder=tmp_path, end=end)
    assert log.tables["purchases"].num_rows == 1
    assert log.notes["rows_at_or_after_horizon"]["purchases"] == 1


_SECONDS = pa.array([1488326400, 9_000_000_000_000_000], pa.timestamp("s"))
TABLES_OF_A_SHOP = {
    "products": {"product_id": ["1"], "name": ["a"], "category": ["b"]},
    "purchases": {
        "customer_id": ["1", "2"], "order_id": ["1", "2"], "product_id": ["1", "1"], "purchased_at": _SECONDS,
        "quantity": [1.0, 1.0], "amount": [1.0, 1.0],
    },
    "impressions": {
        "impression_id": ["1", "2"], "customer_id": ["1", "1"], "source_product_id": ["1", "1"],
        "target_product_id": ["1", "1"], "shown_at": _SECONDS,
    },
    "conversions": {"impression_id": ["1", "2"], "converted_at": _SECONDS},
    "engagements": {"impression_id": ["1", "2"], "kind": ["a", "a"], "happened_at": _SECONDS},
}  # fmt: skip


def test_a_far_future_event_does_not_stop_the_monitor(log):
    path = log / "data" / "log" / "conversions.parquet"
    table = read_table(path)
    seconds = pa.array(table["converted_at"]).cast(pa.timestamp("s"), safe=False).to_pylist()
    far = pa.array([*(int(moment.timestamp()) for moment in seconds), 9_000_000_000_000_000], pa.int64())
    ids = pa.array([*table["impression_id"], "i000001"])
    pq.write_table(pa.table({"impression_id": ids, "converted_at": far.cast(pa.timestamp("s"))}), path)
    said = assess_version(
        log, read_params(log / "params.yaml"), 3, log / "monitoring" / "decisions", log / "looks", day_number(30)
    )
    assert said["verdict"] != "failed", said["reason"]


# The environment.


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_variable_without_a_value_counts_as_not_set(command, log, monkeypatch, value):
    from onward.settings import ProjectSettings

    monkeypatch.chdir(log)
    unset = ProjectSettings()
    for name in ProjectSettings.model_fields:
        monkeypatch.setenv(f"ONWARD_{name.upper()}", value)
    assert ProjectSettings() == unset


@pytest.mark.parametrize(
    ("name", "value"),
    [("FLUSH_SECONDS", "soon"), ("FLUSH_SECONDS", "nan"), ("FLUSH_SECONDS", "-1"), ("PROJECT", "/no/such/folder")],
)
def test_a_variable_that_cannot_be_is_refused_by_name(command, name, value):
    status, said = command("status", **{f"ONWARD_{name}": value})
    assert (status, one_line(said)) == (NOT_TO_BE_RETRIED, True), said
    assert re.search(rf"ONWARD_{name}.*{re.escape(value)}", said)


def test_a_file_that_cannot_be_opened_is_an_error_of_one_line(command, log):
    (log / "params.yaml").unlink()
    (log / "params.yaml").mkdir()
    status, said = command("check-params")
    assert (status, one_line(said)) == (NOT_TO_BE_RETRIED, True), said
    assert issubclass(ParamsError, OnwardError)
