"""Stage calibrate_uncertainty: probabilities that mean what they say, and levels of how far to trust them."""

from dataclasses import asdict

import numpy as np

from onward.artifacts import Layout, read_table, write_json, write_table, write_text
from onward.model.pair_features import scorer_frame
from onward.params import Params
from onward.stages.door import main
from onward.stages.trained_model import read_trained_model
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.reliability import calibration_by_level, summarise_calibration
from onward.uncertainty.spread import summarise_heads


def run(layout: Layout, params: Params) -> str:
    """Score customers that no model saw; fit calibrator and levels on one split, report on another."""
    columns = ["impression", "customer", "split", "source", "target", "shown_at"]
    impressions = read_table(layout.serving / "impressions.parquet", columns)
    recent = impressions["shown_at"] >= params.run.training_start
    wanted = (recent & impressions["split"].isin(["calibrate", "threshold", "test"])).to_numpy(bool)
    features = read_table(layout.serving / "features.parquet")[wanted]
    rows = impressions[wanted].reset_index(drop=True)
    outcomes = read_table(layout.delay / "outcomes.parquet", ["impression", "expected_label"])
    expected = look_up_expected(rows["impression"], outcomes)

    model = read_trained_model(layout.model)
    source, target = (rows[name].to_numpy(np.int64) for name in ("source", "target"))
    frame = scorer_frame(features, model.graph, model.embeddings, source, target)
    score, uncertainty = summarise_heads(model.scorer.predict(frame, threads=params.run.threads))

    calibrate, report = ((rows["split"] == name).to_numpy(bool) for name in ("calibrate", "threshold"))
    calibrator = FITS[params.uncertainty.calibrator](score[calibrate], expected[calibrate])
    levels = UncertaintyLevels.fit(uncertainty[calibrate], params.uncertainty.levels)
    probability, level = calibrator.apply(score), levels.assign(uncertainty)
    held_out, table = calibration_by_level(probability[report], expected[report], level[report], levels.count)

    scored = rows[["impression", "customer", "split"]].assign(
        score=score, uncertainty=uncertainty, level=level.astype(np.int8), probability=probability
    )
    write_json(layout.uncertainty / "calibrator.json", calibrator.to_dict())
    write_json(layout.uncertainty / "levels.json", levels.to_dict())
    write_table(layout.uncertainty / "scores.parquet", scored)
    write_text(layout.plots / "reliability.csv", table.to_csv(index=False, lineterminator="\n"))
    metrics = {
        "measured_with": "expected labels: an unfinished one counts as its conversion probability",
        "levels": levels.count,
        "threshold_split": {name: asdict(summary) for name, summary in held_out.items()},
        "calibrate_split_in_sample": asdict(summarise_calibration(probability[calibrate], expected[calibrate])),
    }
    write_json(layout.metrics / "calibration.json", metrics)
    overall = held_out["all"]
    return f"{len(rows)} scored, {levels.count} levels; threshold split: NLL {overall.nll:.4f}, ECE {overall.ece:.4f}"


if __name__ == "__main__":
    main("calibrate_uncertainty", run)
