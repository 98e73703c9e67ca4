"""Assessments from files: the contract, the as-of guard, repeatability, and failures that say why."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.daily_files import LEVELS, WINDOW, day_number, draw_rows, lay_out, params_of
from onward.artifacts import read_table, write_table
from onward.daily import places
from onward.daily.monitor import assess_version, first_logged
from onward.errors import MonitoringError
from onward.monitoring.daily_statistics import TOGETHER_DAYS
from onward.monitoring.decision_log import SCHEMA, place
from onward.monitoring.event_join import join_events

# Assesses many days.
pytestmark = pytest.mark.slow

COLUMNS = [
    "day", "level", "n", "shown", "predicted", "matured_n", "matured_positives", "matured_rate", "nowcast",
    "nowcast_low", "nowcast_high", "share_matured", "precision", "precision_low", "precision_high", "score_psi",
    "delay_median_days", "engagement_rate",
]  # fmt: skip


def assess_days(root: Path, rows: dict[str, pd.DataFrame], days: int) -> tuple[dict, Path]:
    folder = lay_out(root, rows)
    looks = root / "looks"
    said = assess_version(root, params_of(root), 3, folder, looks, day_number(days))
    return said, looks / "version=3" / f"as_of={day_number(days)}"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_assessment_holds_what_pages_and_rules_read(tmp_path):
    said, folder = assess_days(tmp_path, draw_rows(), 60)
    assert said["verdict"] == "ok", said["reason"]
    assert json.loads((folder / "verdict.json").read_text()) == said
    assert {"schema", "as_of", "source", "version", "verdict", "cause", "level", "since", "slices", "reason",
            "false_alarms_per_year", "levels", "signals", "decisions"} == set(said)  # fmt: skip
    assert [each["name"] for each in said["signals"]] == ["labels", "delay", "engagement", "scores", "volume"]
    daily = read_table(folder / "daily.parquet")
    assert daily.columns.tolist() == COLUMNS
    assert len(daily) == 60 * LEVELS
    assert daily["n"].sum() == 60 * 300


def test_a_matured_day_is_known_and_a_young_one_is_nowcast(tmp_path):
    rows = draw_rows()
    _, folder = assess_days(tmp_path, rows, 60)
    daily = read_table(folder / "daily.parquet")
    matured = daily[daily["matured_n"] > 0]
    assert matured["day"].max() == day_number(60 - WINDOW - 1)
    assert np.allclose(matured["matured_rate"], matured["nowcast"])
    assert np.allclose(matured["nowcast_low"], matured["nowcast_high"])
    young = daily[daily["matured_n"] == 0]
    assert young["matured_rate"].isna().all()
    assert (young["nowcast_low"] < young["nowcast"]).all()
    assert (young["nowcast"] < young["nowcast_high"]).all()
    converted = rows["decisions"]["impression"].isin(rows["conversions"]["impression_id"])
    level = rows["decisions"]["level"] == 0
    first = rows["decisions"]["time"].dt.date == day_number(0)
    assert matured["matured_positives"].iloc[0] == (converted & level & first).sum()


def test_a_drop_in_one_level_is_found_with_its_level_day_and_cause(tmp_path):
    said, _ = assess_days(tmp_path, draw_rows(days=80, drop_from=60, a_day=500), 80)
    assert (said["verdict"], said["cause"], said["level"]) == ("drifted", "positivity", 1)
    assert abs((pd.Timestamp(said["since"]) - pd.Timestamp(day_number(60))).days) <= 4
    worst = said["levels"][1]
    assert worst["change"] < 0
    assert worst["drift_statistic"] == pytest.approx(abs(worst["change"]) / worst["margin"])
    assert worst["drift_statistic"] > 1
    assert said["levels"][0]["verdict"] != "drifted"
    assert {each["name"] for each in said["slices"]} <= {"food", "toys"}


def test_what_comes_at_or_after_as_of_changes_nothing(tmp_path):
    rows = draw_rows(days=60)
    clock = pd.Timestamp(day_number(45))
    known = {
        "decisions": rows["decisions"][rows["decisions"]["time"] < clock],
        "conversions": rows["conversions"][rows["conversions"]["converted_at"] < clock],
        "engagements": rows["engagements"][rows["engagements"]["happened_at"] < clock],
    }
    _, now = assess_days(tmp_path / "now", known, 45)
    _, later = assess_days(tmp_path / "later", rows, 45)
    assert contents(now) == contents(later)


def test_assessing_twice_gives_the_same_bytes_and_one_assessment(tmp_path):
    rows = draw_rows()
    _, folder = assess_days(tmp_path, rows, 60)
    first = contents(folder)
    assess_days(tmp_path, rows, 60)
    assert contents(folder) == first
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_duplicates_change_nothing(tmp_path):
    rows = draw_rows()
    twice = {name: pd.concat([table, table]) if name != "decisions" else table for name, table in rows.items()}
    later = rows["conversions"].assign(converted_at=rows["conversions"]["converted_at"] + pd.Timedelta(hours=3))
    twice["conversions"] = pd.concat([twice["conversions"], later])
    _, once = assess_days(tmp_path / "once", rows, 60)
    _, again = assess_days(tmp_path / "again", twice, 60)
    assert contents(once) == contents(again)


def spoil_nothing(root: Path) -> None:
    for path in (root / "monitoring" / "decisions").rglob("*.parquet"):
        path.unlink()


def spoil_gap(root: Path) -> None:
    (root / "monitoring" / "decisions" / place(day_number(30), 3)).unlink()


def spoil_log_schema(root: Path) -> None:
    path = root / "monitoring" / "decisions" / place(day_number(30), 3)
    write_table(path, read_table(path).drop(columns="probability"))


def spoil_source_schema(root: Path) -> None:
    path = root / "data" / "log" / "conversions.parquet"
    write_table(path, read_table(path).rename(columns={"converted_at": "bought_at"}))


def spoil_source(root: Path) -> None:
    (root / "data" / "log" / "conversions.parquet").unlink()


def spoil_labels(root: Path) -> None:
    path = root / "data" / "log" / "conversions.parquet"
    write_table(path, read_table(path).head(0))


def spoil_clock(root: Path) -> None:
    path = root / "monitoring" / "decisions" / place(day_number(30), 3)
    table = read_table(path)
    table["time"] += pd.Timedelta(days=2)
    write_table(path, table)


def spoil_order(root: Path) -> None:
    path = root / "data" / "log" / "conversions.parquet"
    table = read_table(path)
    table["converted_at"] -= pd.Timedelta(days=6)
    write_table(path, table)


def spoil_recent_labels(root: Path) -> None:
    path = root / "data" / "log" / "conversions.parquet"
    table = read_table(path)
    write_table(path, table[table["converted_at"] < pd.Timestamp(day_number(57))])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (spoil_nothing, "no data"),
        (spoil_gap, "no data"),
        (spoil_log_schema, "probability"),
        (spoil_source_schema, "schema change"),
        (spoil_source, "no data"),
        (spoil_labels, "no conversion at all"),
        (spoil_clock, "clock skew"),
        (spoil_order, "clock skew"),
        (spoil_recent_labels, "label outage"),
    ],
)
def test_what_cannot_be_computed_fails_with_the_reason(tmp_path, spoil, word):
    folder = lay_out(tmp_path, draw_rows())
    spoil(tmp_path)
    said = assess_version(tmp_path, params_of(tmp_path), 3, folder, tmp_path / "looks", day_number(60))
    assert said["verdict"] == "failed"
    assert word in said["reason"]
    assert "\n" not in said["reason"]
    written = tmp_path / "looks" / "version=3" / f"as_of={day_number(60)}" / "verdict.json"
    assert json.loads(written.read_text())["verdict"] == "failed"


def test_repeating_customers_widen_the_intervals(tmp_path):
    rows = draw_rows(a_day=400)
    rng = np.random.default_rng(5)
    mine = rows["decisions"]
    # Each customer buys all that is shown on a day, or nothing.
    keen = dict(zip(mine["customer"].unique(), rng.random(mine["customer"].nunique()) < 0.15, strict=True))
    chosen = mine["customer"].map(keen)
    rows["conversions"] = pd.DataFrame({
        "impression_id": mine["impression"][chosen], "converted_at": mine["time"][chosen] + pd.Timedelta(days=2),
    }).reset_index(drop=True)  # fmt: skip
    _, clustered = assess_days(tmp_path / "clustered", rows, 60)
    shuffled = {**rows, "decisions": mine.assign(customer=[f"c{number}" for number in range(len(mine))])}
    _, apart = assess_days(tmp_path / "apart", shuffled, 60)
    width = [
        (table["nowcast_high"] - table["nowcast_low"])[table["matured_n"] == 0].mean()
        for table in (read_table(folder / "daily.parquet") for folder in (clustered, apart))
    ]
    assert width[0] > 1.5 * width[1]


def test_dates_are_dates(tmp_path):
    _, folder = assess_days(tmp_path, draw_rows(), 60)
    schema = pq.read_schema(folder / "daily.parquet")
    assert schema.field("day").type == pa.date32()
    assert schema.field("level").type == pa.int8()


def test_a_replaced_version_is_judged_after_its_log_has_ended(tmp_path):
    rows = draw_rows(days=40)
    folder, params = lay_out(tmp_path, rows), params_of(tmp_path)
    said = assess_version(tmp_path, params, 3, folder, tmp_path / "looks", day_number(50))
    assert "no data" in said["reason"]
    said = assess_version(tmp_path, params, 3, folder, tmp_path / "looks", day_number(50), replaced=True)
    assert said["verdict"] in {"ok", "inconclusive"}, said["reason"]
    daily = read_table(tmp_path / "looks" / "version=3" / f"as_of={day_number(50)}" / "daily.parquet")
    decided = daily[daily["n"] > 0]
    assert (decided["matured_n"] == decided["n"]).all()
    (folder / place(day_number(20), 3)).unlink()
    said = assess_version(tmp_path, params, 3, folder, tmp_path / "looks", day_number(50), replaced=True)
    assert "1 days of version 3 are not in the decision log" in said["reason"]


def test_a_version_of_a_week_is_too_young_and_not_an_error(tmp_path):
    said, _ = assess_days(tmp_path, draw_rows(days=6), 6)
    assert said["verdict"] == "inconclusive", said["reason"]
    folder, params = lay_out(tmp_path, draw_rows(days=6)), params_of(tmp_path)
    said = assess_version(tmp_path, params, 3, folder, tmp_path / "looks", day_number(25), replaced=True)
    assert said["verdict"] == "inconclusive", said["reason"]


def test_events_of_other_versions_change_nothing(tmp_path):
    rows = draw_rows()
    _, alone = assess_days(tmp_path / "alone", rows, 60)
    strangers = pd.DataFrame({"impression_id": ["x", "y"], "converted_at": [day_number(2), day_number(50)]})
    strangers["converted_at"] = strangers["converted_at"].astype("datetime64[us]")
    rows["conversions"] = pd.concat([rows["conversions"], strangers], ignore_index=True)
    _, together = assess_days(tmp_path / "together", rows, 60)
    assert contents(alone) == contents(together)


def test_versions_that_are_assessed_together_share_one_reading(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(places, "read_events", lambda root, params, start, as_of: asked.append(start) or {})
    read = places.read_once(day_number(3))
    for start in (3, 9, 20):
        assert read(tmp_path, None, day_number(start), day_number(60)) == {}
    assert asked == [day_number(3)]
    with pytest.raises(ValueError, match="asked from"):
        read(tmp_path, None, day_number(2), day_number(60))


def test_the_reading_begins_with_the_first_of_their_days(tmp_path):
    for number, version in ((5, 3), (9, 4), (30, 5)):
        (tmp_path / place(day_number(number), version)).parent.mkdir(parents=True)
        (tmp_path / place(day_number(number), version)).touch()
    assert first_logged(tmp_path, {4, 5}, day_number(60)) == day_number(9)
    # So long ago, no look reads it.
    assert first_logged(tmp_path, {3, 5}, day_number(160)) == day_number(30)
    assert first_logged(tmp_path, {6}, day_number(60)) == day_number(60)


def test_rows_in_memory_are_joined_as_a_log_on_disk_is(tmp_path):
    rows = draw_rows()
    folder = lay_out(tmp_path, rows)
    events = {name: pa.Table.from_pandas(rows[name], preserve_index=False) for name in ("conversions", "engagements")}
    end = day_number(50)
    files = [(day_number(number), str(folder / place(day_number(number), 3))) for number in range(50)]
    logged = join_events(files, events, end, WINDOW, 1)
    # The rows of later days are there too: the clock leaves them out.
    decisions = pa.Table.from_pandas(rows["decisions"], SCHEMA, preserve_index=False)
    for name, value in vars(join_events(decisions, events, end, WINDOW, 1)).items():
        np.testing.assert_array_equal(value, getattr(logged, name), err_msg=name)
    with pytest.raises(MonitoringError, match="there is no decision before 2017-03-01"):
        join_events(decisions, events, day_number(0), WINDOW, 1)


def test_the_spread_of_all_levels_is_that_of_the_days_they_are_judged_over():
    """Half of the customers never buy, the others twice as often as promised: of a longer sum the spread is larger."""
    rows = draw_rows(2 * TOGETHER_DAYS, 300, seed=7)
    decisions, p = rows["decisions"], rows["decisions"]["probability"]
    twice = decisions["customer"].str[1:].astype(int) % 2 == 1
    bought = decisions[twice & (np.random.default_rng(8).random(len(p)) < 2 * p)]
    moments = pa.array(bought["time"] + pd.Timedelta(hours=1), pa.timestamp("us"))
    conversions = pa.table({"impression_id": pa.array(bought["impression"]), "converted_at": moments})
    events = {"conversions": conversions, "engagements": pa.Table.from_pandas(rows["engagements"])}
    kept = pa.Table.from_pandas(decisions, SCHEMA, preserve_index=False)
    found = join_events(kept, events, day_number(2 * TOGETHER_DAYS), WINDOW, 1)
    # Of a customer with n rows the total has the variance n·E(p - 2p²) + n²·(Ep)², n being nearly Poisson itself.
    n = 300 * TOGETHER_DAYS / 400
    expected = ((p - 2 * p**2).mean() + (n + 1) * p.mean() ** 2) / (p * (1 - p)).mean()
    assert found.spread_together == pytest.approx(expected, rel=0.1)
