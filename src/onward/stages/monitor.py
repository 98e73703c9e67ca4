"""Stage monitor: the first assessment of a new version, on test customers, as far as labels known at as_of can tell.

The decisions are those that the version would have taken on impressions of customers that no model learnt from. From
there on they go the way of the daily monitor: joined with what became of them, reduced to counts per day and level, and
assessed. The outputs are the files of an assessment, which stands in for the daily ones until there are any.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from onward.artifacts import read_json, read_table, write_json, write_table
from onward.choices import GRAPH_SOURCES
from onward.data.contract import CATEGORY_SEPARATOR
from onward.layout import Layout
from onward.monitoring.assessment import (
    AssessmentSettings,
    assess,
    current_precision,
    daily_table,
    verdict_document,
)
from onward.monitoring.decision_log import SCHEMA
from onward.monitoring.event_join import join_events
from onward.params import Params
from onward.stages import pass_through
from onward.stages.runner import main
from onward.thresholds.policy import Policy


def run(layout: Layout, params: Params) -> str:
    """Join what the version would have decided for test customers with what became of it, and assess every level."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "monitor", params.run.source)
    settings = AssessmentSettings(**params.monitoring.model_dump())
    version = read_json(layout.deployment_record)["version"]
    decisions = _decisions(layout, version)
    log = layout.serving_log
    events = {
        "conversions": _of_impressions(read_table(log.conversions)),
        "engagements": _of_impressions(read_table(log.engagements)),
    }
    statistics = join_events(decisions, events, params.run.as_of, params.run.attribution_days, params.run.threads)
    assessment = assess(statistics, settings)
    verdict = verdict_document(assessment, {"source": params.run.source, "version": version})
    write_table(layout.daily_positivity, daily_table(assessment, settings))
    write_json(layout.verdict, verdict)
    write_json(
        layout.metric("monitoring"),
        {
            "verdict": verdict["verdict"],
            "precision_now": current_precision(assessment, settings),
            "levels": {
                str(level["level"]): {name: level[name] for name in ("verdict", "change", "margin")}
                for level in verdict["levels"]
            },
        },
    )
    levels = ", ".join(f"level {level.level} {level.verdict}" for level in assessment.levels)
    return f"{assessment.verdict}: {levels} ({decisions.num_rows} impressions of test customers)"


def _decisions(layout: Layout, version: int) -> pa.Table:
    """Rows of a decision log, one an impression of a test customer."""
    scores = read_table(layout.scores)
    impressions = read_table(layout.serving_log.impressions, ["impression", "target", "shown_at"])
    products = read_table(layout.serving_log.products, ["product", "category"])
    policy = Policy.from_dict(read_json(layout.policy))
    categories = products.set_index("product")["category"].fillna("").str.split(CATEGORY_SEPARATOR).str[0]
    rows = scores[scores["split"] == "test"].merge(impressions, on="impression", how="left", validate="one_to_one")
    decided = pd.DataFrame(
        {
            "impression": rows["impression"].astype(str),
            "customer": rows["customer"].astype(str),
            "time": rows["shown_at"],
            **rows[["score", "probability", "uncertainty", "level"]],
            "decision": policy.answer(rows["score"], rows["level"]),
            "category": categories.reindex(rows["target"]).to_numpy(),
            "version": np.int32(version),
        }
    )
    return pa.Table.from_pandas(decided, SCHEMA, preserve_index=False)


def _of_impressions(events: pd.DataFrame) -> pa.Table:
    """Events by the name under which the join looks for their impression."""
    return pa.Table.from_pandas(events.rename(columns={"impression": "impression_id"}), preserve_index=False)


if __name__ == "__main__":
    main("monitor", run)
