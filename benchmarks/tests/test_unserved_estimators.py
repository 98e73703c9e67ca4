"""The estimators that only benchmarks use: their loss in worlds where it is known exactly, and the contract."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.delay.streaming_methods import Stream, defer, defuse, es_dfm, fnc, fnw, undo_fake_negatives
from benchmarks.delay.unserved_estimators import dfm, oracle, self_cancelling
from builders.delay_worlds import NEVER, SEEDS, A, Clock, E, Finished, Outcome, X, cross_entropy
from builders.estimator_contract import PROMISES, snapshots
from onward.delay.contract import Estimator, LabelledRows, Snapshot
from onward.delay.estimators import FOR_BENCHMARKS
from onward.delay.weights import importance_weight

AGES = np.array([1.0, 2.0, 4.0, 7.0, 9.0])  # days; the last one is past the window
PROMPT, CAME, COMING, NO = range(4)


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


def with_truth(seed: int) -> tuple[Finished, Outcome]:
    world = Clock(seed)
    return world, world.try_out(oracle(~world.flags(label=NEVER)))


def run_self_cancelling(seed: int) -> tuple[Finished, Outcome]:
    world = Clock(seed)
    return world, world.try_out(self_cancelling(world.snapshot(), max_weight=np.inf))


def run_defer(seed: int, steady: float = 1.0) -> tuple[Finished, Outcome]:
    world = Feed(seed, steady)
    rows = defer(world.stream, world.by_x(world.rate), world.by_x(world.delayed))
    return world, world.try_out(rows, twice=True)


UNBIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome]]] = {
    "oracle": with_truth,
    "self_cancelling": run_self_cancelling,
    "defer": run_defer,
}


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


BIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome, float, np.ndarray]]] = {
    "dfm": run_dfm,
    "fnc": run_fnc,
    "fnw": run_fnw,
    "es_dfm": partial(fed_late, method=es_dfm),
    "defuse": partial(fed_late, method=defuse),
}


def test_every_estimator_stands_in_exactly_one_list() -> None:
    assert sorted([*UNBIASED, *BIASED]) == sorted(FOR_BENCHMARKS)


@SEEDS
def test_the_stream_is_a_probability_distribution(seed: int) -> None:
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
def test_the_rate_of_fnc_is_right_once_undone(seed: int) -> None:
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
    rate = undo_fake_negatives(outcome.minimiser) if method == "fnc" else outcome.minimiser
    assert np.all(rate < world.rate - 1e-3)


@SEEDS
def test_fake_negative_weights_rest_on_the_score_they_are_given(seed: int) -> None:
    world = Feed(seed, wait=False)
    half = world.try_out(fnw(world.stream, world.by_x(world.rate / 2))).minimiser
    assert np.all(half < world.rate - 1e-5)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@given(snapshot=snapshots())
def test_the_exponential_model_keeps_the_contract(
    promise: Callable[[Estimator, Snapshot], None], snapshot: Snapshot
) -> None:
    promise(lambda given: dfm(given, *np.full((3, len(given.observed)), 0.4)), snapshot)


@given(snapshots(), st.floats(1.0, 50.0))
def test_cancelling_weights_of_an_example_sum_to_one_and_its_positive_weight_is_that_of_pq(
    snapshot: Snapshot, max_weight: float
) -> None:
    rows = self_cancelling(snapshot, max_weight)
    np.testing.assert_allclose(np.bincount(rows.example, rows.weight, len(snapshot.observed)), 1.0, atol=1e-9)
    positive = np.bincount(rows.example, rows.weight * rows.label, len(snapshot.observed))
    pq = importance_weight(snapshot, max_weight)
    np.testing.assert_allclose(positive, pq.weight * pq.label)
