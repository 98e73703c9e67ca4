"""Stages that have nothing to do for a source without impressions: they say so and write what dvc.yaml expects."""

from onward.artifacts import replacing_directory, write_json, write_text
from onward.layout import Layout

_PLOTS = {
    "correct_label_delay": {
        "delay_curve": "days",
        "z_reliability": "bin",
        "positives_per_day": "date",
        "label_weights": "low",
    },
    "train_gnn": {"encoder_training": "epoch"},
    "calibrate_uncertainty": {"reliability": "level"},
    "fit_thresholds": {"boundary": "search", "operating_points": "search"},
    "evaluate": {"reliability_backtest": "bin", "heatmap": "score_bin", "slices": "slice"},
}
"""By stage, plots that dvc.yaml expects and the first column of each."""

_WHY = {
    "correct_label_delay": ("delay", "delay", "no impressions, so no label is late"),
    "calibrate_uncertainty": ("uncertainty", "calibration", "no impressions, so there is no probability to calibrate"),
    "fit_thresholds": ("thresholds", "thresholds", "no impressions, so there is nothing to decide by a threshold"),
    "monitor": ("monitoring", "monitoring", "no impressions, so no level has a promise to keep"),
}
"""By stage: its room in artifacts/, its file in metrics/, and why it has nothing to do."""


def run(layout: Layout, stage: str, source: str) -> str:
    """Write a note in the place of the stage's outputs, and plots without rows.

    Args:
        layout: of the project.
        stage: as dvc.yaml names it.
        source: as params.yaml names it.
    """
    room, metrics, why = _WHY[stage]
    facts = {"passed_through": f"{source}: {why}"}
    note = layout.passed_through(room)
    with replacing_directory(note.parent) as folder:
        write_json(folder / note.name, facts)
    write_json(layout.metric(metrics), facts)
    write_empty_plots(layout, stage)
    return f"{source} has {why}: passed through"


def write_empty_plots(layout: Layout, stage: str) -> None:
    """Write a header alone for every plot of the stage that this source has no rows for."""
    for name, column in _PLOTS.get(stage, {}).items():
        write_text(layout.plot(name), f"{column}\n")
