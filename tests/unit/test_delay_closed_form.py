"""Discrete worlds, small enough to enumerate, in which every estimator's loss is known exactly.

P is the finished world. Q is what an estimator works on: the snapshot at a clock, or the stream that an online learner
was fed. An estimator is unbiased when its weighted loss on Q, per example or feeding, equals the loss on P for any
scores. Every name of the house stands in exactly one of two lists: UNBIASED, or BIASED with the loss that it does have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.estimators import FOR_BENCHMARKS, FOR_RUNS
from onward.delay.reference import naive, oracle, wait
from onward.delay.soft_labels import dfm, soft_label, soft_label_without_engagement
from onward.delay.stream import Stream, defer, defuse, es_dfm, fnc, fnw, undo_fake_negatives
from onward.delay.weights import fsiw, importance_weight, self_cancelling

X, E, A = 6, 5, 3
OBSERVED, LATE, NEVER = range(3)
AGES = np.array([1.0, 2.0, 4.0, 7.0, 9.0])  # days; the last one is past the window
PROMPT, CAME, COMING, NO = range(4)


def cross_entropy(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    return -(truth * np.log(score) + (1 - truth) * np.log(1 - score))


@dataclass(frozen=True)
class Outcome:
    """The loss per unit of what an estimator worked on, and for each x the score that minimises it."""

    loss: float
    minimiser: np.ndarray


class Finished:
    """x has 6 values; each converts at its own rate."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.x_mass = self.draw.dirichlet(np.ones(X))
        self.rate = self.draw.uniform(0.02, 0.5, X)
        self.scores = self.draw.uniform(0.05, 0.9, X)

    def loss(self, tilt: np.ndarray | float = 1.0, rate: np.ndarray | None = None) -> float:
        """Loss on P; with x reweighted by `tilt`, or with another rate."""
        mass = self.x_mass * tilt
        return float((mass * cross_entropy(self.rate if rate is None else rate, self.scores)).sum() / mass.sum())

    def judge(self, rows: LabelledRows, mass: np.ndarray, unit: float) -> Outcome:
        """Weigh rows over atoms that are laid out x by x."""
        x = np.repeat(np.arange(X), len(mass) // X)[rows.example]
        weight = mass[rows.example] * rows.weight
        positive = np.bincount(x, weight * rows.label, X)
        negative = np.bincount(x, weight * (1 - rows.label), X)
        loss = -(positive * np.log(self.scores) + negative * np.log(1 - self.scores)).sum() / unit
        return Outcome(float(loss), positive / (positive + negative))


class Clock(Finished):
    """A snapshot: e has 5 values (the last one matured), the engagement seen by then 3, and a label is one of
    observed, late and never."""

    def __init__(self, seed: int, arrived: np.ndarray | None = None) -> None:
        super().__init__(seed)
        self.age_mass = self.draw.dirichlet(np.ones(E))
        if arrived is None:
            arrived = np.sort(self.draw.uniform(0.05, 0.98, (X, E)), axis=1)
        self.arrived = np.broadcast_to(arrived, (X, E)).copy()
        self.arrived[:, -1] = 1.0
        positive = self.rate[:, None] * self.arrived
        label = np.stack([positive, self.rate[:, None] - positive, np.repeat(1 - self.rate[:, None], E, 1)], axis=2)
        engagement = self.draw.dirichlet(np.ones(A), (X, E, 3))
        self.mass = (self.x_mass[:, None] * self.age_mass)[:, :, None, None] * label[..., None] * engagement

    def z(self, *seen: str) -> np.ndarray:
        """P(late | not observed, seen), for each atom."""
        return self._share(self.mass[:, :, LATE], self.mass[:, :, NEVER], seen)

    def g(self, *seen: str) -> np.ndarray:
        """P(observed | converts, seen), for each atom."""
        return self._share(self.mass[:, :, OBSERVED], self.mass[:, :, LATE], seen)

    def snapshot(self, z: str = "xae", blind: str = "xe", g: str = "xe") -> Snapshot:
        observed, matured = self.flags(label=OBSERVED), self.flags(age=E - 1)
        return Snapshot(observed, matured, *(self.spread(each) for each in (self.z(*z), self.z(*blind), self.g(*g))))

    def flags(self, label: int | None = None, age: int | None = None) -> np.ndarray:
        flags = np.zeros((X, E, 3, A), bool)
        flags[:, slice(None) if age is None else age, slice(None) if label is None else label] = True
        return flags.ravel()

    def spread(self, values: np.ndarray) -> np.ndarray:
        """From [x, e, a] to atoms; shorter shapes repeat."""
        return np.broadcast_to(values[:, :, None, :], (X, E, 3, A)).ravel()

    def by_x(self, values: np.ndarray) -> np.ndarray:
        return np.repeat(values, E * 3 * A)

    def try_out(self, rows: LabelledRows) -> Outcome:
        kept = np.unique(rows.example)
        return self.judge(rows, self.mass.ravel(), float(self.mass.ravel()[kept].sum()))

    @staticmethod
    def _share(part: np.ndarray, rest: np.ndarray, seen: tuple[str, ...]) -> np.ndarray:
        summed = tuple(axis for axis, name in enumerate(("x", "e", "a")) if name not in seen)
        top, total = part.sum(summed, keepdims=True), (part + rest).sum(summed, keepdims=True)
        return np.broadcast_to(top / total, part.shape)


class Feed(Finished):
    """A stream: of the late conversions a share `steady` flows in. 1 is the steady state, below it a snapshot."""

    def __init__(self, seed: int, steady: float = 1.0, wait: bool = True) -> None:
        super().__init__(seed)
        prompt = self.rate * (self.draw.uniform(0.1, 0.9, X) if wait else 0.0)
        self.delayed = self.rate - prompt
        self.real_negative = (1 - self.rate) / (1 - prompt)
        came = steady * self.delayed
        self.mass = (self.x_mass[:, None] * np.stack([prompt, came, self.delayed - came, 1 - self.rate], 1)).ravel()
        state = np.tile(np.arange(4), X)
        late = np.isin(state, (CAME, COMING))
        self.stream = Stream(np.ones(4 * X, bool), state == PROMPT, state == CAME, ~late)

    def by_x(self, values: np.ndarray) -> np.ndarray:
        return np.repeat(values, 4)

    def try_out(self, rows: LabelledRows, *, twice: bool = False) -> Outcome:
        fed_again = self.stream.late | (self.stream.closed & twice)
        return self.judge(rows, self.mass, float(self.mass.sum() + self.mass[fed_again].sum()))


UNBIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome]]]
BIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome, float, np.ndarray]]]
unclipped = {"max_weight": np.inf}


def on_snapshot(estimator: Callable[[Snapshot], LabelledRows], seed: int) -> tuple[Finished, Outcome]:
    world = Clock(seed)
    return world, world.try_out(estimator(world.snapshot()))


def with_truth(seed: int) -> tuple[Finished, Outcome]:
    world = Clock(seed)
    return world, world.try_out(oracle(~world.flags(label=NEVER)))


def run_defer(seed: int, steady: float = 1.0) -> tuple[Finished, Outcome]:
    world = Feed(seed, steady)
    rows = defer(world.stream, world.by_x(world.rate), world.by_x(world.delayed))
    return world, world.try_out(rows, twice=True)


UNBIASED = {
    "oracle": with_truth,
    "wait": partial(on_snapshot, wait),
    "soft_label": partial(on_snapshot, soft_label),
    "soft_label_without_engagement": partial(on_snapshot, soft_label_without_engagement),
    "importance_weight": partial(on_snapshot, partial(importance_weight, **unclipped)),
    "fsiw": partial(on_snapshot, partial(fsiw, **unclipped)),
    "self_cancelling": partial(on_snapshot, partial(self_cancelling, **unclipped)),
    "defer": run_defer,
}


def run_naive(seed: int) -> tuple[Finished, Outcome, float, np.ndarray]:
    """Biased in loss and minimiser: the rate is short by the share that has not arrived."""
    world = Clock(seed)
    short = world.rate * (world.arrived @ world.age_mass)
    return world, world.try_out(naive(world.snapshot())), world.loss(rate=short), short


def run_dfm(seed: int) -> tuple[Finished, Outcome, float, np.ndarray]:
    """Biased in loss and minimiser, even with the true score, unless delays are exponential (see below)."""
    world, hazard = Clock(seed), 0.3
    age = np.broadcast_to(AGES[:, None], (X, E, A))
    rows = dfm(world.snapshot(), world.spread(age), world.by_x(world.rate), np.full(X * E * 3 * A, hazard))
    left = world.rate[:, None] * np.exp(-hazard * AGES)
    z = left / (1 - world.rate[:, None] + left)
    observed = world.rate[:, None] * world.arrived
    off = np.where(np.arange(E) < E - 1, observed + (1 - observed) * z, observed) @ world.age_mass
    return world, world.try_out(rows), world.loss(rate=off), off


def run_fnc(seed: int, steady: float = 1.0) -> tuple[Finished, Outcome, float, np.ndarray]:
    """Biased in loss and minimiser: the rate appears as p / (1 + p), which the score then undoes."""
    world = Feed(seed, steady, wait=False)
    raw = world.rate / (1 + world.rate)
    return world, world.try_out(fnc(world.stream)), world.loss(1 + world.rate, raw), raw


def run_fnw(seed: int, steady: float = 1.0) -> tuple[Finished, Outcome, float, np.ndarray]:
    """Biased in loss only, and only when p is already known: x counts 1 + p times."""
    world = Feed(seed, steady, wait=False)
    outcome = world.try_out(fnw(world.stream, world.by_x(world.rate)))
    unit = (world.x_mass * (1 + world.rate)).sum()
    twice = world.x_mass * (1 + world.rate)
    return world, outcome, float((twice * cross_entropy(world.rate, world.scores)).sum() / unit), world.rate


def fed_late(seed: int, method: Callable[..., LabelledRows], steady: float = 1.0):
    """Biased in loss only: x counts 1 + p_dp times, as often as it is fed."""
    world = Feed(seed, steady)
    rows = method(world.stream, world.by_x(world.delayed), world.by_x(world.real_negative))
    return world, world.try_out(rows), world.loss(1 + world.delayed), world.rate


BIASED = {
    "naive": run_naive,
    "dfm": run_dfm,
    "fnc": run_fnc,
    "fnw": run_fnw,
    "es_dfm": partial(fed_late, method=es_dfm),
    "defuse": partial(fed_late, method=defuse),
}
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def test_every_estimator_stands_in_exactly_one_list() -> None:
    names = [*FOR_RUNS, *FOR_BENCHMARKS]
    assert len(names) == len(set(names))
    assert sorted([*UNBIASED, *BIASED]) == sorted(names)


@SEEDS
def test_the_worlds_are_probability_distributions(seed: int) -> None:
    assert Clock(seed).mass.sum() == pytest.approx(1.0, abs=1e-14)
    assert Clock(seed).mass[:, -1, LATE].sum() == 0.0
    assert Feed(seed).mass.sum() == pytest.approx(1.0, abs=1e-14)


@SEEDS
@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_loss_equals_the_loss_on_the_finished_world(name: str, seed: int) -> None:
    world, outcome = UNBIASED[name](seed)
    assert abs(outcome.loss - world.loss()) <= 1e-12
    np.testing.assert_allclose(outcome.minimiser, world.rate, atol=1e-12)


@SEEDS
@pytest.mark.parametrize("name", BIASED)
def test_biased_loss_is_off_by_what_is_known(name: str, seed: int) -> None:
    world, outcome, loss, minimiser = BIASED[name](seed)
    assert abs(outcome.loss - loss) <= 1e-12
    np.testing.assert_allclose(outcome.minimiser, minimiser, atol=1e-12)
    assert abs(outcome.loss - world.loss()) > 1e-4


@SEEDS
def test_naive_is_short_for_every_x_and_fnc_undone_is_right(seed: int) -> None:
    world, outcome, *_ = run_naive(seed)
    assert np.all(outcome.minimiser < world.rate)
    world, outcome, *_ = run_fnc(seed)
    np.testing.assert_allclose(undo_fake_negatives(outcome.minimiser), world.rate, atol=1e-12)


@SEEDS
def test_the_exponential_model_is_exact_where_delays_are_exponential(seed: int) -> None:
    hazard = 0.25
    world = Clock(seed, arrived=1 - np.exp(-hazard * AGES))
    age = np.broadcast_to(AGES[:, None], (X, E, A))
    rows = dfm(world.snapshot(), world.spread(age), world.by_x(world.rate), np.full(X * E * 3 * A, hazard))
    assert abs(world.try_out(rows).loss - world.loss()) <= 1e-12


@SEEDS
@pytest.mark.parametrize("method", ["fnc", "fnw", "es_dfm", "defuse", "defer"])
def test_streams_that_are_not_steady_bias_every_method_that_rests_on_them(method: str, seed: int) -> None:
    # On a batch snapshot the late conversions of the youngest examples have not flowed in, and none replaces them.
    runs = {
        "fnc": run_fnc,
        "fnw": run_fnw,
        "defer": run_defer,
        "es_dfm": partial(fed_late, method=es_dfm),
        "defuse": partial(fed_late, method=defuse),
    }
    world, outcome, *_ = runs[method](seed, steady=0.5)
    found = undo_fake_negatives(outcome.minimiser) if method == "fnc" else outcome.minimiser
    assert np.all(found < world.rate - 1e-3)


@SEEDS
def test_fake_negative_weights_rest_on_the_score_they_are_given(seed: int) -> None:
    world = Feed(seed, wait=False)
    half = world.try_out(fnw(world.stream, world.by_x(world.rate / 2))).minimiser
    assert np.all(half < world.rate - 1e-5)


MISLED: Mapping[str, tuple[Callable[[Snapshot], LabelledRows], str, str]] = {
    "soft label, z(e) blind to x": (soft_label, "e", "xe"),
    "soft label, z(a) blind to x and e": (soft_label, "a", "xe"),
    "P/Q pooled over e: G(x), z(x)": (partial(importance_weight, **unclipped), "x", "x"),
    "P/Q clipped at 1.2": (partial(importance_weight, max_weight=1.2), "xae", "xe"),
}


@SEEDS
@pytest.mark.parametrize("name", MISLED)
def test_unbiased_estimators_with_the_wrong_nuisance_are_caught(name: str, seed: int) -> None:
    estimator, z, g = MISLED[name]
    world = Clock(seed)
    outcome = world.try_out(estimator(world.snapshot(z=z, g=g)))
    assert np.abs(outcome.minimiser - world.rate).max() > 1e-4
    assert abs(outcome.loss - world.loss()) > 1e-5


@SEEDS
def test_weights_with_engagement_in_both_nuisances_are_exact_too(seed: int) -> None:
    world = Clock(seed)
    rows = importance_weight(world.snapshot(g="xae"), **unclipped)
    assert abs(world.try_out(rows).loss - world.loss()) <= 1e-12


@SEEDS
def test_weights_follow_a_rate_that_moved_and_soft_labels_a_delay_that_did(seed: int) -> None:
    # z is learnt from matured examples, so it knows the old world only.
    old, new = Clock(seed), Clock(seed)
    new.rate = 1.5 * old.rate / (1 + 0.5 * old.rate)
    change = np.stack([new.rate / old.rate, new.rate / old.rate, (1 - new.rate) / (1 - old.rate)], 1)
    new.mass = old.mass * change[:, None, :, None]
    stale = old.snapshot()
    gap = {
        name: np.mean(new.try_out(estimator(stale)).minimiser / new.rate)
        for name, estimator in {"pq": partial(importance_weight, **unclipped), "soft": soft_label}.items()
    }
    assert abs(gap["pq"] - 1) < abs(gap["soft"] - 1)
    slower = Clock(seed, arrived=old.arrived**1.6)
    gap = {
        name: np.mean(slower.try_out(estimator(stale)).minimiser / slower.rate)
        for name, estimator in {"pq": partial(importance_weight, **unclipped), "soft": soft_label}.items()
    }
    assert abs(gap["soft"] - 1) < abs(gap["pq"] - 1)
