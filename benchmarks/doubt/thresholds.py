"""Does one threshold a level pay on real data? Every spread source with every search, on the finished run's scores.

Households that no model saw are dealt into folds. Each fold is tested once; of the other households one half fits
spread and levels, the other half the boundary, both on what was known at as_of. The gain is recall at matched volume:
recall minus that of equally many best scores of the same fold. Folds are pooled and resampled by household. The control
draws levels at random. `dvc repro` must have run.

Scores: `pipeline` is the deployed ensemble; `history` the share of conversions of the same pair among the training
households, smoothed by two imaginary impressions towards one half (a prior that is mis-set, so that pairs seen rarely
score too high) or by twenty towards the rate of all; its uncertainty is one over the evidence. History alone cannot
reach the precision that is asked of the pipeline, so it is asked for less. Rows: all, or only those where little is
known of the pair or of the product. The products were all on sale half a year before, so none is new: slow sellers
stand in for them. Costs leave out the ensemble's heads, which the score needs anyway.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.progress import track
from scipy.special import ndtri

from benchmarks.doubt.dropout_head import DropoutPasses
from benchmarks.doubt.held_out_pairs import HeldOut, read_held_out
from benchmarks.harness.form import Cell, Finding, publish
from onward.metrics.customer_bootstrap import CustomerBootstrap, deal_customers
from onward.metrics.intervals import Interval
from onward.metrics.matched_volume import top_by_score
from onward.thresholds.frontier import SearchResult
from onward.thresholds.grid import Floats, Ints
from onward.uncertainty.evidential import EvidentialBeta
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.sources import HeadEnsemble, Scored, Spread, SpreadSource
from onward.uncertainty.venn_abers import VennAbersWidth
from tools.testbeds.boundary_searches import search_ew_dpmt, search_gmt, search_mist, search_single, search_vw_dpmt

SEED = 20171120
FOLDS = 6
LEVELS, BINS = 5, 50
PRECISION, HISTORY_PRECISION = 0.08, 0.03
SAMPLES = 1000
SEARCHES: Mapping[str, Callable[..., SearchResult]] = {
    "gmt": search_gmt, "mist": search_mist, "ew_dpmt": search_ew_dpmt, "vw_dpmt": search_vw_dpmt,
}  # fmt: skip
CONTROL = "random u"


@dataclass(frozen=True)
class Setting:
    """A score to cut, the rows to cut it on, how, and by which spread: learnt fold by fold, or known beforehand."""

    name: str
    score: Floats
    rows: np.ndarray
    sources: Mapping[str, "SpreadSource | Floats"]
    searches: tuple[str, ...]
    precision: float


@dataclass
class Decided:
    """What one source and search show over all folds, filled fold by fold: [n] each."""

    taken: Floats
    matched: Floats

    def note(self, rows: np.ndarray, shown: np.ndarray, score: Floats) -> None:
        """Add one fold's decisions on its tested rows, and equally many best scores of the same rows."""
        self.taken[rows] = shown
        self.matched[rows] = top_by_score(score[rows], int(shown.sum()))


@dataclass
class Cost:
    """Processor seconds of one source, a fold each."""

    fit: list[float]
    a_million: list[float]


def settings_of(data: HeldOut, costs: dict[str, Cost]) -> list[Setting]:
    """Return every score with the rows and the spread sources it is cut with."""
    started = time.process_time()
    dropout = DropoutPasses(data.training.train_dropout(SEED))
    trained = time.process_time() - started
    sources: dict[str, SpreadSource | Floats] = {
        # These two learn nothing from the fitting households: their spread is the same in every fold.
        "head ensemble": _ask(HeadEnsemble(), data.scored, costs.setdefault("head ensemble", Cost([], []))),
        "dropout": _ask(dropout, data.scored, costs.setdefault("dropout", Cost([trained], []))),
        "evidential, counts": EvidentialBeta("counts", SEED),
        "evidential, density": EvidentialBeta("density", SEED),
        "Venn-Abers": VennAbersWidth(1),
        "Venn-Abers by evidence": VennAbersWidth(8),
    }
    everything = np.ones(len(data.customer), np.bool_)
    evidence, sales = data.scored.evidence, data.sales
    hits, shown = data.history.T
    short = {name: sources[name] for name in ("head ensemble", "evidential, counts")}
    few, alone = ("mist", "ew_dpmt"), 1.0 / (shown + 2.0)
    towards_all = (hits + 20.0 * hits.sum() / shown.sum()) / (shown + 20.0)
    by_evidence: dict[str, SpreadSource | Floats] = {"evidence": alone}
    return [
        Setting("pipeline, all rows", data.scored.score, everything, sources, tuple(SEARCHES), PRECISION),
        Setting(
            "pipeline, little-known pairs", data.scored.score, evidence <= np.median(evidence), short, few, PRECISION
        ),
        Setting("pipeline, slow-selling targets", data.scored.score, sales == 0, short, few, PRECISION),
        Setting(
            "history, mis-set prior", (hits + 1.0) / (shown + 2.0), everything, by_evidence, few, HISTORY_PRECISION
        ),
        Setting("history, prior of all", towards_all, everything, by_evidence, few, HISTORY_PRECISION),
    ]


def measure(setting: Setting, data: HeldOut, folds: Ints, costs: dict[str, Cost]) -> dict[tuple[str, str], Decided]:
    """Fit and decide every source and search, fold by fold."""
    n, score = len(folds), setting.score
    keys = [
        ("–", "single"),
        (CONTROL, "ew_dpmt"),
        *((name, search) for name in setting.sources for search in setting.searches),
    ]
    decided = {key: Decided(np.zeros(n), np.zeros(n)) for key in keys}
    for fold in track(range(FOLDS), description=setting.name):
        rest = setting.rows & (folds != fold) & ~data.backtest
        first = rest & (deal_customers(data.customer, 2, np.random.default_rng([SEED, 3, fold])) == 0)
        second = rest & ~first
        test = setting.rows & (folds == fold) & np.isfinite(data.label)
        cut = search_single(score[second], data.expected[second], setting.precision, levels=1).cuts[0]
        decided["–", "single"].note(test, score[test] >= cut, score)
        for name, source in setting.sources.items():
            cost = costs.setdefault(name, Cost([], []))
            spread = _spread(source, data, first, second | test, cost)
            levels = UncertaintyLevels.fit(spread[first], LEVELS)
            level, asked = levels.assign(spread[second]), levels.assign(spread[test])
            for search in setting.searches:
                cuts = _cuts(search, score[second], level, data.expected[second], setting.precision, levels.count)
                decided[name, search].note(test, score[test] >= cuts[asked], score)
        random = np.random.default_rng([SEED, 2, fold]).integers(0, LEVELS, n)
        cuts = _cuts("ew_dpmt", score[second], random[second], data.expected[second], setting.precision, LEVELS)
        decided[CONTROL, "ew_dpmt"].note(test, score[test] >= cuts[random[test]], score)
    return decided


def _spread(source: "SpreadSource | Floats", data: HeldOut, seen: np.ndarray, asked: np.ndarray, cost: Cost) -> Floats:
    """Spread of the seen and the asked rows, NaN elsewhere."""
    if isinstance(source, np.ndarray):
        return source
    started = time.process_time()
    fitted = source.fit(data.scored.take(seen), data.expected[seen])
    cost.fit.append(time.process_time() - started)
    spread, wanted = np.full(len(seen), np.nan), seen | asked
    spread[wanted] = _ask(fitted, data.scored.take(wanted), cost)
    return spread


def _ask(fitted: Spread, rows: Scored, cost: Cost) -> Floats:
    started = time.process_time()
    spread = fitted.uncertainty(rows)
    cost.a_million.append((time.process_time() - started) * 1e6 / len(rows.score))
    return spread


def _cuts(search: str, score: Floats, level: Ints, expected: Floats, precision: float, levels: int) -> Floats:
    found = SEARCHES[search](score, level, expected, precision, levels=levels, bins_per_level=BINS)
    return np.asarray(found.cuts, np.float64)


def summarise(
    setting: Setting, data: HeldOut, decided: Mapping[tuple[str, str], Decided], costs: Mapping[str, Cost]
) -> list[dict[str, Cell]]:
    """Return one line a source and search: precision, recall and the gain at matched volume with its interval."""
    tested = setting.rows & np.isfinite(data.label)
    label, bootstrap = data.label[tested], CustomerBootstrap.of(data.customer[tested], SAMPLES, SEED)
    rows: list[dict[str, Cell]] = []
    for (source, search), found in decided.items():
        taken, matched = found.taken[tested], found.matched[tested]
        gain: Interval = bootstrap.ratio_difference(label * taken, label, label * matched, label)
        cost = costs.get(source)
        rows.append({
            "score and rows": setting.name, "spread": source, "search": search,
            "shown": int(taken.sum()), "precision": float(label @ taken / max(taken.sum(), 1.0)),
            "recall": float(label @ taken / label.sum()),
            "gain": gain.value, "low": gain.low, "high": gain.high,
            "fit s": float(np.mean(cost.fit)) if cost and cost.fit else None,
            "serve s a million": float(np.mean(cost.a_million)) if cost and cost.a_million else None,
        })  # fmt: skip
    return rows


def claims_of(rows: list[dict[str, Cell]], data: HeldOut) -> dict[str, float]:
    """Condense the table; the best of many is also held to an interval for all of them together."""

    def best(name: str) -> tuple[float, float, float]:
        tried = [
            row for row in rows if str(row["score and rows"]).startswith(name) and row["spread"] not in ("–", CONTROL)
        ]
        top = max(tried, key=lambda row: float(str(row["gain"])))
        gain, low, high = (float(str(top[key])) for key in ("gain", "low", "high"))
        # Bonferroni over everything tried, from the width of the 95 % interval.
        together = gain - float(ndtri(1.0 - 0.025 / len(tried))) * (high - low) / (2.0 * 1.959964)
        return gain, low, together

    pipeline, misset, wellset = best("pipeline"), best("history, mis-set"), best("history, prior")
    control = {str(row["score and rows"]): float(str(row["gain"])) for row in rows if row["spread"] == CONTROL}
    return {
        "best_matched_volume_gain": pipeline[0],
        "best_matched_volume_gain_low": pipeline[1],
        "best_matched_volume_gain_low_of_all_tried": pipeline[2],
        "random_u_gain": next(iter(control.values())),
        "mis_set_prior_matched_volume_gain": misset[0],
        "mis_set_prior_matched_volume_gain_low": misset[1],
        "mis_set_prior_matched_volume_gain_low_of_all_tried": misset[2],
        "mis_set_prior_random_u_gain": control["history, mis-set prior"],
        "prior_of_all_matched_volume_gain": wellset[0],
        "prior_of_all_matched_volume_gain_low": wellset[1],
        "household_splits": float(FOLDS),
        "households": float(len(np.unique(data.customer))),
        "impressions_tested": float(np.isfinite(data.label).sum()),
        "conversions_tested": float(np.nansum(data.label)),
    }


def main() -> None:
    """Measure every setting and publish."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = read_held_out()
    folds, rows = deal_customers(data.customer, FOLDS, np.random.default_rng([SEED, 1])), list[dict[str, Cell]]()
    costs: dict[str, Cost] = {}
    for setting in settings_of(data, costs):
        rows += summarise(setting, data, measure(setting, data, folds, costs), costs)
    publish(Finding("thresholds_complete_journey", [SEED], rows, claims_of(rows, data)))


if __name__ == "__main__":
    main()
