"""A day of decisions is logged once it is whole, by the shop's clock; what was logged too early can be mended."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from builders.daily_files import ROOT, params_of
from builders.event_files import Event, write_events
from builders.registries import new_registry
from builders.tiny_bundle import NAMES, TAGS, make_bundle
from onward import cli
from onward.daily.completeness import complete_until
from onward.daily.feeds import feeds
from onward.daily.monitor import logged_files
from onward.daily.places import with_project
from onward.data.sources.parquet_folder import MARKER
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.errors import DataError, MonitoringError, ParamsError, RegistryError
from onward.monitoring.decision_log import place
from onward.params import parse_params, read_params
from onward.uncertainty.uncertainty_model import PairPredictions

# Registers in MLflow's tables, and scores.
pytestmark = pytest.mark.slow

LEARNT, A_DAY = date(2017, 11, 20), 6
IDS = [f"p{number}" for number in range(len(NAMES))]
NOW = datetime(2017, 12, 31, tzinfo=UTC)


def day(number):
    return LEARNT + timedelta(days=number)


def write_log(folder: Path, days, until=None):
    """Six impressions and a purchase with each on each day and the one before all, every four hours, up to `until`."""
    at = [datetime.combine(each, datetime.min.time()) + timedelta(hours=4 * number + 3)
          for each in (day(-1), *days) for number in range(A_DAY)]  # fmt: skip
    at = pd.Series([moment for moment in at if until is None or moment < until], dtype="datetime64[us]")
    name = at.dt.strftime("i%Y%m%d%H")
    one = [IDS[hour % 6] for hour in at.dt.hour // 4]
    other = [IDS[(hour + 2) % 6] for hour in at.dt.hour // 4]
    tables = {
        "products": pd.DataFrame({"product_id": IDS, "name": NAMES, "category": "food > shelf"}),
        "purchases": pd.DataFrame({
            "customer_id": "c1", "order_id": name, "product_id": one, "purchased_at": at, "quantity": 1.0,
            "amount": 2.0,
        }),
        "impressions": pd.DataFrame({
            "impression_id": name, "customer_id": "c1", "source_product_id": one, "target_product_id": other,
            "shown_at": at,
        }),
        "conversions": pd.DataFrame({"impression_id": name[5:6], "converted_at": at[5:6] + pd.Timedelta(minutes=30)}),
        "engagements": pd.DataFrame({
            "impression_id": name[5:6], "kind": "view", "happened_at": at[5:6] + pd.Timedelta(minutes=1),
        }),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        rows.to_parquet(folder / f"{table}.parquet", index=False)


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    registry = new_registry(folder / "mlruns")
    features = [f"cat_{side}_{what}" for side in ("source", "target") for what in ("category", "department")]
    bundle = replace(make_bundle(), categories={name: ["food > shelf", "food"] for name in features})
    write_bundle(folder / "bundle", bundle)
    registry.register(folder / "bundle", bundle_hash(folder / "bundle"), {**TAGS, "as_of": str(LEARNT)}, {})
    registry.promote(1)
    return registry


@pytest.fixture
def shop(tmp_path, registered, monkeypatch):
    """A project whose log lies in a folder, and a function that runs a command line in it."""
    params_of(tmp_path)
    (tmp_path / "monitoring").mkdir()
    monkeypatch.setenv("ONWARD_PROJECT", str(tmp_path))
    monkeypatch.setenv("ONWARD_REGISTRY", f"sqlite:///{registered.database}")

    def predict(self, features, source, target, threads=1):
        value = 0.1 + 0.2 * ((np.asarray(source) * 7 + target) % 5) / 5
        return PairPredictions(value, value, np.zeros(len(value), np.int64), value)

    monkeypatch.setattr("onward.deployment.bundle.Bundle.predict", predict)

    def run(line):
        done = CliRunner().invoke(cli.app, shlex.split(line), catch_exceptions=False)
        return json.loads(done.stdout.splitlines()[-1])

    return tmp_path, run


def log_of(root, number):
    return root / "monitoring" / "decisions" / place(day(number), 1)


def rows_of(root, number):
    return pq.read_metadata(log_of(root, number)).num_rows


def until(root, now=NOW, time_zone="UTC"):
    text = (root / "params.yaml").read_text().replace("time_zone: UTC", f"time_zone: {time_zone}")
    return complete_until(with_project(parse_params(text), root), now).until


def test_a_day_that_is_half_loaded_is_refused_and_whole_once_the_rest_has_come(shop):
    root, score = shop
    write_log(root / "data" / "log", [day(number) for number in range(3)], until=datetime(2017, 11, 22, 12))
    with pytest.raises(MonitoringError, match=r"2017-11-22 is not complete: .* end at 2017-11-22 11:00; load what"):
        score(f"score --as-of={day(3)}")
    # Those before it are logged, and stay.
    assert [rows_of(root, number) for number in range(2)] == [A_DAY, A_DAY]
    assert not log_of(root, 2).exists()
    write_log(root / "data" / "log", [day(number) for number in range(4)])
    done = score(f"score --as-of={day(3)}")
    assert (done["days"], done["kept"], rows_of(root, 2)) == (1, 2, A_DAY)


def test_later_days_are_refused_in_one_line_however_late(shop):
    root, score = shop
    write_log(root / "data" / "log", [day(0), day(1)])
    for line in (f"score --day={day(1)}", f"score --day={day(1)} --to=2199-01-01", "score --day=2199-12-31"):
        with pytest.raises(MonitoringError, match="not complete") as refused:
            score(line)
        assert "\n" not in str(refused.value)
    assert not (root / "monitoring" / "decisions").exists()


def test_a_day_without_data_is_no_day_that_is_kept(shop):
    root, score = shop
    log = root / "data" / "log"
    write_log(log, [day(0), day(2), day(3)])
    assert score(f"score --as-of={day(3)}")["days"] == 3
    assert [rows_of(root, number) for number in range(3)] == [A_DAY, 0, A_DAY]
    # A day on which the shop was closed is not missing, and looking again changes nothing.
    assert len(logged_files(root / "monitoring" / "decisions", 1, day(3))) == 3
    assert score(f"score --as-of={day(3)}") | {"from": None, "to": None} == {
        "version": 1, "from": None, "to": None, "rows": 0, "days": 0, "kept": 3, "revised": 0,
    }  # fmt: skip
    write_log(log, [day(number) for number in range(4)])
    assert (score(f"score --as-of={day(3)}")["days"], rows_of(root, 1)) == (1, A_DAY)


def test_a_marker_says_what_no_event_can(shop):
    root, score = shop
    log = root / "data" / "log"
    write_log(log, [day(0), day(1)])
    (log / MARKER).write_text(f"{day(2)}\n")
    # The last event is of the day before: nobody came.
    assert score(f"score --as-of={day(3)}")["days"] == 3
    with pytest.raises(MonitoringError, match=f"complete_through names {day(2)} as the last whole day"):
        score(f"score --day={day(3)}")
    (log / MARKER).write_text("yesterday")
    with pytest.raises(DataError, match="complete_through: 'yesterday' is no day such as"):
        score(f"score --day={day(3)}")


def test_an_event_of_the_future_makes_no_day_whole(shop):
    root, _ = shop
    log = root / "data" / "log"
    write_log(log, [day(0), day(1), date(2099, 1, 1)])
    assert until(root) == day(1)
    # Nor do purchases, where impressions have not come.
    write_log(log, [day(0), day(1), day(2)])
    assert until(root) == day(2)
    impressions = pd.read_parquet(log / "impressions.parquet")
    impressions[impressions["shown_at"] < pd.Timestamp(day(1))].to_parquet(log / "impressions.parquet", index=False)
    assert until(root) == day(0)
    (log / "impressions").mkdir()
    impressions.to_parquet(log / "impressions" / "feedback-1.parquet", index=False)
    assert until(root) == day(2)


@pytest.mark.parametrize(
    ("time_zone", "now", "first_day_that_is_not"),
    [
        # Six o'clock in London is ten in the evening in Los Angeles, whose day goes on.
        ("UTC", datetime(2026, 11, 23, 6, tzinfo=UTC), date(2026, 11, 23)),
        ("America/Los_Angeles", datetime(2026, 11, 23, 6, tzinfo=UTC), date(2026, 11, 22)),
        ("America/Los_Angeles", datetime(2026, 11, 23, 8, tzinfo=UTC), date(2026, 11, 23)),
        ("Asia/Tokyo", datetime(2026, 11, 22, 15, tzinfo=UTC), date(2026, 11, 23)),
        # The day has 25 hours: 24 hours after it began, its last hour is yet to come.
        ("America/Los_Angeles", datetime(2026, 11, 2, 7, 59, tzinfo=UTC), date(2026, 11, 1)),
        ("America/Los_Angeles", datetime(2026, 11, 2, 8, 0, tzinfo=UTC), date(2026, 11, 2)),
        # It has 23: it is over an hour early.
        ("America/Los_Angeles", datetime(2026, 3, 9, 6, 59, tzinfo=UTC), date(2026, 3, 8)),
        ("America/Los_Angeles", datetime(2026, 3, 9, 7, 0, tzinfo=UTC), date(2026, 3, 9)),
    ],
)
def test_a_day_is_the_shop_s_own(shop, time_zone, now, first_day_that_is_not):
    root, _ = shop
    # Whatever the shop says of days that have not ended.
    write_log(root / "data" / "log", [first_day_that_is_not])
    (root / "data" / "log" / MARKER).write_text("2099-01-01")
    assert until(root, now, time_zone) == first_day_that_is_not


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "America", ""])
def test_a_time_zone_that_does_not_exist_is_named(name):
    text = (ROOT / "params.yaml").read_text().replace("time_zone: UTC", f"time_zone: '{name}'")
    with pytest.raises(ParamsError, match=r"shop.time_zone: .* is no time zone of this machine; name one such as"):
        parse_params(text)


def test_the_runbook_s_remedy_for_half_a_log_works_as_it_is_written(shop):
    root, run = shop
    log = root / "data" / "log"
    write_log(log, [day(number) for number in range(6)])
    whole = pd.read_parquet(log / "impressions.parquet")
    # As a release before did, or a marker that came too early: three days are logged with half of what was shown.
    whole[whole["shown_at"].dt.hour >= 12].to_parquet(log / "impressions.parquet", index=False)
    run(f"score --as-of={day(4)}")
    poisoned = log_of(root, 1).read_bytes()
    whole.to_parquet(log / "impressions.parquet", index=False)
    assert run(f"score --as-of={day(4)}")["kept"] == 4
    assert log_of(root, 1).read_bytes() == poisoned
    section = (ROOT / "monitoring" / "runbook.md").read_text().split("\n## volume-changed\n")[1].split("\n## ")[0]
    (again, assess) = re.findall(r"`onward ((?:score|monitor) [^`]+)`", section)
    values = {"FIRST": day(0), "LAST": day(2), "AS_OF": day(4), '"…"': "'half of the impressions had not come'"}
    for name, value in values.items():
        again, assess = (line.replace(name, str(value)) for line in (again, assess))
    done = run(again)
    assert (done["revised"], done["days"], done["rows"]) == (3, 3, 3 * A_DAY)
    assert [rows_of(root, number) for number in range(4)] == [A_DAY] * 3 + [A_DAY // 2]
    # What was replaced is there still, with the reason.
    aside = root / "monitoring" / "decisions" / "revisions" / place(day(1), 1).with_suffix("")
    (note,) = aside.glob("*.json")
    kept = json.loads(note.read_text())
    assert (kept["reason"], kept["rows"], kept["version"]) == ("half of the impressions had not come", A_DAY // 2, 1)
    assert note.with_suffix(".parquet").read_bytes() == poisoned
    # Done twice it is done once, and the assessment reads each day once.
    assert (run(again)["revised"], len(list(aside.iterdir()))) == (0, 2)
    assert len(logged_files(root / "monitoring" / "decisions", 1, day(4))) == 4
    assert run(assess)["decisions"] == {"served_days": 0, "batch_days": 4}


def test_a_day_is_replaced_for_a_reason_and_named(shop):
    root, run = shop
    write_log(root / "data" / "log", [day(0), day(1)])
    for line in ("--replace", "--reason 'half a log was there'", f"--as-of {day(1)} --replace --reason 'half a log'"):
        with pytest.raises(MonitoringError, match="--replace needs --day"):
            run(f"score {line}")
    with pytest.raises(RegistryError, match="say why in 10 to 500"):
        run(f"score --day {day(0)} --replace --reason half")


def test_a_log_of_events_is_whole_up_to_its_last_event(tmp_path):
    params_of(tmp_path)
    folder = tmp_path / "events"
    text = (tmp_path / "params.yaml").read_text().replace("source: parquet", "source: event_log")
    (tmp_path / "params.yaml").write_text(text.replace("folder: data/events", "folder: events"))
    write_events(folder, [Event(datetime(2017, 12, 3, 5), 1, "view", 1), Event(datetime(2018, 9, 1), 1, "view", 2)])
    assert until(tmp_path) == date(2017, 12, 3)
    assert until(tmp_path, datetime(2017, 12, 2, 5, tzinfo=UTC)) == date.min
    (folder / "complete_through").write_text("2017-12-03\n")
    assert until(tmp_path) == date(2017, 12, 4)
    (fed, *_) = feeds(read_params(tmp_path / "params.yaml"), tmp_path, NOW)
    assert (fed.name, fed.stopped(26)) == ("complete_through", True)


def test_what_says_that_a_day_is_whole_is_all_that_is_read(shop):
    root, _ = shop
    write_log(root / "data" / "log", [day(0)])
    for name in ("conversions", "engagements"):
        (root / "data" / "log" / f"{name}.parquet").unlink()
    assert until(root) == day(0)
    for path in (root / "data" / "log").iterdir():
        path.unlink()
    (root / "data" / "log" / MARKER).write_text(f"{day(3)}\n")
    assert until(root) == day(4)
