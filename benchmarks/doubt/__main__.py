"""Is uncertainty first of all a test of the scorer? One cut, a cut a level, and recalibration, on good and bad scorers.

Complete Journey's households are dealt into six folds. Each fold is scored by models of the others; cuts, levels and
recalibrations for it are fitted on the others' cross-fitted scores, and what each shows is held against equally many
best scores of the fold: recall gained at the same number shown, at 1, 3 and 15 of 100, with errors by household.
`rule` recalibrates only where the pipeline's rule (onward/diagnosis/uncertainty.py) says so of the others' households.
Then simulated scorers whose truth is known: with a bias that uncertainty tells, with uncertainty at random, and with
one that follows the score.

`dvc repro` must have run. Impressions are built from baskets, mailers and displays: observational.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.progress import track
from scipy.special import expit

from benchmarks.doubt.cases_picture import Case, draw
from benchmarks.doubt.cross_fitted_scorers import (
    FOLDS,
    OVERFITTED,
    REPAIRED,
    SCORERS,
    WELL,
    WRONG_PRIOR,
    Impressions,
    Opinions,
    opinions_of,
    read_impressions,
)
from benchmarks.harness.form import Cell, Finding, publish
from onward.diagnosis.uncertainty import Verdict, judge_scorer
from onward.metrics.matched_volume import (
    VOLUMES,
    MatchedGain,
    gain_by_customer,
    top_by_score,
    worth_at,
    worth_of_shown,
)
from onward.thresholds.dpmt import dpmt_frontier
from onward.thresholds.grid import build_grid
from onward.thresholds.policy import Policy
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.recalibration import Recalibration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SEED = 20171120
LEVELS, BINS = 5, 400
METHODS = ("levels", "recalibration", "rule")
RANDOM = "random"
SHOPS = 200
BIAS = 0.4


@dataclass(frozen=True)
class Setting:
    """One scorer with one source of uncertainty.

    Attributes:
        worth: by method and share shown, [n] what each impression adds to the conversions gained.
        verdicts: of each fold's rule.
    """

    scorer: str
    source: str
    worth: Mapping[tuple[str, float], Floats]
    verdicts: tuple[Verdict, ...]


def measure(scorer: str, source: str, opinions: Opinions, data: Impressions) -> Setting:
    """Fit on the other folds, show on each."""
    n, score = len(data.label), opinions.score
    unsure = np.random.default_rng([SEED, 5]).random(n) if source == RANDOM else opinions.uncertainty[source]
    worth = {(method, volume): np.zeros(n) for method in METHODS for volume in VOLUMES}
    verdicts = []
    for fold in range(FOLDS):
        asked = data.fold == fold
        rest = ~asked
        verdict = judge_scorer(score[rest], unsure[rest], data.label[rest], data.customer[rest], SEED + fold)
        verdicts.append(verdict)
        mended = Recalibration.fit(score[rest], unsure[rest], data.label[rest]).apply(score[asked], unsure[asked])
        shown = _shown_by_levels(score, unsure, data.label, rest, asked)
        held, label = score[asked], data.label[asked]
        for volume in VOLUMES:
            worth["recalibration", volume][asked] = worth_at(mended, held, label, volume)
            worth["rule", volume][asked] = worth["recalibration", volume][asked] if verdict.pays else 0.0
            chosen = shown[volume]
            control = top_by_score(held, int(chosen.sum()))
            worth["levels", volume][asked] = worth_of_shown(chosen, control, held, label)
    return Setting(scorer, source, worth, tuple(verdicts))


def _shown_by_levels(
    score: Floats, unsure: Floats, label: Floats, rest: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]
) -> dict[float, Floats]:
    """By share shown, what the best cuts a level of the other folds show of this one."""
    levels = UncertaintyLevels.fit(unsure[rest], LEVELS)
    grid = build_grid(score[rest], levels.assign(unsure[rest]), label[rest], levels.count, BINS)
    frontier, level = dpmt_frontier(grid), levels.assign(unsure[asked])
    found = {}
    for volume in VOLUMES:
        best = int(np.argmax(np.where(frontier.shown <= volume * grid.examples, frontier.positives, -np.inf)))
        cuts = tuple(float(part.cuts[place]) for part, place in zip(grid.levels, frontier.choice(best), strict=True))
        found[volume] = Policy("ew_dpmt", 0.0, cuts).decide(score[asked], level).astype(np.float64)
    return found


def row_of(setting: Setting, data: Impressions) -> dict[str, Cell]:
    """One line of the table: gains in points of recall with their 95 % intervals, as a mean over shares and apart."""
    row: dict[str, Cell] = {
        "scorer": setting.scorer,
        "uncertainty": setting.source,
        "z": float(np.mean([verdict.z for verdict in setting.verdicts])),
        "folds fired": sum(verdict.pays for verdict in setting.verdicts),
    }
    for method in METHODS:
        for volume in (None, *VOLUMES):
            gain = gain_at(setting, method, volume, data)
            name = f"{method}, all" if volume is None else f"{method}, {volume:.0%}"
            row |= {name: 100.0 * gain.recall, f"{name} low": 100.0 * gain.low, f"{name} high": 100.0 * gain.high}
    return row


def gain_at(setting: Setting, method: str, volume: float | None, data: Impressions) -> MatchedGain:
    """Gain of a method at one share shown, or as the mean over all of them."""
    shares = VOLUMES if volume is None else (volume,)
    worth = np.mean([setting.worth[method, share] for share in shares], axis=0)
    return gain_by_customer(worth, data.label, data.customer)


def repairs(opinions: Mapping[str, Opinions], data: Impressions) -> dict[str, dict[float, MatchedGain]]:
    """What the undamaged scorer gains over the damaged one, at each share shown."""
    found = {}
    for damaged, mended in REPAIRED.items():
        found[damaged] = {
            volume: gain_by_customer(
                worth_at(opinions[mended].score, opinions[damaged].score, data.label, volume, data.fold),
                data.label,
                data.customer,
            )
            for volume in VOLUMES
        }
    return found


def simulated_verdict(kind: str, seed: int, n: int = 80_000, customers: int = 2_000) -> Verdict:
    """The rule on a simulated scorer: about 7,500 conversions of customers who differ.

    Args:
        kind: `planted`: truth lies .4 log odds a standard deviation of uncertainty off the score; `random`:
            uncertainty says nothing; `following`: it is the score over again, and the score is too steep.
        seed: of everything.
        n: impressions.
        customers: among whom they are dealt.
    """
    draws = np.random.default_rng([SEED, 7, seed])
    customer = draws.integers(0, customers, n)
    odds = -3.0 + 1.2 * draws.standard_normal(n)
    apart = draws.standard_normal(n)
    person = 0.4 * draws.standard_normal(customers)[customer]
    truth = odds + person
    if kind == "planted":
        unsure, truth = apart, truth - BIAS * apart
    elif kind == "random":
        unsure = apart
    else:
        unsure, truth = -odds + 0.05 * apart, 0.7 * (odds + 3.0) - 3.0 + person
    label = (draws.random(n) < expit(truth)).astype(np.float64)
    return judge_scorer(expit(odds), unsure, label, customer, seed)


def simulated_verdicts(shops: int) -> dict[str, list[Verdict]]:
    """What the rule says of so many simulated scorers of each kind."""
    return {
        kind: [simulated_verdict(kind, seed) for seed in track(range(shops), description=f"simulated, {kind}")]
        for kind in ("planted", "random", "following")
    }


def cases(
    settings: list[Setting], repaired: Mapping[str, Mapping[float, MatchedGain]], data: Impressions
) -> list[Case]:
    """The three scorers of the picture, each with the source of its own kind."""
    found = []
    for title, scorer, source in (
        ("well fitted", WELL, "heads"),
        ("overfitted", OVERFITTED, "ensemble"),
        ("wrong prior", WRONG_PRIOR, "evidence"),
    ):
        setting = next(each for each in settings if (each.scorer, each.source) == (scorer, source))
        gains = {
            name: {volume: gain_at(setting, method, volume, data) for volume in VOLUMES}
            for name, method in (("a cut a level", "levels"), ("recalibration", "recalibration"))
        }
        if scorer in repaired:
            gains["repair of the scorer"] = dict(repaired[scorer])
        found.append(Case(title, gains))
    return found


def claims_of(settings: list[Setting], simulated: Mapping[str, list[Verdict]], data: Impressions) -> dict[str, float]:
    """Condense: the rule over every setting that could be asked of a real scorer, and on simulated ones."""
    asked = [setting for setting in settings if setting.source != RANDOM]
    gains = {method: [gain_at(each, method, None, data) for each in asked] for method in METHODS}
    apart = [gain_at(each, "rule", volume, data).recall for each in asked for volume in VOLUMES]
    fired = {kind: float(np.mean([verdict.pays for verdict in verdicts])) for kind, verdicts in simulated.items()}
    at_random = [v.pays for each in settings if each.source == RANDOM for v in each.verdicts]
    return {
        "rule_mean_gain": 100.0 * float(np.mean([gain.recall for gain in gains["rule"]])),
        "rule_worst_gain": 100.0 * min(apart),
        "levels_mean_gain": 100.0 * float(np.mean([gain.recall for gain in gains["levels"]])),
        "recalibration_mean_gain": 100.0 * float(np.mean([gain.recall for gain in gains["recalibration"]])),
        "fires_on_random": max(float(np.mean(at_random)), fired["random"]),
        "fires_on_following": fired["following"],
        "planted_found": fired["planted"],
        "settings": float(len(asked)),
        "levels_above_0": float(sum(gain.low > 0.0 for gain in gains["levels"])),
        "levels_below_0": float(sum(gain.high < 0.0 for gain in gains["levels"])),
        "impressions": float(len(data.label)),
        "conversions": float(data.label.sum()),
        "households": float(len(np.unique(data.customer))),
    }


def main() -> None:
    """Measure every setting and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--shops", type=int, default=SHOPS, help="simulated scorers of each kind")
    asked = arguments.parse_args()
    data = read_impressions()
    opinions = {name: opinions_of(name, data) for name in SCORERS}
    pairs = [(name, source) for name, found in opinions.items() for source in (*found.uncertainty, RANDOM)]
    settings = [
        measure(name, source, opinions[name], data) for name, source in track(pairs, description="scorers and sources")
    ]
    repaired = repairs(opinions, data)
    simulated = simulated_verdicts(asked.shops)
    rows = [row_of(setting, data) for setting in settings]
    draw(cases(settings, repaired, data))
    publish(Finding("doubt", [SEED], rows, claims_of(settings, simulated, data)))


if __name__ == "__main__":
    main()
