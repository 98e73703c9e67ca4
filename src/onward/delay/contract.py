"""The contract of every estimator: from what is known of n examples to rows (example, label, weight).

Two views of one log go in, the `Snapshot` at a clock and the `Stream` that an online learner was fed
(`onward.delay.stream`); one form comes out. What a published method takes from the model in training is an argument
of its own, an array [n], so that no estimator holds a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Snapshot:
    """What an estimator may know of n examples at one clock.

    Attributes:
        observed: converted by the clock, [n].
        matured: the attribution window has passed, [n].
        unfinished: z(x, a, e), the probability that an example not yet observed converts later, [n];
            read only where neither observed nor matured.
        blind: z(x, e), the same without the engagement a, [n]; read where z is.
        arrival: G(x, e), the probability that a conversion of this example would be observed by now, [n];
            read only where observed and not matured, and by the guard and recalibration where not matured.
    """

    observed: npt.NDArray[np.bool_]
    matured: npt.NDArray[np.bool_]
    unfinished: npt.NDArray[np.float64]
    blind: npt.NDArray[np.float64]
    arrival: npt.NDArray[np.float64]

    @property
    def pending(self) -> npt.NDArray[np.bool_]:
        """Neither observed nor matured, [n]."""
        return ~self.observed & ~self.matured

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Snapshot":
        """Keep the chosen examples."""
        return Snapshot(
            self.observed[chosen],
            self.matured[chosen],
            self.unfinished[chosen],
            self.blind[chosen],
            self.arrival[chosen],
        )


@dataclass(frozen=True)
class LabelledRows:
    """m training rows, sorted by example and, within one, with label 1 first.

    Attributes:
        example: position in the snapshot, int64 [m]; an example may have several rows, or none.
        label: 0 or 1, int8 [m].
        weight: float64 [m]; at least 0, but for self-cancelling weights.
    """

    example: npt.NDArray[np.int64]
    label: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float64]

    @property
    def rate(self) -> float:
        """Weighted share of label 1; 0 without rows."""
        total = float(self.weight.sum())
        return float(self.weight[self.label == 1].sum()) / total if total else 0.0

    @property
    def effective_sample_size(self) -> float:
        """(Σw)² / Σw² over examples' own weights (Kish); splitting one example into two rows costs nothing."""
        own = np.bincount(self.example, self.weight)
        square = float((own**2).sum())
        return float(own.sum()) ** 2 / square if square else 0.0


class Estimator(Protocol):
    """Decides what unfinished labels are worth. A matured example is always worth its own label, weight 1."""

    def __call__(self, snapshot: Snapshot) -> LabelledRows:
        """Give the training rows of a snapshot."""


def gather_rows(parts: Sequence[tuple[npt.NDArray[np.bool_], int, npt.NDArray[np.float64]]]) -> LabelledRows:
    """Put rows of several kinds in order.

    Args:
        parts: for each kind: which of the n examples have such a row, its label, and the weights [n].
    """
    example = np.concatenate([np.flatnonzero(chosen) for chosen, _, _ in parts])
    label = np.concatenate([np.full(int(chosen.sum()), label, np.int8) for chosen, label, _ in parts])
    weight = np.concatenate([weight[chosen] for chosen, _, weight in parts])
    order = np.lexsort((-label, example))
    return LabelledRows(example[order], label[order], weight[order])
