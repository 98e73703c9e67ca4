"""Discrete worlds, small enough to enumerate, in which every estimator's loss is known exactly.

P is the finished world. Q is what an estimator works on: the snapshot at a clock, or the stream that an online learner
was fed. An estimator is unbiased when its weighted loss on Q, per example or feeding, equals the loss on P for any
scores.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from onward.delay.contract import LabelledRows, Snapshot

X, E, A = 6, 5, 3
OBSERVED, LATE, NEVER = range(3)
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


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

    def loss(self, delay_shift: np.ndarray | float = 1.0, rate: np.ndarray | None = None) -> float:
        """Loss on P; with x reweighted by `delay_shift`, or with another rate."""
        mass = self.x_mass * delay_shift
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

    def snapshot(self, z: str = "xae", without_engagement: str = "xe", g: str = "xe") -> Snapshot:
        observed, matured = self.flags(label=OBSERVED), self.flags(age=E - 1)
        return Snapshot(
            observed,
            matured,
            *(self.spread(each) for each in (self.z(*z), self.z(*without_engagement), self.g(*g))),
        )

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
