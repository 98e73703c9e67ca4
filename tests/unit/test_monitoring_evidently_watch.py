"""Evidently's own pages: panels as charts with bands and tabs, and presets that find a drift that was planted."""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from builders.made_assessments import daily
from builders.made_assessments import verdict as made_verdict
from onward.monitoring.daily_series import day_figures, require_columns
from onward.reporting.evidently_watch import CATEGORICAL, NUMERIC, drift_snapshot, write_drift_page, write_watch_page
from onward.reporting.panel_lines import panel_lines
from onward.reporting.panels import parse_panels

PANELS = parse_panels((Path(__file__).resolve().parents[2] / "monitoring" / "panels.yaml").read_text())
AS_OF = date(2017, 10, 20)
LAST = AS_OF - timedelta(days=1)


def figures():
    days = day_figures(require_columns(daily(AS_OF)), {LAST: made_verdict(AS_OF)})
    for weeks, lift in enumerate((3.5, 3.3, 3.6)):
        known = {"list_lift": lift, "list_lift_low": lift - 0.3, "list_lift_high": lift + 0.3, "list_hit_rate": 0.3,
                 "list_coverage": 0.5, "list_listed": 0.99}  # fmt: skip
        days[LAST - timedelta(days=7 * weeks)] |= {"list goes_with": known, "list after": known}
    return {"version 4": days}


def test_an_interval_is_the_band_of_its_line_and_no_line_of_its_own():
    lines = panel_lines(figures(), PANELS)
    assert list(dict.fromkeys(lines["tab"])) == [tab.name for tab in PANELS.tabs]
    lift = lines[lines["panel"] == "Goes with, lift at ten"]
    assert set(lift["legend"]) == {"lift"}
    assert {role: len(rows) for role, rows in lift.groupby("role")} == {"value": 3, "low": 3, "high": 3}
    level = lines[lines["panel"] == "Level 3: predicted, nowcast, matured"]
    assert set(level["legend"]) == {"predicted", "nowcast", "matured"}
    assert set(level.loc[level["role"] != "value", "legend"]) == {"nowcast"}
    assert lift.loc[lift["role"] == "low", "value"].tolist() == pytest.approx([3.3, 3.0, 3.2])


def test_of_two_versions_that_know_a_day_the_later_one_speaks():
    old, new = figures()["version 4"], figures()["version 4"]
    new = {LAST: {"list after": {"list_lift": 9.0}}}
    lines = panel_lines({"version 4": old, "version 5": new}, PANELS)
    after = lines[(lines["panel"] == "After, lift at ten") & (lines["role"] == "value")]
    assert after["value"].tolist() == [3.6, 3.3, 9.0]


def test_the_charts_page_opens_offline_with_a_tab_each_and_no_marker(tmp_path):
    write_watch_page(figures(), PANELS, tmp_path / "charts.html")
    page = (tmp_path / "charts.html").read_text()
    loads = re.findall(r"""<(?:script|link|img|iframe)[^>]*https?:[^>]*>|@import\s+["'u]|url\(['"]?https?:""", page)
    assert loads == []
    assert all(json.dumps(tab.name)[1:-1] in page for tab in PANELS.tabs)
    assert "tonexty" in page
    assert not re.search(r"lines\+markers[\"']\s*,\s*[\"']name", page)


def decisions(rows, seed, moved=0.0):
    rng = np.random.default_rng(seed)
    score = np.clip(rng.beta(2, 20, rows) * (1 + moved), 0, 1)
    return pd.DataFrame({
        "score": score, "probability": score * 0.9, "uncertainty": rng.random(rows), "level": rng.integers(0, 5, rows),
        "decision": np.where(score > 0.1, "show", "don't show"), "category": rng.choice(["food", "toys"], rows),
    })  # fmt: skip


def drifted(snapshot):
    """Columns that Evidently's preset calls drifted, by the thresholds of its own tests."""
    found = set()
    for metric in snapshot.dict()["metrics"]:
        match = re.match(r"ValueDrift\(column=(\w+)", metric["metric_name"])
        if match and float(metric["value"]) > 0.1:
            found.add(match[1])
    return found


def test_the_preset_finds_scores_that_moved_and_leaves_the_rest():
    levels = {"level 0": {"score_psi": 0.31, "drift_statistic": 1.4}, "level 1": {"score_psi": 0.01}, "all": {}}
    moved = drift_snapshot(decisions(4000, 1), decisions(4000, 2, moved=0.8), levels, "the last weeks")
    assert {"score", "probability"} <= drifted(moved)
    assert not drifted(moved) & {"uncertainty", "level", "category"}
    assert drifted(drift_snapshot(decisions(4000, 1), decisions(4000, 2), levels, "the last weeks")) == set()
    own = next(metric for metric in moved.dict()["metrics"] if metric["metric_name"].startswith("OwnFigures"))
    assert own["value"] == 1.4


def test_the_drift_page_names_every_column_and_the_monitors_own_figures(tmp_path):
    levels = {"level 0": {"score_psi": 0.314, "drift_statistic": 1.4}}
    write_drift_page(decisions(500, 1), decisions(500, 2), levels, "Version 4: late against early", tmp_path / "d.html")
    page = (tmp_path / "d.html").read_text()
    assert all(f'"{name}"' in page for name in (*NUMERIC, *CATEGORICAL))
    assert "Version 4: late against early" in page
    assert "0.314" in page
