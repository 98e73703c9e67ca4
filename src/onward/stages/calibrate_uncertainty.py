"""Stage calibrate_uncertainty: probabilities that mean what they say, and whether their uncertainty tells more."""

from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt

from onward.artifacts import StoredFiles, read_json, read_table, write_csv, write_files, write_json, write_table
from onward.choices import AUTO, GRAPH_SOURCES
from onward.diagnosis.uncertainty import diagnose_uncertainty
from onward.layout import Layout
from onward.metrics.calibration import calibration_by_level, summarise_calibration
from onward.model.pair_features import scorer_frame
from onward.model.pair_model import PairModel
from onward.model.scorer_training import heads_that_saw
from onward.model.trained_on import TrainedOn
from onward.params import Params
from onward.stages import pass_through
from onward.stages.runner import main
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.expected_labels import look_up_expected
from onward.uncertainty.pair_groups import pair_groups
from onward.uncertainty.range_fitting import JudgedPairs, fit_range
from onward.uncertainty.uncertainty_model import CalibrationSet, UncertaintyModel, spread_inputs


def run(layout: Layout, params: Params) -> str:
    """Score customers that heads did not see; fit on some of them, ask whether doubt pays, report on others."""
    if params.run.source in GRAPH_SOURCES:
        return pass_through.run(layout, "calibrate_uncertainty", params.run.source)
    settings = params.uncertainty
    model = PairModel.from_files(StoredFiles(layout.model))
    rows = read_table(layout.serving_log.impressions)
    # Which customers a head was drawn is known by their numbers, which are those of the clock that it was trained at.
    out_of_bag = settings.out_of_bag and _same_clock(layout, params.run.as_of.isoformat())
    splits = ["calibrate", "threshold", "test", *(["train"] if out_of_bag else [])]
    chosen = ((rows["shown_at"] >= params.run.training_start) & rows["split"].isin(splits)).to_numpy(bool)
    features = read_table(layout.serving_log.features)[chosen]
    rows = rows[chosen].reset_index(drop=True)
    expected = look_up_expected(rows["impression"], read_table(layout.outcomes))
    source, target, customer = (rows[name].to_numpy(np.int64) for name in ("source", "target", "customer"))
    frame = scorer_frame(features, model.graph, model.embeddings, source, target)
    heads = model.scorer.predict(frame, threads=params.run.threads)
    scored = spread_inputs(heads, frame, model.embeddings, source, target)
    category = read_table(layout.serving_log.products, ["category"])["category"]
    groups = pair_groups(frame, category, target)

    train, calibrate, report = ((rows["split"] == name).to_numpy() for name in ("train", "calibrate", "threshold"))
    seen = heads_that_saw(customer, train, params.run.seed, heads.shape[1])
    pairs = CalibrationSet.out_of_bag(scored, seen, expected, groups, train | calibrate)
    fitted = UncertaintyModel.fit(
        pairs,
        scored.take(calibrate),
        expected[calibrate],
        calibrator=settings.calibrator,
        spread=settings.spread,
        levels=settings.levels,
        accepted=settings.repaired_groups,
        seed=params.run.seed,
    )
    predicted = fitted.predict(scored, groups)
    in_sample = summarise_calibration(fitted.probability(pairs), pairs.label)
    calibrated, score = pairs.rows, fitted.repair.apply(pairs.score, pairs.groups)
    fitting = predicted.take(calibrate)
    doubt = diagnose_uncertainty(
        fitting.score, fitting.uncertainty, expected[calibrate], customer[calibrate], params.run.seed
    )
    if doubt.yes and params.thresholds.search == AUTO:
        fitted = fitted.recalibrated(fitting, expected[calibrate], calibrator=settings.calibrator)
        predicted = fitted.predict(scored, groups)
        in_sample = summarise_calibration(predicted.probability[calibrate], expected[calibrate])
        calibrated, score = np.flatnonzero(calibrate), predicted.score[calibrate]

    def calibrated_without(held: npt.NDArray[np.int64]) -> MonotoneCalibrator:
        others = ~np.isin(customer[calibrated], held)
        return FITS[settings.calibrator](score[others], expected[calibrated[others]])

    ours = calibrate | report
    unseen = predicted.take(ours)
    judged = JudgedPairs(
        unseen.score, expected[ours], unseen.uncertainty, unseen.level, customer[ours], source[ours], target[ours]
    )
    fitted = replace(fitted, ranges=fit_range(judged, category, calibrated_without, params.run.seed))
    held_out_rows = np.flatnonzero(~train)
    probability, level = predicted.probability, predicted.level
    held_out, table = calibration_by_level(probability[report], expected[report], level[report], fitted.levels.count)
    kept = rows[["impression", "customer", "split"]].assign(
        score=predicted.score, uncertainty=predicted.uncertainty, level=level.astype(np.int8), probability=probability
    )
    write_files(layout.uncertainty, fitted.to_files())
    write_table(layout.scores, kept.iloc[held_out_rows].reset_index(drop=True))
    write_json(layout.doubt_answer, doubt.to_dict())
    write_csv(layout.plot("reliability"), table)
    metrics = {
        "measured_with": "expected labels: an unfinished one counts as its conversion probability",
        "levels": fitted.levels.count,
        "threshold_split": {name: asdict(summary) for name, summary in held_out.items()},
        "calibrated_in_sample": asdict(in_sample),
        "recalibrated_by_uncertainty": fitted.recalibration is not None,
        "ranges": fitted.ranges.to_dict(),
        "question": doubt.to_dict(),
    }
    write_json(layout.metric("calibration"), metrics)
    return (
        f"{len(held_out_rows)} scored, {fitted.levels.count} levels; doubt {'pays' if doubt.yes else 'does not pay'}; "
        f"threshold split: {held_out['all'].describe()}"
    )


def _same_clock(layout: Layout, as_of: str) -> bool:
    """Whether the model was trained as of this clock; a kept one was not, but must know the catalogue at hand."""
    log = layout.serving_log
    at_hand = TrainedOn.of(as_of, read_table(log.products, ["product_id", "category"]), read_json(log.categories))
    trained_on = TrainedOn.from_dict(read_json(layout.trained_on))
    trained_on.require_catalogue(at_hand)
    return trained_on.as_of == as_of


if __name__ == "__main__":
    main("calibrate_uncertainty", run)
