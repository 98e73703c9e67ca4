"""Which of a run's files the report is made of; importing this costs nothing, which importing the report does."""

from collections.abc import Mapping
from pathlib import Path

from onward.layout import Layout

_FROM_ROOT = Layout(Path())
REPORT_FILES: Mapping[str, str] = {
    "ingest": str(_FROM_ROOT.metric("ingest")),
    "delay": str(_FROM_ROOT.metric("delay")),
    "results": str(_FROM_ROOT.results),
    "searches": str(_FROM_ROOT.searches),
    "deployment": str(_FROM_ROOT.deployment_record),
    "policy": str(_FROM_ROOT.policy),
    "verdict": str(_FROM_ROOT.verdict),
    "direction_asked": str(_FROM_ROOT.direction_answer),
    "delay_asked": str(_FROM_ROOT.delay_answer),
    "doubt_asked": str(_FROM_ROOT.doubt_answer),
    "delay_curve": str(_FROM_ROOT.plot("delay_curve")),
    "positives_per_day": str(_FROM_ROOT.plot("positives_per_day")),
    "z_reliability": str(_FROM_ROOT.plot("z_reliability")),
    "label_weights": str(_FROM_ROOT.plot("label_weights")),
    "operating_points": str(_FROM_ROOT.plot("operating_points")),
}
"""What the page is made of, from the project's root; every file is text."""

EDGES, PRODUCTS = str(_FROM_ROOT.edges), str(_FROM_ROOT.serving_log.products)
"""What the picture of the directed graph is drawn from."""
