"""Do probabilities mean what they say on the finished run, overall, for every uncertainty level and for every slice?

First the pipeline's own calibrator and levels on its test households, where labels have matured: in the training window
and in the backtest apart, since the weeks before the holidays convert differently. Then, for more conversions a level,
every calibrator crosswise: households are dealt into folds, calibrator and levels are fitted on the others as known at
as_of, and all matured rows of the window are tested once. Chance alone gives a perfect calibrator some ECE; the column
beside it takes that off. Then why a test misses, and what was tried against it, on other households: the raw score by
split and age, and remedies over many deals of households (`calibration_remedies.py`), where low and high hold 95 % of
the deals. Last, the group finder: groups of the pipeline's test households that are confirmed to be off.
`dvc repro` must have run.
"""

import argparse
from collections.abc import Mapping

import numpy as np

from benchmarks.doubt.calibration_remedies import (
    DEALS,
    POOL,
    USED_BEFORE,
    USED_NOW,
    Rows,
    chance_of_a_perfect_calibrator,
    deal,
    debiased_ece,
    read_rows,
)
from benchmarks.doubt.held_out_pairs import HeldOut, read_held_out
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.artifacts import StoredFiles
from onward.evaluation.groups import find_groups
from onward.layout import Layout
from onward.metrics.calibration import CalibrationSummary, summarise_calibration
from onward.metrics.customer_bootstrap import CustomerBootstrap, deal_customers
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.uncertainty_model import UncertaintyModel

SEED = 20171120
FOLDS = 6
LEVELS, FEWER_LEVELS = 5, 3
SAMPLES = 500
ALLOWED = 0.03  # how far PCOC may be from 1
ENOUGH = 500  # conversions from which a level's figures are held to the promise


def line(what: str, level: str, data: HeldOut, rows: np.ndarray, probability: Floats) -> dict[str, Cell]:
    """Return the calibration of some rows, PCOC with its interval by household."""
    label, said = data.label[rows], probability[rows]
    pcoc = CustomerBootstrap.of(data.customer[rows], SAMPLES, SEED).ratio(said, label).to_dict()
    return row_of(what, summarise_calibration(said, label), debiased_ece(said, label), pcoc, level)


def lines(what: str, data: HeldOut, rows: np.ndarray, probability: Floats, level: Ints) -> list[dict[str, Cell]]:
    """Return one line for all rows and one a level."""
    found = [line(what, "all", data, rows, probability)]
    return found + [
        line(what, str(number), data, rows & (level == number), probability) for number in range(int(level.max()) + 1)
    ]


def crosswise(name: str, data: HeldOut, uncertainty: Floats, tested: np.ndarray, count: int) -> tuple[Floats, Ints]:
    """Return probability and level of every row, from a calibrator and levels fitted on other households."""
    fold = deal_customers(data.customer, FOLDS, np.random.default_rng([SEED, 1]))
    probability, level = np.zeros(len(fold)), np.zeros(len(fold), np.int64)
    for number in range(FOLDS):
        others, test = (fold != number) & ~data.backtest, (fold == number) & tested
        calibrator = FITS[name](data.scored.score[others], data.expected[others])
        levels = UncertaintyLevels.fit(uncertainty[others], count)
        probability[test] = calibrator.apply(data.scored.score[test])
        level[test] = levels.assign(uncertainty[test])
    return probability, level


def causes(data: Rows) -> list[dict[str, Cell]]:
    """Return the raw score's calibration by split and age: a season or a late label would miss one way in all."""
    found = []
    for split in ("train", *POOL):
        for age, rows in (("matured", data.matured), ("young, expected labels", ~data.matured)):
            chosen = data.of((split,)) & rows
            label, said = data.expected[chosen], data.score[chosen]
            pcoc = CustomerBootstrap.of(data.customer[chosen], SAMPLES, SEED).ratio(said, label).to_dict()
            summary = summarise_calibration(said, label)
            found.append(row_of(f"raw score, {split} households, {age}", summary, debiased_ece(said, label), pcoc))
    return found


def remedied(name: str, found: list[CalibrationSummary]) -> dict[str, Cell]:
    """Return one line for a remedy, means over the deals."""
    ratio = np.array([float(each.pcoc or np.nan) for each in found])
    low, high = np.quantile(ratio, [0.025, 0.975])
    mean = CalibrationSummary(
        round(np.mean([each.examples for each in found])),
        *(float(np.mean([getattr(each, part) for each in found])) for part in ("positives", "nll", "ece", "pcoc")),
    )
    interval = {"value": mean.pcoc, "low": float(low), "high": float(high)}
    return row_of(f"tried, mean of {DEALS} deals: {name}", mean, None, interval)


def row_of(
    what: str,
    summary: CalibrationSummary,
    less_chance: float | None,
    pcoc: Mapping[str, float | None],
    level: str = "all",
) -> dict[str, Cell]:
    """Return one line of the table."""
    return {
        "measured": what,
        "level": level,
        "impressions": summary.examples,
        "conversions": int(summary.positives),
        "ECE": summary.ece,
        "less chance": less_chance,
        "NLL": summary.nll,
        "PCOC": pcoc["value"],
        "low": pcoc["low"],
        "high": pcoc["high"],
    }


def scatter_of(found: list[CalibrationSummary]) -> float:
    """Return the standard deviation of log PCOC over the deals: what fitting and judging households cause together."""
    return float(np.log([float(each.pcoc or np.nan) for each in found]).std())


def main() -> None:
    """Measure and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data, layout = read_held_out(), Layout(ROOT)
    said = UncertaintyModel.from_files(StoredFiles(layout.uncertainty)).predict(data.scored, data.slices)
    own, level, uncertainty = said.probability, said.level, said.uncertainty
    matured = np.isfinite(data.label)
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
        {column: values[window & test] for column, values in data.slices.items()}, seed=SEED,
    )  # fmt: skip
    others = read_rows()
    rows += causes(others)
    tried = deal(others)
    rows += [remedied(name, each) for name, each in tried.items()]
    households = len(np.unique(data.customer[window & test]))
    scatter, chance = chance_of_a_perfect_calibrator(others, households, ALLOWED)

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
        "log_pcoc_sd_before": scatter_of(tried[USED_BEFORE]),
        "log_pcoc_sd_now": scatter_of(tried[USED_NOW]),
        "log_pcoc_sd_of_households": scatter,
        "chance_that_a_perfect_calibrator_meets_pcoc": chance,
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
