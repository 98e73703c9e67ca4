"""Stage monitor: does each uncertainty level keep its promise, as far as labels known at as_of can tell?"""

from onward.artifacts import Layout, read_json, read_table, write_json, write_table
from onward.monitoring.positivity import level_verdicts, overall, positivity_table
from onward.monitoring.verdict import summarise_verdict
from onward.params import GRAPH_SOURCES, Params
from onward.stages import pass_through
from onward.stages.door import main
from onward.thresholds.policy import Policy
from onward.uncertainty.levels import UncertaintyLevels


def run(layout: Layout, params: Params) -> str:
    """Join the scores of test customers with what became of them, and judge every level."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "monitor", params.run.source)
    asked = params.monitoring
    policy = Policy.from_dict(read_json(layout.thresholds / "policy.json"))
    levels = UncertaintyLevels.from_dict(read_json(layout.uncertainty / "levels.json")).count
    deployment = read_json(layout.deployment / "deployment.json")
    scores = read_table(layout.uncertainty / "scores.parquet")
    outcomes = read_table(layout.delay / "outcomes.parquet")
    rows = scores[scores["split"] == "test"].merge(outcomes, on="impression", how="left", validate="one_to_one")
    rows = rows.assign(
        shown=policy.decide(rows["score"], rows["level"]),
        expected=rows["expected_label"],
        settled=rows["state"] != "pending",
        matured=rows["elapsed_days"] >= params.run.attribution_days,
        current=rows["elapsed_days"] <= asked.current_days,
    )
    table = positivity_table(rows, levels, asked.confidence)
    verdicts = level_verdicts(rows, table, levels, asked.confidence, asked.tolerance)
    facts = {
        "source": params.run.source,
        "as_of": params.run.as_of.isoformat(),
        "version": deployment["version"],
        "bundle_sha256": deployment["bundle_sha256"],
        "confidence": asked.confidence,
        "current_days": asked.current_days,
    }
    verdict = summarise_verdict(verdicts, rows, facts, policy.precision_target)
    write_table(layout.monitoring / "positivity.parquet", table)
    write_json(layout.monitoring / "verdict.json", verdict)
    write_json(layout.metrics / "monitoring.json", {
        "verdict": verdict["verdict"],
        "precision_now": verdict["precision_now"],
        "levels": {
            str(each["level"]): {"verdict": each["verdict"], "change": each["change"], "margin": each["margin"]}
            for each in verdict["levels"]
        },
    })  # fmt: skip
    words = ", ".join(f"level {each.level} {each.word}" for each in verdicts)
    return f"{overall(verdicts)}: {words} ({len(rows)} impressions of test customers)"


if __name__ == "__main__":
    main("monitor", run)
