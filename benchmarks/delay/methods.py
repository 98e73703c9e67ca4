"""Every delay estimator on one simulated world: fit the same model on each one's rows, judge it on the future.

The model is a ridge logistic regression on features and their squares, which is convex: what differs between methods
is what their rows say, not how an optimiser fared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.delay.streaming_methods import defer, defuse, es_dfm, fnc, fnw, read_stream, undo_fake_negatives
from benchmarks.delay.unserved_estimators import dfm, oracle, self_cancelling
from benchmarks.delay.world import FEATURES, HISTORY, TRAINING, WINDOW, World
from onward.boosting import Boosting
from onward.delay.choice import choose_plan
from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.correction import correct
from onward.delay.engagement import read_engagements
from onward.delay.estimators import BLIND
from onward.delay.learning import NuisanceModels, ObservedData, learn
from onward.delay.outcomes import Flags, observe_outcomes
from onward.delay.plan import Plan
from onward.delay.reference import naive, wait
from onward.delay.soft_labels import soft_label, soft_label_without_engagement
from onward.delay.weights import fsiw, importance_weight
from onward.delay.window import Window, see_window
from onward.metrics.classification import area_under_curve, cross_entropy

Floats = npt.NDArray[np.float64]

AS_OF = datetime(2024, 6, 1)
FIRST_LOOK = timedelta(hours=1)  # what ES-DFM, DEFER and DEFUSE wait before an example is fed
DEFAULT = "the default"
ELABORATED = {
    "soft label, guarded, recalibrated": Plan("soft_label", guards_delay=True, recalibrates=True, reason=""),
    "P/Q, guarded": Plan("importance_weight", guards_delay=True, recalibrates=False, reason=""),
}
"""What `delay.estimator: auto` chose between before it asked a log; every conversion tells as much as one."""
_ROUNDS = 6  # refits of methods that weigh by the model's own score
_RIDGE = 3.0


@dataclass(frozen=True)
class Quality:
    """How a fitted model does on the week after the clock, against the true probabilities."""

    nll: float
    pcoc: float
    auc: float


def evidence_of(world: World, clock: float) -> ObservedData:
    """What the product would know of the world at the clock, which is told as `AS_OF`."""
    shown_at = np.datetime64(AS_OF, "us") + _microseconds(world.shown - clock)
    known = world.shown < clock
    ids = np.flatnonzero(known)
    converted = np.flatnonzero(known & world.converts)
    engaged = [
        pd.DataFrame({"impression": who, "kind": kind, "happened_at": shown_at[who] + _microseconds(days[who])})
        for kind, days in (("click", world.clicked), ("cart", world.carted))
        for who in (np.flatnonzero(known & np.isfinite(days)),)
    ]
    outcomes = observe_outcomes(
        pd.DataFrame({"impression": ids, "shown_at": shown_at[ids]}),
        pd.DataFrame(
            {"impression": converted, "converted_at": shown_at[converted] + _microseconds(world.delay[converted])}
        ),
        AS_OF,
        timedelta(days=WINDOW),
    )
    names = tuple(f"x{number}" for number in range(FEATURES))
    log = read_engagements(pd.concat(engaged), AS_OF)
    return ObservedData(outcomes, names, world.features[ids].astype(np.float32), log)


@dataclass(frozen=True)
class Trial:
    """One world at one clock, with what history taught.

    Attributes:
        world: all impressions, those before the clock first.
        evidence: of those before the clock, [n].
        nuisances: nuisances learnt from history.
        design: model inputs of all impressions.
        window: the m impressions that models are trained on.
        boosting: how trees are grown.
        start: coefficients of the naive model, from which every fit starts.
    """

    world: World
    evidence: ObservedData
    nuisances: NuisanceModels
    design: Floats
    window: Window
    boosting: Boosting
    start: Floats

    @property
    def row(self) -> npt.NDArray[np.int64]:
        """Positions of the window in the evidence, [m]."""
        return self.window.row

    @property
    def snapshot(self) -> Snapshot:
        """What an estimator is told about the window, [m]."""
        return self.window.snapshot

    @property
    def known(self) -> int:
        """How many impressions came before the clock; they are the first of the world."""
        return len(self.evidence.features)

    def fit(self, rows: LabelledRows, of: npt.NDArray[np.int64] | None = None, start: Floats | None = None) -> Floats:
        """Fit the model to rows whose examples are positions in `of`, by default in the training window."""
        place = (self.row if of is None else of)[rows.example]
        positive: Floats = np.bincount(place, rows.weight * rows.label, self.known).astype(np.float64)
        negative: Floats = np.bincount(place, rows.weight * (1 - rows.label), self.known).astype(np.float64)
        used = np.flatnonzero((positive != 0) | (negative != 0))
        return fit_logistic(self.design[used], positive[used], negative[used], self.start if start is None else start)

    def score(self, coefficients: Floats) -> Floats:
        """Predict for all impressions before the clock."""
        return predict_logistic(self.design[: self.known], coefficients)

    def judge(self, coefficients: Floats, undo: Callable[[Floats], Floats] | None = None) -> Quality:
        """Compare predictions for the future with the true probabilities."""
        future = slice(self.known, None)
        score = predict_logistic(self.design[future], coefficients)
        score = np.clip(score if undo is None else undo(score), 1e-5, 1 - 1e-5)
        truth = self.world.probability[future]
        nll = float(cross_entropy(truth, score).mean())
        auc = area_under_curve(self.world.converts[future].astype(np.float64), score, np.ones(len(score)))
        return Quality(nll, float(score.mean() / truth.mean()), auc)


def begin(world: World, clock: float, boosting: Boosting, clocks: int) -> Trial:
    """Learn from history and set up the training window."""
    evidence = evidence_of(world, clock)
    matured = evidence.outcomes.matured & (evidence.outcomes.elapsed_days < WINDOW + HISTORY)
    held = np.arange(len(matured)) % 10 == 0
    nuisances = learn(evidence, matured & ~held, matured & held, clocks, boosting)
    design = np.column_stack([np.ones(len(world.shown)), world.features, world.features**2 - 1.0])
    in_window = evidence.outcomes.elapsed_days < TRAINING
    window = see_window(evidence, nuisances, in_window, np.ones(len(in_window), bool))
    row, seen = window.row, window.snapshot.observed
    start = fit_logistic(design[row], seen.astype(np.float64), (~seen).astype(np.float64))
    return Trial(world, evidence, nuisances, design, window, boosting, start)


def corrections(trial: Trial, max_weight: float) -> tuple[dict[str, Quality], dict[str, float]]:
    """What the product may settle on, what it does settle on, and figures of them."""
    found: dict[str, Quality] = {}
    notes: dict[str, float] = {"positives": float(trial.snapshot.observed.sum())}
    each_alone = np.arange(trial.known)  # every impression is of a customer of its own
    chosen = choose_plan(trial.evidence, trial.nuisances, trial.window, each_alone, max_weight, trial.boosting)
    for name, plan in {**ELABORATED, DEFAULT: chosen}.items():
        done = correct(trial.evidence, trial.nuisances, trial.window, plan, max_weight)
        found[name] = trial.judge(trial.fit(done.rows))
        notes |= {
            f"effective share, {name}": done.rows.effective_sample_size / len(done.row),
            f"exponent, {name}": done.delay_shift.exponent,
            f"offset, {name}": done.recalibration.offset,
            f"slope, {name}": done.recalibration.slope,
        }
    return found, notes | notes_of(chosen)


def notes_of(chosen: Plan) -> dict[str, float]:
    """What a log was asked, and what was taken."""
    taken = {
        "engagement": chosen.estimator not in BLIND,
        "recalibration": chosen.recalibrates,
        "weights": chosen.estimator in {"importance_weight", "fsiw"},
    }
    notes = {f"{name} taken": float(each) for name, each in taken.items()}
    for name, each in chosen.evidence.items():
        notes |= {f"{name} gains": each.gain, f"{name} error": each.error}
    return notes


def references(trial: Trial) -> dict[str, Quality]:
    """Naive, waiting, and the truth."""
    known = trial.evidence.outcomes
    older = np.flatnonzero(known.matured & (known.elapsed_days < TRAINING + WINDOW))
    nothing = np.zeros(len(older))
    settled = Snapshot(known.converted[older], known.matured[older], nothing, nothing, nothing)
    return {
        "oracle": trial.judge(trial.fit(oracle(trial.world.converts[trial.row]))),
        "naive": trial.judge(trial.fit(naive(trial.snapshot))),
        "wait": trial.judge(trial.fit(wait(settled), older)),
    }


def on_snapshots(trial: Trial, max_weight: float) -> dict[str, Quality]:
    """Estimators that need a snapshot only."""
    snapshot = trial.snapshot
    found = {
        "soft label without engagement": soft_label_without_engagement(snapshot),
        "soft label": soft_label(snapshot),
        "P/Q": importance_weight(snapshot, max_weight),
        "FSIW": fsiw(snapshot, max_weight),
        "self-cancelling": self_cancelling(snapshot, max_weight),
    }
    return {name: trial.judge(trial.fit(rows)) for name, rows in found.items()} | {"DFM": _dfm(trial)}


def with_z(trial: Trial, pending_probability: Floats) -> Quality:
    """Soft labels by another z, given for the whole world."""
    return trial.judge(
        trial.fit(soft_label(replace(trial.snapshot, pending_probability=pending_probability[trial.row])))
    )


def on_streams(trial: Trial) -> dict[str, Quality]:
    """Methods of streaming learners, on what flowed in during the training window."""
    known, every = trial.evidence.outcomes, np.arange(trial.known)
    start = AS_OF - timedelta(days=TRAINING)
    at_once, waited = read_stream(known, timedelta(0), start), read_stream(known, FIRST_LOOK, start)
    delayed, real_negative = _first_look_nuisances(trial)
    found = {
        "FNC": trial.judge(trial.fit(fnc(at_once), every), undo_fake_negatives),
        "ES-DFM": trial.judge(trial.fit(es_dfm(waited, delayed, real_negative), every)),
        "DEFUSE": trial.judge(trial.fit(defuse(waited, delayed, real_negative), every)),
    }
    model = trial.fit(fnc(at_once), every)
    for _ in range(_ROUNDS):
        model = trial.fit(fnw(at_once, trial.score(model)), every, model)
    found["FNW"] = trial.judge(model)
    model = trial.fit(es_dfm(waited, delayed, real_negative), every)
    for _ in range(_ROUNDS):
        model = trial.fit(defer(waited, trial.score(model), delayed), every, model)
    return found | {"DEFER": trial.judge(model)}


def shuffle_engagement(world: World, seed: int) -> World:
    """Give each impression the engagement of another one shown at nearly the same time."""
    draw = np.random.default_rng([seed, 603])
    order = np.lexsort((draw.random(len(world.shown)), np.arange(len(world.shown)) // 400))
    return replace(world, clicked=world.clicked[order], carted=world.carted[order])


def fit_logistic(design: Floats, positive: Floats, negative: Floats, start: Floats | None = None) -> Floats:
    """Minimise the weighted cross-entropy with a ridge on all but the first column, by Newton's method.

    Args:
        design: [n, f], the first column 1.
        positive: weight of label 1, [n].
        negative: weight of label 0, [n]; may be below zero while the sum of both is not.
        start: coefficients to start from.
    """
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 1e-6
    total = positive + negative
    found = np.zeros(design.shape[1]) if start is None else start.copy()
    if start is None:
        found[0] = np.log(max(positive.sum(), 1.0) / max(negative.sum(), 1.0))
    for _ in range(15):
        score = predict_logistic(design, found)
        curvature = np.maximum(total * score * (1 - score), 1e-9)
        hessian = (design * curvature[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, design.T @ (total * score - positive) + ridge * found)
        found = found - step
        if np.abs(step).max() < 1e-5:
            break
    return found


def predict_logistic(design: Floats, coefficients: Floats) -> Floats:
    """P(1) [n]."""
    score: Floats = 1.0 / (1.0 + np.exp(-np.clip(design @ coefficients, -30.0, 30.0)))
    return score


def _dfm(trial: Trial) -> Quality:
    """Chapelle's model by expectation and maximisation: logistic score, log-linear hazard."""
    row, snapshot, known = trial.row, trial.snapshot, trial.evidence.outcomes
    elapsed, inputs = known.elapsed_days[row], trial.design[row, : 1 + FEATURES]
    exposure = np.where(snapshot.observed, known.delay_days[row], elapsed)
    model, log_hazard = trial.fit(naive(snapshot)), np.zeros(1 + FEATURES)
    for _ in range(3 * _ROUNDS):
        hazard = np.exp(np.clip(inputs @ log_hazard, -8.0, 8.0))
        rows = dfm(snapshot, elapsed, trial.score(model)[row], hazard)
        model = trial.fit(rows, start=model)
        converts: Floats = np.bincount(rows.example, rows.weight * rows.label, len(row)).astype(np.float64)
        log_hazard = _hazard_step(inputs, snapshot.observed, converts * exposure, log_hazard)
    return trial.judge(model)


def _hazard_step(inputs: Floats, observed: Flags, exposure: Floats, log_hazard: Floats) -> Floats:
    """Newton steps of exponential regression: `observed` events over the expected exposure of those who convert."""
    for _ in range(4):
        expected = exposure * np.exp(np.clip(inputs @ log_hazard, -8.0, 8.0))
        gradient = inputs.T @ (observed - expected) - log_hazard
        hessian = (inputs * expected[:, None]).T @ inputs + np.eye(inputs.shape[1])
        log_hazard = log_hazard + np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
    return log_hazard


def _first_look_nuisances(trial: Trial) -> tuple[Floats, Floats]:
    """P(converts after the first look | x) and P(never | x, not by the first look), from matured examples."""
    known = trial.evidence.outcomes
    matured = known.matured
    late = known.converted & (known.delay_days > FIRST_LOOK / timedelta(days=1))
    open_ = matured & ~(known.converted & ~late)
    models = [
        fit_logistic(trial.design[: len(matured)][chosen], event[chosen].astype(float), (~event[chosen]).astype(float))
        for chosen, event in ((matured, late), (open_, ~known.converted))
    ]
    delayed, real_negative = (trial.score(model) for model in models)
    return delayed, real_negative


def _microseconds(days: Floats) -> npt.NDArray[np.timedelta64]:
    return np.round(days * 86_400e6).astype("timedelta64[us]")
