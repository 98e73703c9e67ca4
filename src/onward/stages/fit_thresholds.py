"""Stage fit_thresholds: one score cut per uncertainty level, for the precision that is asked."""

import numpy as np

from onward.artifacts import read_json, read_table, write_csv, write_json
from onward.choices import GRAPH_SOURCES
from onward.diagnosis.uncertainty import chosen_search, diagnose_uncertainty
from onward.layout import Layout
from onward.params import Params
from onward.stages import pass_through
from onward.stages.runner import main
from onward.thresholds.comparison import boundary_table
from onward.thresholds.fitting import fit_policy, searched_on
from onward.thresholds.held_out_gain import measure_gain
from onward.thresholds.target import Target
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.levels import UncertaintyLevels


def run(layout: Layout, params: Params) -> str:
    """Ask whether doubt pays, run every search on the threshold split and keep the boundary of the taken one."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "fit_thresholds", params.run.source)
    scores = read_table(layout.scores).query("split == 'threshold'")
    outcomes = read_table(layout.outcomes, ["impression", "expected_label"])
    score = scores["score"].to_numpy(np.float64)
    level = scores["level"].to_numpy(np.int64)
    expected = look_up_expected(scores["impression"], outcomes)
    customer = scores["customer"].to_numpy(np.int64)
    settings = params.thresholds
    seed = params.run.seed
    target = Target(*settings.asked)
    bins = settings.bins_per_level
    levels = UncertaintyLevels.from_dict(read_json(layout.levels)).count
    # Who certifies the cuts has no say in which search makes them.
    searched = searched_on(customer, settings.certificate_alpha, seed)
    asked = score[searched], level[searched], expected[searched], customer[searched]
    gain = measure_gain(*asked, target, levels=levels, bins_per_level=bins, seed=seed)
    doubt = diagnose_uncertainty(*asked, gain)
    fitted = fit_policy(
        score,
        level,
        expected,
        customer,
        target,
        search=chosen_search(settings.search, doubt_pays=doubt.yes),
        levels=levels,
        bins_per_level=bins,
        abstain_precision=settings.abstain_precision,
        certificate_alpha=settings.certificate_alpha,
        seed=seed,
    )
    chosen = fitted.result
    comparison = fitted.comparison
    question = doubt.to_dict()
    write_json(layout.policy, {**fitted.to_dict(), "search_asked": settings.search})
    write_json(layout.doubt_answer, question)
    write_json(layout.searches, comparison.to_dict())
    for name, table in (
        ("boundary", boundary_table(comparison.results)),
        ("operating_points", comparison.operating_points),
    ):
        write_csv(layout.plot(name), table)
    metrics = {**fitted.figures(), "search_asked": settings.search, "question": question, "impressions": len(scores)}
    write_json(layout.metric("thresholds"), metrics)
    return (
        f"{chosen.search} shows {chosen.shown} of {len(scores)}: precision {chosen.precision:.4f}, "
        f"recall {chosen.recall:.4f}; doubt {'pays' if doubt.yes else 'does not pay'}"
    )


if __name__ == "__main__":
    main("fit_thresholds", run)
