"""A discrete world, small enough to enumerate, in which every estimator's loss is known exactly.

x has 6 values, e 5 (the last one matured), the engagement seen at e 3, and a label is observed, late or never.
P is the finished world, Q the snapshot; an estimator is exact when E_Q[w · loss] = E_P[loss] for any scores.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.estimators import importance_weight, naive, soft_label, wait

X, E, A = 6, 5, 3
OBSERVED, LATE, NEVER = range(3)
unclipped = partial(importance_weight, max_weight=np.inf)


class World:
    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.x_mass, elapsed_mass = draw.dirichlet(np.ones(X)), draw.dirichlet(np.ones(E))
        self.rate = draw.uniform(0.02, 0.5, X)
        arrived = np.sort(draw.uniform(0.05, 0.98, (X, E)), axis=1)
        arrived[:, -1] = 1.0
        late = self.rate[:, None] * (1 - arrived)
        label = np.stack([self.rate[:, None] * arrived, late, np.repeat(1 - self.rate[:, None], E, 1)], axis=2)
        engagement = draw.dirichlet(np.ones(A), (X, E, 3))
        self.mass = (self.x_mass[:, None] * elapsed_mass)[:, :, None, None] * label[..., None] * engagement
        self.scores = draw.uniform(0.05, 0.9, X)

    def z(self, *seen: str) -> np.ndarray:
        """P(late | not observed, seen), for each atom."""
        return _share(self.mass[:, :, LATE], self.mass[:, :, NEVER], seen)

    def g(self, *seen: str) -> np.ndarray:
        """P(observed | converts, seen), for each atom."""
        return _share(self.mass[:, :, OBSERVED], self.mass[:, :, LATE], seen)

    def snapshot(self, z: np.ndarray, g: np.ndarray) -> Snapshot:
        shape = (X, E, 3, A)
        observed = np.zeros(shape, bool)
        observed[:, :, OBSERVED] = True
        matured = np.zeros(shape, bool)
        matured[:, -1] = True
        spread = [np.broadcast_to(values[:, :, None, :], shape).ravel() for values in (z, g)]
        return Snapshot(observed.ravel(), matured.ravel(), *spread)

    def finished_loss(self) -> float:
        return float((self.x_mass * _cross_entropy(self.rate, self.scores)).sum())

    def weights_by_x(self, rows: LabelledRows) -> tuple[np.ndarray, np.ndarray]:
        x = np.repeat(np.arange(X), E * 3 * A)[rows.example]
        weight = self.mass.ravel()[rows.example] * rows.weight
        return np.bincount(x, weight * rows.label, X), np.bincount(x, weight * (1 - rows.label), X)

    def unfinished_loss(self, rows: LabelledRows) -> float:
        positive, negative = self.weights_by_x(rows)
        return float(-(positive * np.log(self.scores) + negative * np.log(1 - self.scores)).sum())


def _cross_entropy(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    return -(truth * np.log(score) + (1 - truth) * np.log(1 - score))


def _share(part: np.ndarray, rest: np.ndarray, seen: tuple[str, ...]) -> np.ndarray:
    summed = tuple(axis for axis, name in enumerate(("x", "e", "a")) if name not in seen)
    top, total = part.sum(summed, keepdims=True), (part + rest).sum(summed, keepdims=True)
    return np.broadcast_to(top / total, part.shape)


@pytest.fixture(params=[0, 1, 2])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_the_world_is_one_probability_distribution(world: World) -> None:
    assert world.mass.sum() == pytest.approx(1.0, abs=1e-14)
    assert world.mass[:, -1, LATE].sum() == 0.0


EXACT = {
    "soft label, z(x, e)": (soft_label, "xe", "xe"),
    "soft label, z(x, a, e)": (soft_label, "xae", "xe"),
    "P/Q, G(x, e) and z(x, a, e)": (unclipped, "xae", "xe"),
    "P/Q, G(x, a, e) and z(x, a, e)": (unclipped, "xae", "xae"),
    "FSIW: P/Q with G(x, e) and z(x, e)": (unclipped, "xe", "xe"),
}


@pytest.mark.parametrize("name", EXACT)
def test_loss_on_the_snapshot_equals_loss_on_the_finished_world(world: World, name: str) -> None:
    estimator, z, g = EXACT[name]
    rows = estimator(world.snapshot(world.z(*z), world.g(*g)))
    assert abs(world.unfinished_loss(rows) - world.finished_loss()) < 1e-12
    positive, negative = world.weights_by_x(rows)
    np.testing.assert_allclose(positive / (positive + negative), world.rate, atol=1e-12)


BIASED: dict[str, tuple[Callable[[Snapshot], LabelledRows], str, str]] = {
    "naive": (naive, "xae", "xe"),
    "soft label, z(e) blind to x": (soft_label, "e", "xe"),
    "soft label, z(a) blind to x and e": (soft_label, "a", "xe"),
    "P/Q pooled over e: G(x), z(x)": (unclipped, "x", "x"),
    "P/Q clipped at 1.2": (partial(importance_weight, max_weight=1.2), "xae", "xe"),
}


@pytest.mark.parametrize("name", BIASED)
def test_known_biased_estimators_are_caught(world: World, name: str) -> None:
    estimator, z, g = BIASED[name]
    rows = estimator(world.snapshot(world.z(*z), world.g(*g)))
    positive, negative = world.weights_by_x(rows)
    assert np.abs(positive / (positive + negative) - world.rate).max() > 1e-4
    assert abs(world.unfinished_loss(rows) - world.finished_loss()) > 1e-5


def test_naive_rate_is_too_low_for_every_x(world: World) -> None:
    positive, negative = world.weights_by_x(naive(world.snapshot(world.z("x"), world.g("x"))))
    assert np.all(positive / (positive + negative) < world.rate)


def test_waiting_is_right_on_the_little_it_keeps_while_the_world_stands_still(world: World) -> None:
    rows = wait(world.snapshot(world.z("x"), world.g("x")))
    positive, negative = world.weights_by_x(rows)
    np.testing.assert_allclose(positive / (positive + negative), world.rate, atol=1e-12)
    assert (positive + negative).sum() == pytest.approx(world.mass[:, -1].sum())
