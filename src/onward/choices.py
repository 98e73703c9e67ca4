"""What can be chosen by name: sources, delay estimators and threshold searches, each registered here once.

params.yaml, a request for a run, the form of Airflow's training DAG and the report read these names. Importing this
module costs nothing, because Airflow parses DAG files again and again: implementations stand elsewhere, under the same
names (`delay/estimators.py`, `thresholds/searches.py`, `data/sources/`), and a test compares them.
"""

from collections.abc import Mapping
from types import MappingProxyType

AUTO = "auto"
"""Let the log say which: an estimator by customers held out (delay/choice.py), a score by whether doubt pays."""

GRAPH_SOURCES = ("edge_list", "sequences")
"""Sources without impressions: no label is late, and there is no probability to calibrate or to decide by."""

SOURCES = ("complete_journey", "simulator", "online_retail", "event_log", "parquet", *GRAPH_SOURCES)

ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "soft_label": "soft labels, split by z",
        "soft_label_without_engagement": "soft labels, split by z blind to engagement",
        "importance_weight": "importance weights P/Q",
        "fsiw": "FSIW weights",
        "naive": "naive: pending counts as negative",
        "wait": "wait: pending is left out",
    }
)
"""What a label that has not arrived yet is worth, and what the report calls each way to say so."""

SEARCHES: Mapping[str, str] = MappingProxyType(
    {
        "single": "single cut",
        "mist": "MIST",
        "ew_dpmt": "EW-DPMT",
        "vw_dpmt": "VW-DPMT",
        "gmt": "GMT",
    }
)
"""How score cuts are searched, and what the report calls each search."""

LEVELS_AT_RANDOM = "ew_dpmt_random_levels"
"""The control: ew_dpmt with levels shuffled among the examples; what it gains, many cuts gain by chance."""
