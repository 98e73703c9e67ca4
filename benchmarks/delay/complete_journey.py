"""Delay estimators on Complete Journey, replayed: at five clocks, on households that no model has seen.

At each clock every method gets the same late labels of 56 days, of one half of the households, and fits the same
boosted trees; impressions of the other half in the following 14 days judge them, once their 28 days have passed. Then
the halves swap. "Gap closed" is (naive − method) / (naive − oracle) of the log loss, with an interval from resampled
households. A purchase settles many impressions of one household at once, which is why halves are disjoint.

Impressions are built from baskets, mailers and displays: a stand-in for a log of recommendations.
Predictions are kept in artifacts/benchmarks/, so that a stopped run goes on where it was; `--fresh` forgets them.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.progress import Progress

from benchmarks.delay.methods import DEFAULT, ELABORATED, notes_of
from benchmarks.delay.unserved_estimators import oracle
from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.boosting import Boosting
from onward.data.features import CATEGORICAL_PREFIX, build_features
from onward.data.sources import read_source
from onward.data.splits import SPLITS, assign_splits
from onward.data.validation import validate
from onward.delay.choice import choose_plan
from onward.delay.contract import LabelledRows
from onward.delay.correction import correct
from onward.delay.engagement import read_engagements
from onward.delay.learning import NuisanceModels, ObservedData, learn
from onward.delay.outcomes import Flags, observe_outcomes
from onward.delay.plan import count_positives, named_plan
from onward.delay.window import see_window
from onward.metrics.classification import area_under_curve, cross_entropy
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Interval
from onward.params import Params, read_params

Floats = npt.NDArray[np.float64]

CLOCKS = ("2017-09-01", "2017-09-20", "2017-10-15", "2017-11-05", "2017-11-20")
STORE = ROOT / "artifacts" / "benchmarks"
SOFT_BLIND = "soft label without engagement"
RECALIBRATED = "soft label, guarded, recalibrated"
SHUFFLED = "soft label, engagement shuffled"
_SAMPLES = 1000
_NO_METHODS = ("converts", "customer", "first half")


@dataclass(frozen=True)
class Replay:
    """All impressions around one clock, with how they ended.

    Attributes:
        impressions: impression, customer, shown_at; impression is the row number.
        conversions: impression, converted_at, to the end.
        engagements: impression, kind, happened_at, to the end.
        names: feature names.
        features: float32 [n, f].
        converts: [n].
        first_half: whether the household belongs to the first half, [n].
    """

    impressions: pd.DataFrame
    conversions: pd.DataFrame
    engagements: pd.DataFrame
    names: tuple[str, ...]
    features: npt.NDArray[np.float32]
    converts: Flags
    first_half: Flags


def read_replay(params: Params, clock: datetime) -> Replay:
    """Build the log of the history before a clock, the test days after it, and their outcomes."""
    run = params.run
    start, end = clock - timedelta(days=run.history_days), clock + timedelta(days=run.backtest_days) + run.window
    log = read_source("complete_journey", params.sources.model_dump(), run.window, start, end, threads=1)
    tables = {name: table.to_pandas() for name, table in validate(log, end, run.window, threads=1).tables.items()}
    del log
    products = tables["products"].sort_values("product_id", ignore_index=True)
    product = pd.Index(products["product_id"])
    purchases = tables["purchases"]
    household = pd.Index(pd.unique(pd.concat([purchases["customer_id"], tables["impressions"]["customer_id"]])))
    bought = pd.DataFrame(
        {
            "customer": household.get_indexer(purchases["customer_id"]),
            "order": pd.factorize(purchases["order_id"])[0],
            "product": product.get_indexer(purchases["product_id"]),
            "purchased_at": purchases["purchased_at"],
            "quantity": purchases["quantity"],
            "amount": purchases["amount"],
        }
    )
    shown = tables["impressions"].sort_values(["shown_at", "impression_id"], ignore_index=True)
    impressions = pd.DataFrame(
        {
            "impression": np.arange(len(shown)),
            "customer": household.get_indexer(shown["customer_id"]),
            "source": product.get_indexer(shown["source_product_id"]),
            "target": product.get_indexer(shown["target_product_id"]),
            "shown_at": shown["shown_at"],
        }
    )
    context = shown[[name for name in shown.columns if name.startswith("context_")]]
    built = build_features(products.assign(product=np.arange(len(products))), bought, impressions, context)
    number = pd.Index(shown["impression_id"])
    events = {
        name: tables[name].assign(impression=number.get_indexer(tables[name]["impression_id"]))
        for name in ("conversions", "engagements")
    }
    frame = built.frame.drop(columns="impression")
    halves = assign_splits(household.tolist(), dict.fromkeys(SPLITS, 0.0) | {"train": 0.5, "test": 0.5}, "halves")
    return Replay(
        impressions[["impression", "customer", "shown_at"]],
        events["conversions"][["impression", "converted_at"]],
        events["engagements"][["impression", "kind", "happened_at"]],
        tuple(frame.columns),
        frame.to_numpy(np.float32),
        np.isin(np.arange(len(shown)), events["conversions"]["impression"]),
        (halves == "train")[impressions["customer"].to_numpy()],
    )


def shuffle_engagements(replay: Replay, seed: int) -> Replay:
    """Give each impression what followed another one of the same moment, that is of the same day."""
    draw, moment = np.random.default_rng(seed), replay.impressions["shown_at"].to_numpy()
    order = np.lexsort((draw.random(len(moment)), moment))  # moments ascend, so position and owner share one
    owner = order[replay.engagements["impression"].to_numpy()]
    return replace(replay, engagements=replay.engagements.assign(impression=owner))


@dataclass(frozen=True)
class Half:
    """One half of the households at one clock: what may be learnt from it, and on whom it is judged.

    Attributes:
        replay: everything.
        evidence: what is known at the clock of impressions shown before it; they come first.
        learners: households of this half, over the evidence.
        window: shown in the training window, over the evidence.
        judged: impressions of the other half in the test days, positions in the replay.
    """

    replay: Replay
    evidence: ObservedData
    learners: Flags
    window: Flags
    judged: npt.NDArray[np.int64]


def halve(replay: Replay, params: Params, clock: datetime, *, first: bool) -> Half:
    """Part the replay at the clock and between households."""
    run = params.run
    shown = replay.impressions["shown_at"].to_numpy("datetime64[us]")
    known = int(np.searchsorted(shown, np.datetime64(clock)))
    outcomes = observe_outcomes(replay.impressions.iloc[:known], replay.conversions, clock, run.window)
    mine = replay.first_half == first
    evidence = ObservedData(
        outcomes, replay.names, replay.features[:known], read_engagements(replay.engagements, clock)
    )
    tested = (shown >= np.datetime64(clock)) & (shown < np.datetime64(clock + timedelta(days=run.backtest_days)))
    return Half(
        replay,
        evidence,
        mine[:known],
        outcomes.elapsed_days <= run.training_days,
        np.flatnonzero(tested & ~mine),
    )


def teach(half: Half, params: Params) -> NuisanceModels:
    """Learn the nuisances from matured history of this half; a tenth of its households check z."""
    checked = half.replay.impressions["customer"].to_numpy()[: len(half.learners)] % 10 == 0
    return learn(
        half.evidence,
        half.learners & ~checked,
        half.learners & checked,
        params.delay.counterfactual_clocks,
        _boosting(params),
    )


def _boosting(params: Params) -> Boosting:
    delay = params.delay
    return Boosting(
        delay.iterations,
        delay.learning_rate,
        delay.leaves,
        delay.min_rows_in_leaf,
        delay.l2,
        params.run.seed,
        threads=1,
    )


def fit_and_score(half: Half, rows: LabelledRows, row: npt.NDArray[np.int64], params: Params) -> Floats:
    """Fit the same trees for every method and predict the judged impressions."""
    scorer, replay = params.scorer, half.replay
    settings = {
        "objective": "binary",
        "learning_rate": scorer.learning_rate,
        "num_leaves": scorer.leaves,
        "min_data_in_leaf": scorer.min_rows_in_leaf,
        "min_data_per_group": scorer.min_rows_in_leaf,
        "lambda_l2": scorer.l2,
        "cat_l2": scorer.l2,
        "feature_fraction": scorer.feature_share,
        "max_bin": 63,
        "seed": params.run.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(
        replay.features[row[rows.example]],
        label=rows.label,
        weight=rows.weight,
        categorical_feature=[n for n, name in enumerate(replay.names) if name.startswith(CATEGORICAL_PREFIX)],
        params=settings,
    )
    model = lgb.train(settings, data, num_boost_round=scorer.iterations)
    return np.asarray(model.predict(replay.features[half.judged], num_threads=1), np.float64)


def judge_half(half: Half, shuffled: Half, params: Params) -> tuple[dict[str, Floats], dict[str, float]]:
    """Predictions of every method for the judged impressions, and figures about z and what was chosen."""
    nuisances, misled = teach(half, params), teach(shuffled, params)
    max_weight = params.delay.max_weight
    window = see_window(half.evidence, nuisances, half.window, half.learners)
    mine = np.flatnonzero(window.learning)
    truth = oracle(half.replay.converts[window.row[mine]])
    scored = {"oracle": fit_and_score(half, truth, window.row[mine], params)}
    customer = half.replay.impressions["customer"].to_numpy()[: len(half.learners)]
    positives = count_positives(customer[half.evidence.outcomes.converted & half.window & half.learners])
    chosen = choose_plan(half.evidence, nuisances, window, customer, max_weight, _boosting(params))
    recalibrated = replace(ELABORATED[RECALIBRATED], independence=positives.independence)
    blind = replace(recalibrated, estimator="soft_label_without_engagement")
    plans = {name.replace("_", " "): named_plan(name) for name in ("naive", "wait", "soft_label")}
    plans |= {SOFT_BLIND: named_plan("soft_label_without_engagement"), "P/Q": named_plan("importance_weight")}
    plans |= ELABORATED | {RECALIBRATED: recalibrated, f"{RECALIBRATED}, without engagement": blind, DEFAULT: chosen}
    notes = {"positives": float(positives.observed), "independent positives": positives.independent}
    notes |= {"auc of z": float(nuisances.check.auc or 0.5)}
    notes |= {"auc of z without engagement": float(nuisances.check_without_engagement.auc or 0.5)}
    for name, plan in plans.items():
        done = correct(half.evidence, nuisances, window, plan, max_weight)
        scored[name] = fit_and_score(half, done.rows, done.row, params)
        if name == RECALIBRATED:
            notes |= {"exponent": done.delay_shift.exponent, "offset": done.recalibration.offset}
    notes |= notes_of(chosen)
    astray = see_window(shuffled.evidence, misled, half.window, half.learners)
    done = correct(shuffled.evidence, misled, astray, plans["soft label"], max_weight)
    scored[SHUFFLED] = fit_and_score(half, done.rows, done.row, params)
    return scored, notes


def run_clock(params: Params, day: str, path: Path) -> None:
    """Judge both halves at a clock and store predictions, truths and households."""
    clock = datetime.combine(date.fromisoformat(day), time.min)
    replay = read_replay(params, clock)
    shuffled = shuffle_engagements(replay, params.run.seed)
    parts: dict[str, list[Floats]] = {}
    for first in (True, False):
        half, control = (halve(each, params, clock, first=first) for each in (replay, shuffled))
        scored, notes = judge_half(half, control, params)
        scored |= {
            "converts": replay.converts[half.judged].astype(np.float64),
            "first half": np.full(len(half.judged), float(first)),
            "customer": replay.impressions["customer"].to_numpy(np.float64)[half.judged],
        }
        scored |= {f"note: {name}": np.array([value]) for name, value in notes.items()}
        for name, values in scored.items():
            parts.setdefault(name, []).append(values)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{name: np.concatenate(each) for name, each in parts.items()})


def rows_of(day: str, stored: dict[str, Floats], seed: int) -> tuple[list[dict[str, Cell]], dict[str, float]]:
    """One row for each method at a clock, and its claims."""
    truth, methods = stored["converts"], [name for name in stored if name not in _NO_METHODS and "note: " not in name]
    loss = {name: cross_entropy(truth, stored[name]) for name in methods}
    ones = np.ones(len(truth))
    households = CustomerBootstrap.of(stored["customer"], _SAMPLES, seed)
    gap = loss["naive"] - loss["oracle"]
    rows: list[dict[str, Cell]] = []
    closed: dict[str, Interval] = {}
    for name in methods:
        closed[name] = households.ratio(loss["naive"] - loss[name], gap)
        pcoc = households.ratio(stored[name], truth)
        rows.append(
            {
                "clock": day,
                "method": name,
                "test positives": int(truth.sum()),
                "NLL": float(loss[name].mean()),
                "gap closed %": 100.0 * closed[name].value,
                "low": 100.0 * closed[name].low,
                "high": 100.0 * closed[name].high,
                "|PCOC − 1|": abs(pcoc.value - 1.0),
                "PCOC low": pcoc.low,
                "PCOC high": pcoc.high,
                "AUC": area_under_curve(truth.astype(np.float64), stored[name], ones),
            }
        )
    key = day.replace("-", "_")
    excess = households.ratio(loss[DEFAULT] - loss["naive"], np.ones(len(truth)))
    claims = {
        f"gap_closed_{key}": 100.0 * closed[DEFAULT].value,
        f"gap_closed_low_{key}": 100.0 * closed[DEFAULT].low,
        f"gap_closed_high_{key}": 100.0 * closed[DEFAULT].high,
        f"nll_excess_over_naive_{key}": excess.value,
        f"nll_excess_over_naive_high_{key}": excess.high,
        f"pcoc_error_{key}": abs(float(stored[DEFAULT].sum() / truth.sum()) - 1.0),
        f"pcoc_error_naive_{key}": abs(float(stored["naive"].sum() / truth.sum()) - 1.0),
    }
    with_own, without = "soft label", SOFT_BLIND
    for other, what in ((without, "none"), (SHUFFLED, "shuffled")):
        gain = households.ratio(loss[other] - loss[with_own], np.ones(len(truth)))
        claims[f"nll_gain_of_engagement_over_{what}_{key}"] = gain.value
        claims[f"nll_gain_of_engagement_over_{what}_low_{key}"] = gain.low
        claims[f"nll_gain_of_engagement_over_{what}_high_{key}"] = gain.high
    for name, values in stored.items():
        if name.startswith("note: "):
            claims[f"{name.removeprefix('note: ').replace(' ', '_')}_{key}"] = float(values.mean())
    return rows, claims


def summarise(days: Sequence[str], params: Params) -> Finding:
    """Tables and claims from the stored predictions."""
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    for day in days:
        more, figures = rows_of(day, predictions(day, params), params.run.seed)
        rows += more
        claims |= figures
    return Finding("delay_complete_journey", [params.run.seed], rows, claims)


def predictions(day: str, params: Params, *, fresh: bool = False) -> dict[str, Floats]:
    """What every method predicts at a clock, beside the truth: stored, or made now."""
    path = _path(day)
    if fresh or not path.exists():
        run_clock(params, day, path)
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _path(day: str) -> Path:
    return STORE / f"delay_complete_journey_{day}.npz"


def main() -> None:
    """Run the clocks that are missing, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clocks", nargs="+", default=list(CLOCKS))
    parser.add_argument("--fresh", action="store_true", help="forget stored predictions")
    asked = parser.parse_args()
    params = read_params(ROOT / "params.yaml")
    with Progress() as progress:
        for day in progress.track(asked.clocks, description="clocks"):
            predictions(day, params, fresh=asked.fresh)
    publish(summarise(asked.clocks, params))


if __name__ == "__main__":
    main()
