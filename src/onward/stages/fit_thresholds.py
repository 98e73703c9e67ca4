"""Stage fit_thresholds: one score cut per uncertainty level, for the precision that is asked."""

import numpy as np

from onward.artifacts import read_json, read_table, write_csv, write_json
from onward.choices import GRAPH_SOURCES
from onward.layout import Layout
from onward.params import Params
from onward.stages import pass_through
from onward.stages.runner import main
from onward.thresholds.comparison import boundary_table
from onward.thresholds.fitting import fit_policy
from onward.thresholds.searches import chosen_search
from onward.thresholds.target import Target
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.levels import UncertaintyLevels


def run(layout: Layout, params: Params) -> str:
    """Run every search on the threshold split and keep the boundary of the chosen one."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "fit_thresholds", params.run.source)
    scores = read_table(layout.scores).query("split == 'threshold'")
    outcomes = read_table(layout.outcomes, ["impression", "expected_label"])
    score = scores["score"].to_numpy(np.float64)
    level = scores["level"].to_numpy(np.int64)
    expected = look_up_expected(scores["impression"], outcomes)
    customer = scores["customer"].to_numpy(np.int64)
    settings = params.thresholds
    fitted = fit_policy(
        score,
        level,
        expected,
        customer,
        Target(*settings.asked),
        search=chosen_search(settings.search),
        levels=UncertaintyLevels.from_dict(read_json(layout.levels)).count,
        bins_per_level=settings.bins_per_level,
        abstain_precision=settings.abstain_precision,
        certificate_alpha=settings.certificate_alpha,
        seed=params.run.seed,
    )
    chosen = fitted.result
    comparison = fitted.comparison
    write_json(layout.policy, {**fitted.to_dict(), "search_asked": settings.search})
    write_json(layout.searches, comparison.to_dict())
    for name, table in (
        ("boundary", boundary_table(comparison.results)),
        ("operating_points", comparison.operating_points),
    ):
        write_csv(layout.plot(name), table)
    metrics = {**fitted.figures(), "search_asked": settings.search, "impressions": len(scores)}
    write_json(layout.metric("thresholds"), metrics)
    return (
        f"{chosen.search} shows {chosen.shown} of {len(scores)}: precision {chosen.precision:.4f}, "
        f"recall {chosen.recall:.4f}"
    )


if __name__ == "__main__":
    main("fit_thresholds", run)
