"""Stage correct_label_delay: decide what every unfinished label of the training window is worth."""

from onward.artifacts import Layout, read_table, write_json, write_table, write_text
from onward.delay.boosting import Boosting
from onward.delay.correction import correct
from onward.delay.engagement import read_engagements
from onward.delay.learning import Evidence, learn
from onward.delay.outcomes import observe_outcomes
from onward.delay.plan import count_positives, plan_correction
from onward.delay.summary import positives_per_day, summarise, weights_histogram
from onward.diagnosis.delay import Labels, ask_delay
from onward.params import GRAPH_SOURCES, Params
from onward.stages import pass_through
from onward.stages.door import main


def run(layout: Layout, params: Params) -> str:
    """Read what was known at as_of, write states, training rows, z and the delay curve."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "correct_label_delay", params.run.source)
    clock, delay = params.run, params.delay
    impressions = read_table(layout.serving / "impressions.parquet", ["impression", "customer", "split", "shown_at"])
    conversions = read_table(layout.serving / "conversions.parquet")
    features = read_table(layout.serving / "features.parquet").drop(columns="impression")
    engagement = read_engagements(read_table(layout.serving / "engagements.parquet"), clock.clock)
    boosting = Boosting(
        delay.iterations, delay.learning_rate, delay.leaves, delay.min_rows_in_leaf, delay.l2, clock.seed, clock.threads
    )
    outcomes = observe_outcomes(impressions, conversions, clock.clock, clock.window)
    evidence = Evidence(outcomes, tuple(features.columns), features.to_numpy("float32"), engagement)
    shown_at, split = impressions["shown_at"], impressions["split"]
    fitting = ((split == "train") & (shown_at >= clock.history_start)).to_numpy(bool)
    holding = ((split == "selection") & (shown_at >= clock.history_start)).to_numpy(bool)
    lessons = learn(evidence, fitting, holding, delay.counterfactual_clocks, boosting)
    in_window, learners = (shown_at >= clock.training_start).to_numpy(bool), fitting | holding
    seen = impressions["customer"][outcomes.converted & in_window & learners]
    plan = plan_correction(delay.estimator, count_positives(seen))
    correction = correct(evidence, lessons, in_window, learners, plan, delay.max_weight)
    hurts = ask_delay(Labels.of(impressions["customer"], outcomes), in_window, correction.outcomes["expected_label"])
    summary = {**summarise(correction, lessons, delay.max_weight), "question": hurts.to_dict()}
    curve = lessons.curve.table(clock.attribution_days)
    outcome_table = correction.outcomes.drop(columns="shown_at")
    for name, table in (("outcomes", outcome_table), ("labels", correction.labels), ("curve", curve)):
        write_table(layout.delay / f"{name}.parquet", table)
    write_text(layout.delay / "z.txt", lessons.unfinished.text)
    write_json(layout.delay / "z_features.json", {"features": lessons.unfinished.features})
    write_json(layout.delay / "question.json", hurts.to_dict())
    write_json(layout.metrics / "delay.json", summary)
    for name, table in (
        ("delay_curve", curve),
        ("z_reliability", lessons.reliability),
        ("positives_per_day", positives_per_day(correction)),
        ("label_weights", weights_histogram(correction)),
    ):
        write_text(layout.plots / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    return (
        f"{len(correction.outcomes)} impressions, {summary['share_pending']:.1%} pending: "
        f"rate {summary['naive_rate']:.4f} as observed, {summary['corrected_rate']:.4f} corrected"
    )


if __name__ == "__main__":
    main("correct_label_delay", run)
