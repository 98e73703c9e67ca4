"""The contract of every estimator: from what is known of n examples to rows (example, label, weight).

What is known at a clock is a `Snapshot`. What a published method takes from the model in training is an argument of its
own, an array [n], so that no estimator holds a model.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Snapshot:
    """What an estimator may know of n examples at one clock.

    Attributes:
        observed: converted by the clock, [n].
        matured: the attribution window has passed, [n].
        pending_probability: z(x, a, e), the probability that an example not yet observed converts later, [n];
            read only where neither observed nor matured.
        pending_probability_without_engagement: z(x, e), the same without the engagement a, [n]; read where z is.
        delay_cdf: G(x, e), the probability that a conversion of this example would be observed by now, [n];
            read only where observed and not matured, and by the guard and recalibration where not matured.
    """

    observed: npt.NDArray[np.bool_]
    matured: npt.NDArray[np.bool_]
    pending_probability: npt.NDArray[np.float64]
    pending_probability_without_engagement: npt.NDArray[np.float64]
    delay_cdf: npt.NDArray[np.float64]

    @property
    def pending(self) -> npt.NDArray[np.bool_]:
        """Neither observed nor matured, [n]."""
        return ~self.observed & ~self.matured

    @property
    def without_engagement(self) -> "Snapshot":
        """The same, blind to what customers did meanwhile."""
        return replace(self, pending_probability=self.pending_probability_without_engagement)

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Snapshot":
        """Keep the chosen examples."""
        return Snapshot(
            self.observed[chosen],
            self.matured[chosen],
            self.pending_probability[chosen],
            self.pending_probability_without_engagement[chosen],
            self.delay_cdf[chosen],
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
