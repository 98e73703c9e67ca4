"""Every estimator of a run against worlds in which its loss is known exactly.

Every name stands in exactly one of two lists: UNBIASED, or BIASED with the loss that it does have.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from builders.delay_worlds import LATE, SEEDS, Clock, Finished, Outcome
from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.estimators import FOR_BENCHMARKS, FOR_RUNS
from onward.delay.reference import naive, wait
from onward.delay.soft_labels import soft_label, soft_label_without_engagement
from onward.delay.weights import fsiw, importance_weight

unclipped = {"max_weight": np.inf}


def on_snapshot(estimator: Callable[[Snapshot], LabelledRows], seed: int) -> tuple[Finished, Outcome]:
    world = Clock(seed)
    return world, world.try_out(estimator(world.snapshot()))


UNBIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome]]] = {
    "wait": partial(on_snapshot, wait),
    "soft_label": partial(on_snapshot, soft_label),
    "soft_label_without_engagement": partial(on_snapshot, soft_label_without_engagement),
    "importance_weight": partial(on_snapshot, partial(importance_weight, **unclipped)),
    "fsiw": partial(on_snapshot, partial(fsiw, **unclipped)),
}


def run_naive(seed: int) -> tuple[Finished, Outcome, float, np.ndarray]:
    """Biased in loss and minimiser: the rate is short by the share that has not arrived."""
    world = Clock(seed)
    short = world.rate * (world.arrived @ world.age_mass)
    return world, world.try_out(naive(world.snapshot())), world.loss(rate=short), short


BIASED: Mapping[str, Callable[[int], tuple[Finished, Outcome, float, np.ndarray]]] = {"naive": run_naive}


def test_every_estimator_stands_in_exactly_one_list() -> None:
    assert sorted([*UNBIASED, *BIASED]) == sorted(FOR_RUNS)
    assert not set(FOR_RUNS) & set(FOR_BENCHMARKS)


@SEEDS
def test_the_worlds_are_probability_distributions(seed: int) -> None:
    assert Clock(seed).mass.sum() == pytest.approx(1.0, abs=1e-14)
    assert Clock(seed).mass[:, -1, LATE].sum() == 0.0


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
def test_naive_is_short_for_every_x(seed: int) -> None:
    world, outcome, *_ = run_naive(seed)
    assert np.all(outcome.minimiser < world.rate)


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
