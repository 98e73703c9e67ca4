"""Do probabilities mean what they say on the finished run, overall, for every uncertainty level and for every slice?

First the pipeline's own calibrator and levels on its test households, where labels have matured: in the training window
and in the backtest apart, since the weeks before the holidays convert differently. Then, for more conversions a level,
every calibrator crosswise: households are dealt into folds, calibrator and levels are fitted on the others as known at
as_of, and all matured rows of the window are tested once. Chance alone gives a perfect calibrator some ECE; the column
beside it takes that off. Last, the group finder: groups of the pipeline's test households that are confirmed to be off.
`dvc repro` must have run.
"""

import argparse

import numpy as np

from benchmarks.form import ROOT, Cell, Finding, publish
from benchmarks.held_out_pairs import HeldOut, read_held_out
from onward.artifacts import Layout, read_json
from onward.evaluation.groups import find_groups
from onward.evaluation.intervals import CustomerBootstrap
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.calibration import IsotonicCalibrator
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.reliability import debiased_ece, summarise_calibration
from onward.uncertainty.spread import summarise_heads

SEED = 20171120
FOLDS = 6
LEVELS, FEWER_LEVELS = 5, 3
SAMPLES = 500
ENOUGH = 500  # conversions from which a level's figures are held to the promise


def line(what: str, level: str, data: HeldOut, rows: np.ndarray, probability: Floats) -> dict[str, Cell]:
    """Return the calibration of some rows, PCOC with its interval by household."""
    label, said = data.label[rows], probability[rows]
    summary = summarise_calibration(said, label)
    pcoc = CustomerBootstrap.of(data.customer[rows], SAMPLES, SEED).ratio(said, label).to_dict()
    return {
        "measured": what,
        "level": level,
        "impressions": summary.examples,
        "conversions": int(summary.positives),
        "ECE": summary.ece,
        "less chance": debiased_ece(said, label),
        "PCOC": pcoc["value"],
        "low": pcoc["low"],
        "high": pcoc["high"],
    }


def lines(what: str, data: HeldOut, rows: np.ndarray, probability: Floats, level: Ints) -> list[dict[str, Cell]]:
    """Return one line for all rows and one a level."""
    found = [line(what, "all", data, rows, probability)]
    return found + [
        line(what, str(number), data, rows & (level == number), probability) for number in range(int(level.max()) + 1)
    ]


def crosswise(name: str, data: HeldOut, uncertainty: Floats, tested: np.ndarray, count: int) -> tuple[Floats, Ints]:
    """Return probability and level of every row, from a calibrator and levels fitted on other households."""
    known, code = np.unique(data.customer, return_inverse=True)
    fold = np.random.default_rng([SEED, 1]).permutation(len(known))[code] % FOLDS
    probability, level = np.zeros(len(fold)), np.zeros(len(fold), np.int64)
    for number in range(FOLDS):
        others, test = (fold != number) & ~data.backtest, (fold == number) & tested
        calibrator = FITS[name](data.scored.score[others], data.expected[others])
        levels = UncertaintyLevels.fit(uncertainty[others], count)
        probability[test] = calibrator.apply(data.scored.score[test])
        level[test] = levels.assign(uncertainty[test])
    return probability, level


def main() -> None:
    """Measure and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data, layout = read_held_out(), Layout(ROOT)
    score, uncertainty = summarise_heads(data.scored.heads)
    matured = np.isfinite(data.label)
    own = IsotonicCalibrator.from_dict(read_json(layout.uncertainty / "calibrator.json")).apply(score)
    level = UncertaintyLevels.from_dict(read_json(layout.uncertainty / "levels.json")).assign(uncertainty)
    window, backtest = matured & ~data.backtest, matured & data.backtest
    test = data.split == "test"
    rows = lines("the pipeline, test households, matured by as_of", data, window & test, own, level)
    rows += lines("the pipeline, test households, backtest", data, backtest & test, own, level)
    for name in FITS:
        probability, cut = crosswise(name, data, uncertainty, window, LEVELS)
        rows += lines(f"{name}, crosswise, matured by as_of", data, window, probability, cut)
    # Fewer levels, so that some hold enough conversions to be judged.
    probability, cut = crosswise("isotonic", data, uncertainty, window, FEWER_LEVELS)
    rows += lines(f"isotonic, crosswise, {FEWER_LEVELS} levels", data, window, probability, cut)
    found = find_groups(
        data.label[window & test], own[window & test], data.customer[window & test],
        {str(column): data.slices[column].to_numpy()[window & test] for column in data.slices}, seed=SEED,
    )  # fmt: skip

    levels = [
        row
        for row in rows
        if str(row["measured"]).startswith("isotonic")
        and row["level"] != "all"
        and int(str(row["conversions"])) >= ENOUGH
    ]
    claims = {
        "test_ece": float(str(rows[0]["ECE"])),
        "test_pcoc": float(str(rows[0]["PCOC"])),
        "backtest_pcoc": float(str(rows[LEVELS + 1]["PCOC"])),
        "crosswise_ece": float(str(rows[2 * (LEVELS + 1)]["ECE"])),
        "crosswise_pcoc": float(str(rows[2 * (LEVELS + 1)]["PCOC"])),
        "levels_with_500_conversions_crosswise": float(len(levels)),
        "groups_named": float(len(found)),
        "groups_confirmed": float(sum(group.confirmed for group in found)),
    }
    if levels:
        claims |= {
            "level_ece_max": max(float(str(row["ECE"])) for row in levels),
            "level_ece_less_chance_max": max(float(str(row["less chance"])) for row in levels),
            "level_pcoc_min": min(float(str(row["PCOC"])) for row in levels),
            "level_pcoc_max": max(float(str(row["PCOC"])) for row in levels),
        }
    publish(Finding("calibration_complete_journey", [SEED], rows, claims))


if __name__ == "__main__":
    main()
