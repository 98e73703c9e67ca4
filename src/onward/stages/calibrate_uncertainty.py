"""Stage calibrate_uncertainty: probabilities that mean what they say, and levels of how far to trust them."""

from dataclasses import asdict

import numpy as np

from onward.artifacts import Layout, read_table, write_json, write_table, write_text
from onward.model.pair_features import scorer_frame
from onward.model.scorer_training import heads_that_saw
from onward.params import GRAPH_SOURCES, Params
from onward.stages import pass_through
from onward.stages.door import main
from onward.stages.trained_model import read_trained_model, write_doubt
from onward.uncertainty.doubt import Calibrating, Doubt, look_at
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.pair_groups import pair_groups
from onward.uncertainty.reliability import calibration_by_level, summarise_calibration


def run(layout: Layout, params: Params) -> str:
    """Score customers that heads did not see; fit on some of them, report on others."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "calibrate_uncertainty", params.run.source)
    asked, model = params.uncertainty, read_trained_model(layout.model)
    rows = read_table(layout.serving / "impressions.parquet")
    splits = ["calibrate", "threshold", "test", *(["train"] if asked.out_of_bag else [])]
    wanted = ((rows["shown_at"] >= params.run.training_start) & rows["split"].isin(splits)).to_numpy(bool)
    features, rows = read_table(layout.serving / "features.parquet")[wanted], rows[wanted].reset_index(drop=True)
    expected = look_up_expected(rows["impression"], read_table(layout.delay / "outcomes.parquet"))
    source, target, customer = (rows[name].to_numpy(np.int64) for name in ("source", "target", "customer"))
    frame = scorer_frame(features, model.graph, model.embeddings, source, target)
    heads = model.scorer.predict(frame, threads=params.run.threads)
    scored = look_at(heads, frame, model.embeddings, source, target)
    groups = pair_groups(frame, read_table(layout.serving / "products.parquet", ["category"])["category"], target)

    train, calibrate, report = ((rows["split"] == name).to_numpy() for name in ("train", "calibrate", "threshold"))
    seen = heads_that_saw(customer, train, params.run.seed, heads.shape[1])
    pairs = Calibrating.out_of_bag(scored, seen, expected, groups, train | calibrate)
    doubt = Doubt.fit(
        pairs, scored.take(calibrate), expected[calibrate], calibrator=asked.calibrator, spread=asked.spread,
        levels=asked.levels, accepted=asked.repaired_groups, seed=params.run.seed,
    )  # fmt: skip
    said, told = doubt.judge(scored, groups), np.flatnonzero(~train)
    probability, level = said.probability, said.level
    held_out, table = calibration_by_level(probability[report], expected[report], level[report], doubt.levels.count)
    kept = rows[["impression", "customer", "split"]].assign(
        score=said.score, uncertainty=said.uncertainty, level=level.astype(np.int8), probability=probability
    )
    write_doubt(layout.uncertainty, doubt)
    write_table(layout.uncertainty / "scores.parquet", kept.iloc[told].reset_index(drop=True))
    write_text(layout.plots / "reliability.csv", table.to_csv(index=False, lineterminator="\n"))
    metrics = {
        "measured_with": "expected labels: an unfinished one counts as its conversion probability",
        "levels": doubt.levels.count,
        "threshold_split": {name: asdict(summary) for name, summary in held_out.items()},
        "calibrated_in_sample": asdict(summarise_calibration(doubt.probability(pairs), pairs.label)),
    }
    write_json(layout.metrics / "calibration.json", metrics)
    return f"{len(told)} scored, {doubt.levels.count} levels; threshold split: {held_out['all'].describe()}"


if __name__ == "__main__":
    main("calibrate_uncertainty", run)
