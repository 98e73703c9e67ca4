"""Stage fit_thresholds: one score cut per uncertainty level, for the precision that is asked."""

import numpy as np

from onward.artifacts import Layout, read_json, read_table, write_json, write_text
from onward.params import GRAPH_SOURCES, Params
from onward.stages import pass_through
from onward.stages.door import main
from onward.thresholds.comparison import boundary_table
from onward.thresholds.fitting import fit_policy
from onward.thresholds.target import Target
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.levels import UncertaintyLevels


def run(layout: Layout, params: Params) -> str:
    """Run every search on the threshold split and keep the boundary of the chosen one."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "fit_thresholds", params.run.source)
    scores = read_table(layout.uncertainty / "scores.parquet").query("split == 'threshold'")
    outcomes = read_table(layout.delay / "outcomes.parquet", ["impression", "expected_label"])
    settings = params.thresholds
    fitted = fit_policy(
        scores["score"].to_numpy(np.float64),
        scores["level"].to_numpy(np.int64),
        look_up_expected(scores["impression"], outcomes),
        scores["customer"].to_numpy(np.int64),
        Target(*settings.asked),
        search=settings.search,
        levels=UncertaintyLevels.from_dict(read_json(layout.uncertainty / "levels.json")).count,
        bins_per_level=settings.bins_per_level,
        abstain_precision=settings.abstain_precision,
        certificate_alpha=settings.certificate_alpha,
        seed=params.run.seed,
    )
    chosen, comparison = fitted.result, fitted.comparison
    certificate = {"certificate": fitted.certificate.to_dict()} if fitted.certificate else {}
    write_json(layout.thresholds / "policy.json", {**chosen.to_dict(), **fitted.policy.to_dict(), **certificate})
    searches = comparison.to_dict()
    write_json(layout.thresholds / "searches.json", searches)
    for name, table in (
        ("boundary", boundary_table(comparison.results)),
        ("operating_points", comparison.operating_points),
    ):
        write_text(layout.plots / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    figures = ("feasible", "shown", "precision", "recall", "matched_volume_gain")
    metrics = {
        "measured_on": "the threshold split that the cuts were fitted to, with expected labels: optimistic",
        "search": chosen.search,
        "precision_target": chosen.precision_target,
        "impressions": len(scores),
        "searches": {name: {key: values[key] for key in figures} for name, values in searches.items()},
        **certificate,
    }
    write_json(layout.metrics / "thresholds.json", metrics)
    return (
        f"{chosen.search} shows {chosen.shown} of {len(scores)}: "
        f"precision {chosen.precision:.4f}, recall {chosen.recall:.4f}"
    )


if __name__ == "__main__":
    main("fit_thresholds", run)
