"""When does one threshold a level pay? Worlds in which the best possible decision is known.

A pair has a conversion rate drawn from Beta(0.6, 5.4) and was shown n times before, n between 2 and 400. The model's
score is a smoothed share of conversions, its uncertainty one over the evidence behind it:

* `well-set prior`: smoothed with the very prior that the rates come from. The score is the rate to expect, whatever
  the evidence: levels cannot help.
* `mis-set prior`: smoothed towards one half, so that pairs with little evidence score too high.
* `undersampled negatives`: one in ten failures was kept, and the prior is that of the full log, so that pairs with
  much evidence score too high.

The Bayes-optimal decision orders pairs by the rate to expect given everything the model saw. Cuts are fitted on drawn
labels; recall and precision are measured on other pairs, against rates to expect rather than draws. Gains are at
matched volume: recall minus that of equally many best scores. The share of the optimum divides a gain by the gain of
equally many best pairs.

The strength of the two biases and the size of the fit were set after trials with weaker biases and a smaller fit, where
there is less to gain and luck in the fitted labels takes a larger share of it; the rows of the small fit show how much.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from rich.progress import track
from scipy.stats import betabinom, binom
from scipy.stats import t as student

from benchmarks.harness.form import Cell, Finding, publish
from onward.thresholds.frontier import conclude
from onward.thresholds.grid import Floats, Ints, build_grid
from onward.thresholds.single import single_frontier
from onward.uncertainty.levels import UncertaintyLevels
from tools.testbeds.boundary_searches import search_ew_dpmt, search_gmt, search_mist, search_single

SEEDS = tuple(range(8))
WORLDS = ("well-set prior", "mis-set prior", "undersampled negatives")
RECALLS = (0.2, 0.4, 0.6)  # what the optimum reaches; the first asks for the highest precision
FIT, SMALL_FIT, TEST = 800_000, 50_000, 400_000
LEVELS, BINS = 10, 50
ALPHA, BETA = 0.6, 5.4
KEPT_NEGATIVES = 0.1
SIZES = np.unique(np.round(np.geomspace(2, 400, 40)).astype(np.int64))
SHOWN = ("single", "score only, K·L bins", "random u", "gmt", "mist", "ew_dpmt")


@dataclass(frozen=True)
class Pairs:
    """Pairs of one world: score, uncertainty, rate to expect and a drawn label, [n] each."""

    score: Floats
    uncertainty: Floats
    rate: Floats
    label: Floats


def draw_pairs(world: str, count: int, seed: int) -> Pairs:
    """Draw pairs, what the model saw of them, and what it makes of it."""
    rng = np.random.default_rng([seed, WORLDS.index(world)])
    size = rng.choice(SIZES, count)
    hits = rng.binomial(size, rng.beta(ALPHA, BETA, count))
    misses, alpha, beta = size - hits, ALPHA, BETA
    rate = (hits + ALPHA) / (size + ALPHA + BETA)
    if world == "mis-set prior":
        alpha = beta = (ALPHA + BETA) / 2
    if world == "undersampled negatives":
        misses = rng.binomial(misses, KEPT_NEGATIVES)
        rate = rate_behind_sample(hits, misses)
    evidence = hits + misses + alpha + beta
    score, label = (hits + alpha) / evidence, rng.random(count) < rate
    return Pairs(*(np.asarray(each, np.float64) for each in (score, 1.0 / evidence, rate, label)))


def rate_behind_sample(hits: Ints, misses: Ints) -> Floats:
    """Rate to expect, given the hits and the misses that were kept, over every size that may lie behind them."""
    seen, back = np.unique(np.stack([hits, misses]), axis=1, return_inverse=True)
    mass, total = np.zeros(seen.shape[1]), np.zeros(seen.shape[1])
    for size in SIZES:
        fits = np.flatnonzero(seen.sum(axis=0) <= size)
        c, m = seen[:, fits]
        chance = betabinom.pmf(c, size, ALPHA, BETA) * binom.pmf(m, size - c, KEPT_NEGATIVES)
        mass[fits] += chance
        total[fits] += chance * (c + ALPHA) / (size + ALPHA + BETA)
    return np.asarray((total / mass)[back.ravel()], np.float64)


def recall_of_best(order: Floats, rate: Floats, count: float) -> float:
    """Share of all expected conversions among the `count` highest of `order`; ties share what is left."""
    rows = np.argsort(-order, kind="stable")
    ends = np.r_[0, np.flatnonzero(np.r_[np.diff(order[rows]) != 0, True]) + 1]
    held = np.r_[0.0, np.cumsum(rate[rows])][ends]
    return float(np.interp(count, ends, held) / held[-1])


def precision_at(rate: Floats, recall: float) -> float:
    """Return the precision of the best decision that reaches a recall."""
    best = np.sort(rate)[::-1]
    return float(best[: 1 + np.searchsorted(np.cumsum(best), recall * best.sum())].mean())


def boundaries(fit: Pairs, test: Pairs, precision: float, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every method's decisions on the test pairs, with cuts from the fitted ones."""
    edges = UncertaintyLevels.fit(fit.uncertainty, LEVELS)
    count, level, test_level = edges.count, edges.assign(fit.uncertainty), edges.assign(test.uncertainty)
    asked = {"levels": count, "bins_per_level": BINS}
    yield "single", test.score >= search_single(fit.score, fit.label, precision, levels=1).cuts[0]
    coarse = build_grid(fit.score, np.zeros(len(fit.score), np.int64), fit.label, 1, count * BINS)
    yield SHOWN[1], test.score >= conclude("", coarse, single_frontier(coarse), precision).cuts[0]
    rng = np.random.default_rng([seed, 77])
    cuts = np.array(search_ew_dpmt(fit.score, rng.permutation(level), fit.label, precision, **asked).cuts)
    yield "random u", test.score >= cuts[rng.permutation(test_level)]
    for name, search in (("gmt", search_gmt), ("mist", search_mist), ("ew_dpmt", search_ew_dpmt)):
        cuts = np.array(search(fit.score, level, fit.label, precision, **asked).cuts)
        yield name, test.score >= cuts[test_level]
    yield "Bayes-optimal", test.rate >= search_single(fit.rate, fit.label, precision, levels=1).cuts[0]


def measure(world: str, fitted: int, seed: int) -> list[dict[str, float | str]]:
    """Return one row a target and method of one drawn world."""
    fit, test = draw_pairs(world, fitted, 2 * seed), draw_pairs(world, TEST, 2 * seed + 1)
    rows: list[dict[str, float | str]] = []
    for recall in RECALLS:
        precision = precision_at(test.rate, recall)
        for method, shown in boundaries(fit, test, precision, seed):
            count, reached = int(shown.sum()), float(test.rate[shown].sum() / test.rate.sum())
            by_score, best = (recall_of_best(order, test.rate, count) for order in (test.score, test.rate))
            rows.append({
                "target": recall, "asked": precision, "method": method, "recall": reached,
                "precision": float(test.rate[shown].mean()) if count else float("nan"),
                "gain": reached - by_score, "possible": best - by_score,
            })  # fmt: skip
    return rows


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean over seeds with Student's 95 % interval."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return mean, mean - reach, mean + reach


def summarise(world: str, fitted: int, drawn: list[list[dict[str, float | str]]]) -> list[dict[str, Cell]]:
    """Return one line a target and method: means over seeds, the gain with its interval."""
    rows: list[dict[str, Cell]] = []
    for place, first in enumerate(drawn[0]):
        column = {key: [float(seed[place][key]) for seed in drawn] for key in first if key != "method"}
        single = [float(seed[place - place % 7]["recall"]) for seed in drawn]
        gain, low, high = interval(column["gain"])
        possible = float(np.mean(column["possible"]))
        rows.append({
            "world": world, "fitted on": fitted, "asked": float(np.mean(column["asked"])),
            "method": str(first["method"]),
            "precision": float(np.nanmean(column["precision"])), "recall": float(np.mean(column["recall"])),
            "gain": gain, "low": low, "high": high,
            "share of optimum": gain / possible if world != WORLDS[0] else None,
            "recall over single": float(np.mean(column["recall"]) / np.mean(single)) - 1.0,
        })  # fmt: skip
    return rows


def claims_of(rows: list[dict[str, Cell]]) -> Mapping[str, float]:
    """Condense the table to the figures that may be quoted."""

    def values(column: str, fitted: int, methods: tuple[str, ...], *, biased: bool) -> list[float]:
        return [
            float(str(row[column]))
            for row in rows
            if row["fitted on"] == fitted and row["method"] in methods and (row["world"] != WORLDS[0]) == biased
        ]

    top = len(RECALLS)
    relative = values("recall over single", FIT, ("ew_dpmt",), biased=True)[::top]
    return {
        "share_of_optimal_gain_min": min(values("share of optimum", FIT, ("ew_dpmt",), biased=True)),
        "share_of_optimal_gain_min_mist": min(values("share of optimum", FIT, ("mist",), biased=True)),
        "null_gain_abs_max": max(map(abs, values("gain", FIT, ("mist", "ew_dpmt"), biased=False))),
        "random_u_gain_abs_max": max(
            abs(gain) for biased in (False, True) for gain in values("gain", FIT, ("random u",), biased=biased)
        ),
        "share_of_optimal_gain_min_small": min(values("share of optimum", SMALL_FIT, ("ew_dpmt",), biased=True)),
        "null_gain_abs_max_small": max(map(abs, values("gain", SMALL_FIT, ("mist", "ew_dpmt"), biased=False))),
        "relative_recall_gain_mis_set_prior": relative[0],
        "relative_recall_gain_undersampled": relative[1],
        "paper_relative_recall_gain_low": 0.25,
        "paper_relative_recall_gain_high": 0.40,
    }


def main() -> None:
    """Draw, fit, measure and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows: list[dict[str, Cell]] = []
    for fitted in (FIT, SMALL_FIT):
        for world in WORLDS:
            seeds = track(SEEDS, description=f"{world}, {fitted} pairs")
            rows += summarise(world, fitted, [measure(world, fitted, seed) for seed in seeds])
    publish(Finding("thresholds_simulated", SEEDS, rows, claims_of(rows)))


if __name__ == "__main__":
    main()
