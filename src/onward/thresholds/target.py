"""What is asked of a boundary: a precision, a recall, or the best balance of what each kind of answer is worth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from onward.errors import DataError
from onward.thresholds.grid import Floats, Volumes

Kind = Literal["precision", "recall", "cost_ratio"]


@dataclass(frozen=True)
class Target:
    """One wish about the boundary.

    Attributes:
        kind: `precision`: most positives at a precision of at least `value`. `recall`: fewest shown with at least the
            share `value` of all positives. `cost_ratio`: largest positives − value × (shown − positives), where
            `value` says how many positives one wrong recommendation is worth.
        value: a share inside (0, 1), or a cost ratio above 0.
    """

    kind: Kind
    value: float

    def __post_init__(self) -> None:
        highest = np.inf if self.kind == "cost_ratio" else 1.0
        if not 0.0 < self.value < highest:
            raise DataError(f"thresholds: a {self.kind} target of {self.value:g} cannot be asked; see params.yaml")

    @property
    def break_even(self) -> float | None:
        """The precision below which a boundary is refused; None where the target does not speak of one.

        Examples:
            >>> Target("cost_ratio", 9.0).break_even
            0.9
        """
        if self.kind == "recall":
            return None
        return self.value if self.kind == "precision" else self.value / (1.0 + self.value)

    def keeps(self, shown: Volumes, positives: Floats, total: float) -> npt.NDArray[np.bool_]:
        """[m] whether each operating point keeps the target; nothing shown never does.

        Args:
            shown: [m] examples shown, or their weight.
            positives: [m] expected positives among them; -inf where a point cannot be reached.
            total: expected positives of all examples.
        """
        something = np.asarray(shown > 0, dtype=np.bool_)
        if self.kind == "recall":
            return something & (positives >= self.value * total) & (total > 0.0)
        precision = np.full(len(positives), -np.inf)
        np.divide(positives, shown, out=precision, where=something)
        return np.asarray(precision >= self.break_even, dtype=np.bool_)

    def choose(self, shown: Volumes, positives: Floats, total: float) -> int | None:
        """Return the best point that keeps the target, the smallest such; None where there is none.

        Args:
            shown: [m], increasing.
            positives: [m].
            total: expected positives of all examples.
        """
        kept = np.flatnonzero(self.keeps(shown, positives, total))
        if not len(kept):
            return None
        if self.kind == "recall":
            return int(kept[0])
        worth = positives[kept]
        if self.kind == "cost_ratio":
            worth = worth - self.value * (np.asarray(shown, np.float64)[kept] - worth)
        return int(kept[np.argmax(worth)])

    def __str__(self) -> str:
        """Return the key of params.yaml that asks this, with its value."""
        key = self.kind if self.kind == "cost_ratio" else f"{self.kind}_target"
        return f"thresholds.{key} = {self.value:g}"
