"""Stage correct_label_delay: decide what every unfinished label of the training window is worth."""

from onward.artifacts import read_table, write_csv, write_json, write_table, write_text
from onward.boosting import Boosting
from onward.choices import AUTO, GRAPH_SOURCES
from onward.delay.choice import choose_plan
from onward.delay.correction import correct
from onward.delay.engagement import read_engagements
from onward.delay.learning import ObservedData, learn
from onward.delay.outcomes import observe_outcomes
from onward.delay.plan import named_plan
from onward.delay.summary import positives_per_day, summarise, weights_histogram
from onward.delay.window import see_window
from onward.diagnosis.delay import Labels, diagnose_delay
from onward.layout import Layout
from onward.params import Params
from onward.stages import pass_through
from onward.stages.runner import main


def run(layout: Layout, params: Params) -> str:
    """Read what was known at as_of, write states, training rows, z and the delay curve."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "correct_label_delay", params.run.source)
    clock = params.run
    delay = params.delay
    log = layout.serving_log
    impressions = read_table(log.impressions, ["impression", "customer", "split", "shown_at"])
    conversions = read_table(log.conversions)
    features = read_table(log.features).drop(columns="impression")
    engagement = read_engagements(read_table(log.engagements), clock.clock)
    boosting = Boosting(
        delay.iterations, delay.learning_rate, delay.leaves, delay.min_rows_in_leaf, delay.l2, clock.seed, clock.threads
    )
    outcomes = observe_outcomes(impressions, conversions, clock.clock, clock.window)
    data = ObservedData(outcomes, tuple(features.columns), features.to_numpy("float32"), engagement)
    shown_at = impressions["shown_at"]
    split = impressions["split"]
    fitting = ((split == "train") & (shown_at >= clock.history_start)).to_numpy(bool)
    holding = ((split == "selection") & (shown_at >= clock.history_start)).to_numpy(bool)
    nuisances = learn(data, fitting, holding, delay.counterfactual_clocks, boosting)
    in_window = (shown_at >= clock.training_start).to_numpy(bool)
    learners = fitting | holding
    window = see_window(data, nuisances, in_window, learners)
    plan = (
        choose_plan(data, nuisances, window, impressions["customer"].to_numpy("int64"), delay.max_weight, boosting)
        if delay.estimator == AUTO
        else named_plan(delay.estimator)
    )
    correction = correct(data, nuisances, window, plan, delay.max_weight)
    hurts = diagnose_delay(
        Labels.of(impressions["customer"], outcomes), in_window, correction.outcomes["expected_label"]
    )
    summary = {**summarise(correction, nuisances, delay.max_weight), "question": hurts.to_dict()}
    curve = nuisances.curve.table(clock.attribution_days)
    outcome_table = correction.outcomes.drop(columns="shown_at")
    write_table(layout.outcomes, outcome_table)
    write_table(layout.labels, correction.labels)
    write_table(layout.delay / "curve.parquet", curve)
    write_text(layout.delay / "z.txt", nuisances.pending_probability.text)
    write_json(layout.delay / "z_features.json", {"features": nuisances.pending_probability.features})
    write_json(layout.delay_answer, hurts.to_dict())
    write_json(layout.metric("delay"), summary)
    for name, table in (
        ("delay_curve", curve),
        ("z_reliability", nuisances.reliability),
        ("positives_per_day", positives_per_day(correction)),
        ("label_weights", weights_histogram(correction)),
    ):
        write_csv(layout.plot(name), table)
    return (
        f"{len(correction.outcomes)} impressions, {summary['share_pending']:.1%} pending: "
        f"rate {summary['naive_rate']:.4f} as observed, {summary['corrected_rate']:.4f} corrected"
    )


if __name__ == "__main__":
    main("correct_label_delay", run)
