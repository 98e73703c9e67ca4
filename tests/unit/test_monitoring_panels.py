"""panels.yaml says what the dashboard shows, and a mistake in it is named with its place."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from onward.errors import MonitoringError
from onward.reporting.panels import Measure, parse_panels

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "monitoring" / "panels.yaml").read_text()
BUCKETS = ["all", *(f"level {level}" for level in range(5)), "signal delay", "signal labels"]


def drawn():
    panels = parse_panels(TEXT)
    return [panel for tab in panels.tabs for panel in panels.drawn(tab, BUCKETS)]


def test_each_level_has_a_panel_with_predicted_nowcast_matured_and_band():
    for level in range(5):
        (panel,) = [panel for panel in drawn() if panel.title.startswith(f"Level {level}:")]
        assert {measure for _, measure, _ in panel.lines} == {
            "predicted", "nowcast", "nowcast_low", "nowcast_high", "matured_rate",
        }  # fmt: skip
        assert {bucket for _, _, bucket in panel.lines} == {f"level {level}"}


def test_everything_that_was_promised_is_drawn():
    measures = {measure for panel in drawn() for _, measure, _ in panel.lines}
    assert {"precision", "recall_proxy", "share_matured", "delay_median_days", "score_psi", "n"} <= measures
    assert measures <= set(get_args(Measure))
    titles = [panel.title for panel in drawn()]
    assert len(titles) == len(set(titles))


def changed(change):
    raw = yaml.safe_load(TEXT)
    change(raw)
    return yaml.safe_dump(raw)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw["tabs"][0]["panels"][0].update(title="Every level"), "put {level} into its title"),
        (lambda raw: raw["tabs"][1]["panels"][0]["lines"][0].update(of="level"), "needs `repeat: level`"),
        (lambda raw: raw["tabs"][1]["panels"][0]["lines"][0].update(measure="luck"), "measure = 'luck'"),
        (lambda raw: raw["tabs"][1].update(colour="red"), "tabs.1.colour: unknown key"),
        (lambda raw: raw.pop("project"), "project: missing"),
    ],
)
def test_a_broken_panel_file_is_refused_in_one_line(change, said):
    with pytest.raises(MonitoringError) as refused:
        parse_panels(changed(change))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
