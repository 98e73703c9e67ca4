"""Versions that follow each other week by week are judged together, and each day counts once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from builders.daily_files import WINDOW, day_number, draw_rows, lay_out, params_of
from onward.daily.monitor import assess_version, days_and_versions, files_of_all_versions, first_logged
from onward.daily.places import read_once
from onward.monitoring.alerts import Findings, decide, parse_rules

# Assesses many days.
pytestmark = pytest.mark.slow

RULES = (Path(__file__).resolve().parents[2] / "monitoring" / "alerts.yaml").read_text()
DAYS, WEEK = 63, 7


def weekly_log(root: Path, lost_from: int = DAYS, kept: float = 1.0) -> tuple[Path, int]:
    """A log in which each week has a version of its own; of conversions from a day on, a share remains."""
    rows = draw_rows(days=DAYS, a_day=1500)
    clock = pd.Timestamp(day_number(lost_from))
    time = rows["decisions"].set_index("impression")["time"]
    late = rows["conversions"]["impression_id"].map(time) >= clock
    lost = late & (np.random.default_rng(3).random(len(late)) >= kept)
    rows["conversions"] = rows["conversions"][~lost]
    day = rows["decisions"]["time"].dt.normalize()
    week = (day - day.min()).dt.days // WEEK
    for number in range(DAYS // WEEK):
        folder = lay_out(root, rows | {"decisions": rows["decisions"][week == number]}, version=number + 1)
    return folder, DAYS // WEEK


def look(root: Path, folder: Path, version: int, days: int = DAYS) -> dict:
    # As `onward monitor` reads: once, from the earliest day that any version needs.
    logged = {number for _, number in days_and_versions(folder)}
    read = read_once(first_logged(folder, logged, day_number(days)))
    return assess_version(root, params_of(root), version, folder, root / "looks", day_number(days), read=read)


def test_a_week_old_version_has_a_verdict_by_the_versions_before_it(tmp_path):
    folder, last = weekly_log(tmp_path)
    said = look(tmp_path, folder, last)
    assert {each["verdict"] for each in said["levels"]} == {"inconclusive"}
    assert said["verdict"] == "ok", said["reason"]
    assert said["reason"].startswith("the versions so far together, all levels: ")
    assert said["signals"][-1]["name"] == "promise"


def test_before_the_first_day_has_matured_it_is_too_early(tmp_path):
    folder, _ = weekly_log(tmp_path)
    assert look(tmp_path, folder, 1, WEEK)["verdict"] == "inconclusive"


def test_a_promise_that_training_anew_does_not_mend_is_found_and_no_version_is_blamed(tmp_path):
    folder, last = weekly_log(tmp_path, lost_from=DAYS - 4 * WEEK, kept=0.6)
    said = look(tmp_path, folder, last)
    assert (said["verdict"], said["cause"], said["level"]) == ("drifted", "promise", None)
    assert abs((pd.Timestamp(said["since"]) - pd.Timestamp(day_number(DAYS - 4 * WEEK))).days) <= 6
    # The rule that would go back one version, had the drift begun with this one, is not asked.
    began = pd.Timestamp(said["since"]).date()
    decision = decide(parse_rules(RULES), Findings.of(said, deployed=began, replaced=last - 1), [])
    assert (decision.rule, decision.action) == ("promise-broken", "retrain")
    assert Findings.of(said, deployed=began, replaced=last - 1).began_within(7) is False


def test_what_came_later_changes_nothing(tmp_path):
    folder, _ = weekly_log(tmp_path)
    now = look(tmp_path, folder, 6, 6 * WEEK)
    for day in range(6 * WEEK, DAYS):
        for path in (folder / f"day={day_number(day)}").iterdir():
            path.unlink()
    assert look(tmp_path, folder, 6, 6 * WEEK) == now


def test_a_version_that_always_was_in_use_stands_alone(tmp_path):
    folder = lay_out(tmp_path, draw_rows(days=2 * WINDOW))
    assert files_of_all_versions(folder, 3, day_number(2 * WINDOW)) == []


def test_a_day_counts_once_with_what_was_first_or_was_served_and_a_gap_begins_anew(tmp_path):
    folder, _ = weekly_log(tmp_path)
    as_of, twice, gap = day_number(DAYS), day_number(DAYS - 3), day_number(DAYS - 20)
    (folder / f"day={twice}" / "version=4.parquet").write_bytes(b"")
    served = folder / "served" / f"day={day_number(DAYS - 2)}" / "version=8.parquet"
    served.parent.mkdir(parents=True)
    served.write_bytes(b"")
    for path in (folder / f"day={gap}").iterdir():
        path.unlink()
    files = dict(files_of_all_versions(folder, 9, as_of))
    assert list(files) == [day_number(number) for number in range(DAYS - 19, DAYS)]
    assert files[twice].endswith("version=4.parquet")
    assert files[day_number(DAYS - 2)] == str(served)
