"""Does the choice that a log makes for itself beat a fixed number of conversions, and what does it leave lying?

Complete Journey, at the five clocks of `benchmarks.delay.complete_journey`, whose stored predictions are used (and made
where they are missing): `delay.estimator: auto` chooses on the households that it learns from, and is judged on the
others. Its shortfall at a clock is the gap closed by the better of plain soft labels and P/Q, less what it closes
itself; `shortfall_to_better_rule` is the mean over clocks of shortfalls clipped at 0, so that a clock where the choice
is ahead pays for no other, and `shortfall_to_better_rule_signed` the mean of the signed ones. Intervals resample
households, in each clock by itself, as if clocks were independent.

Four kinds of simulated worlds, as in `benchmarks.delay.simulated`, and for few conversions the seeds of
`.few_positives`: what the choice recovers against what the fixed rule did, P/Q from 600 conversions on and recalibrated
soft labels below, paired by seed. Finished trials are kept in artifacts/benchmarks/; `--fresh` forgets them.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.delay import complete_journey, few_positives, methods, simulated
from benchmarks.delay.complete_journey import RECALIBRATED, SOFT_BLIND
from benchmarks.delay.methods import DEFAULT
from benchmarks.delay.world import KINDS, simulate
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.harness.student import half_width
from benchmarks.harness.trials import Trials, settings_key
from onward.boosting import Boosting
from onward.metrics.classification import cross_entropy
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import interval_of
from onward.params import Params, read_params

Floats = npt.NDArray[np.float64]

MANY = 600  # independent conversions from which the fixed rule took P/Q
FIXED = "fixed rule (before)"
PLAIN = ("soft label", "P/Q")
SHOWN = (
    DEFAULT, FIXED, *PLAIN, SOFT_BLIND, RECALIBRATED, f"{RECALIBRATED}, without engagement", "wait", "naive", "oracle"
)  # fmt: skip
WORLDS = ("informative", "low drift", "delay shift", few_positives.KIND)
_ASKED = ("engagement", "recalibration", "weights")
_SAMPLES = 1000


def judge_clock(stored: Mapping[str, Floats], seed: int) -> tuple[dict[str, Floats], dict[str, float]]:
    """Gap closed in percent by each method, as it is and in resamples, [1 + samples], and what was chosen."""
    truth, predicted = stored["converts"], dict(stored)
    many = stored["note: independent positives"] >= MANY
    by_half = np.where(stored["first half"] > 0, many[0], many[1])
    predicted[FIXED] = np.where(by_half, stored["P/Q, guarded"], stored[RECALIBRATED])
    losses = np.stack([cross_entropy(truth, predicted[name]) for name in SHOWN], axis=1)
    whole, drawn = CustomerBootstrap.of(stored["customer"], _SAMPLES, seed).sums(losses)
    sums = np.vstack([whole, drawn])
    naive, oracle = sums[:, SHOWN.index("naive")], sums[:, SHOWN.index("oracle")]
    closed = {name: 100.0 * (naive - sums[:, n]) / (naive - oracle) for n, name in enumerate(SHOWN)}
    return closed, {what: float(stored[f"note: {what} taken"].mean()) for what in _ASKED}


def journey_rows(day: str, closed: Mapping[str, Floats], taken: Mapping[str, float]) -> list[dict[str, Cell]]:
    """One row for each method at a clock."""
    better = np.maximum(*(closed[name] for name in PLAIN))
    return [
        _row(
            f"Complete Journey, {day}",
            name,
            closed[name],
            float(better[0] - closed[name][0]) if name in {DEFAULT, FIXED} else None,
            taken if name == DEFAULT else {},
        )
        for name in SHOWN
    ]


def journey_claims(clocks: Mapping[str, Mapping[str, Floats]]) -> dict[str, float]:
    """What the choice and the fixed rule close at the clocks, and what they fall short of."""
    claims: dict[str, float] = {}
    for key, name in (("", DEFAULT), ("_fixed", FIXED)):
        closed = np.stack([each[name] for each in clocks.values()])
        better = np.stack([np.maximum(*(each[plain] for plain in PLAIN)) for each in clocks.values()])
        figures = {
            "gap_closed_min_of_best_four": np.sort(closed, axis=0)[-4],
            "shortfall_to_better_rule": np.maximum(better - closed, 0.0).mean(axis=0),
            "shortfall_to_better_rule_signed": (better - closed).mean(axis=0),
            "gap_closed_mean": closed.mean(axis=0),
        }
        for figure, values in figures.items():
            found = interval_of(float(values[0]), values[1:])
            for end, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
                claims[f"{figure}{key}{end}"] = value
    ahead = np.stack([each[DEFAULT] - each[FIXED] for each in clocks.values()]).mean(axis=0)
    gained = interval_of(float(ahead[0]), ahead[1:])
    claims |= {"gap_closed_gained": gained.value, "gap_closed_gained_low": gained.low}
    claims["gap_closed_gained_high"] = gained.high
    for day, each in clocks.items():
        named = day.replace("-", "_")
        found = interval_of(float(each[DEFAULT][0]), each[DEFAULT][1:])
        claims |= {f"gap_closed_{named}": found.value, f"gap_closed_fixed_{named}": float(each[FIXED][0])}
        claims |= {f"gap_closed_low_{named}": found.low, f"gap_closed_high_{named}": found.high}
    return claims


def play(kind: str, seed: int, clock: int, params: Params) -> dict[str, Any]:
    """Let the choice and both sides of the fixed rule learn from one simulated world."""
    delay = params.delay
    boosting = Boosting(
        delay.iterations, delay.learning_rate, delay.leaves, delay.min_rows_in_leaf, delay.l2, seed, threads=1
    )
    with threadpool_limits(1):
        trial = methods.begin(simulate(KINDS[kind], seed, clock), clock, boosting, delay.counterfactual_clocks)
        corrected, notes = methods.corrections(trial, delay.max_weight)
    quality = {name: asdict(each) for name, each in (methods.references(trial) | corrected).items()}
    fixed = "P/Q, guarded" if notes["positives"] >= MANY else RECALIBRATED  # each is of a customer of its own
    return {"seed": seed, "notes": notes, "quality": quality | {FIXED: quality[fixed]}}


def world_rows(kind: str, trials: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Cell]], dict[str, float]]:
    """One row for each method in a kind of worlds, and how far the choice is ahead of the fixed rule, by seed."""
    key = kind.replace(" ", "_").replace("-", "_").replace(",", "")
    taken = {what: float(np.mean([each["notes"][f"{what} taken"] for each in trials])) for what in _ASKED}
    recovered = {
        name: np.array(list(simulated.recovered(trials, name).values()))
        for name in (DEFAULT, FIXED, RECALIBRATED, "P/Q, guarded", "wait", "naive", "oracle")
    }
    rows = [
        _row(
            f"simulated, {kind}", name, np.concatenate([[ri.mean()], _ends(ri)]), None, taken if name == DEFAULT else {}
        )
        | {"worst seed": float(ri.min())}
        for name, ri in recovered.items()
    ]
    ahead = recovered[DEFAULT] - recovered[FIXED]
    low, high = _ends(ahead)
    return rows, {
        f"ri_gained_{key}": float(ahead.mean()),
        f"ri_gained_low_{key}": low,
        f"ri_gained_high_{key}": high,
        f"ri_{key}": float(recovered[DEFAULT].mean()),
        f"ri_worst_{key}": float(recovered[DEFAULT].min()),
        f"ri_fixed_{key}": float(recovered[FIXED].mean()),
        f"ri_worst_fixed_{key}": float(recovered[FIXED].min()),
    }


def _ends(values: Floats) -> tuple[float, float]:
    """95 % interval of the mean over seeds."""
    reach = half_width(float(values.std(ddof=1)), len(values))
    return float(values.mean()) - reach, float(values.mean()) + reach


def _row(log: str, method: str, closed: Floats, shortfall: float | None, taken: Mapping[str, float]) -> dict[str, Cell]:
    bounds = interval_of(float(closed[0]), closed[1:]) if len(closed) > 3 else None
    return {
        "log": log,
        "method": method,
        "gap closed %": float(closed[0]),
        "low": bounds.low if bounds else float(closed[1]),
        "high": bounds.high if bounds else float(closed[2]),
        "worst seed": None,
        "shortfall": shortfall,
        **{f"{what} taken": taken.get(what) for what in _ASKED},
    }


def main() -> None:
    """Run, or go on, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clocks", nargs="+", default=list(complete_journey.CLOCKS), help="four at least")
    parser.add_argument("--fresh", action="store_true", help="forget stored predictions and trials")
    asked = parser.parse_args()
    params = read_params(ROOT / "params.yaml")
    clocks, rows = {}, []
    for day in track(asked.clocks, "clocks"):
        closed, taken = judge_clock(complete_journey.predictions(day, params, fresh=asked.fresh), params.run.seed)
        clocks[day] = closed
        rows += journey_rows(day, closed, taken)
    claims = journey_claims(clocks)
    done = Trials("delay_choice", fresh=asked.fresh)
    settings = settings_key(params.delay)
    groups: dict[str, tuple[str, tuple[int, ...]]] = {kind: (kind, simulated.SEEDS) for kind in WORLDS}
    groups["few positives, further seeds"] = (few_positives.KIND, few_positives.SEEDS)
    for group, (kind, seeds) in groups.items():
        trials = []
        for seed, clock in track([(seed, clock) for seed in seeds for clock in simulated.CLOCKS], group):
            key = f"{kind} {seed} {clock} {settings}"
            trials.append(done.run(key, partial(play, kind, seed, clock, params)))
        more, figures = world_rows(group, trials)
        rows += more
        claims |= figures
    used = [params.run.seed, *simulated.SEEDS, *few_positives.SEEDS]
    publish(Finding("delay_choice", used, rows, claims))


if __name__ == "__main__":
    main()
