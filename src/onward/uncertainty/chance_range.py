"""The range beside a chance, and what it promises."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from onward.errors import DataError

Floats = npt.NDArray[np.float64]

FURTHEST = 20.0  # log odds: from one in a thousand to certainty, and as far the other way
_EDGE = 1e-9


@dataclass(frozen=True)
class ChanceRange:
    """How far a chance may be off, in log odds.

    The promise is about batches, not about a single customer: of batches of pairs like those fitted to, each with
    `conversions` to be expected at least, the share that converts lies between the mean of their lows and the mean of
    their highs in `promised` of all cases.

    Attributes:
        reach: half of the width, in log odds; times the uncertainty of the pair where `follows_doubt`.
        follows_doubt: whether unsure pairs get wider ranges than sure ones.
        promised: share of the batches.
        conversions: what a batch has to promise at least for this to hold.
        batches: how many it was fitted to, by the way that they were taken.
    """

    reach: float
    follows_doubt: bool
    promised: float
    conversions: float
    batches: Mapping[str, int]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.reach) and self.reach >= 0.0):
            raise DataError(f"ranges: a reach of {self.reach} is not one; calibrate again")

    def interval(self, probability: npt.ArrayLike, uncertainty: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Low [n] and high [n] of probabilities [n] with uncertainties [n]; low ≤ probability ≤ high always."""
        middle = np.asarray(probability, np.float64)
        doubt = np.asarray(uncertainty, np.float64) if self.follows_doubt else np.ones_like(middle)
        # Where a chance lies at the edge, moving it and back would not end where it was.
        low = np.minimum(shifted(middle, -self.reach * doubt), middle)
        return low, np.maximum(shifted(middle, self.reach * doubt), middle)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "batches": dict(self.batches)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave."""
        reach, promised, conversions = (float(values[name]) for name in ("reach", "promised", "conversions"))
        batches = {name: int(count) for name, count in values["batches"].items()}
        return cls(reach, bool(values["follows_doubt"]), promised, conversions, batches)


NOTHING_KNOWN = ChanceRange(FURTHEST, follows_doubt=False, promised=0.0, conversions=0.0, batches={})
"""Of a model whose ranges nobody fitted: nearly 0 to nearly 1."""


def shifted(probability: Floats, by: Floats | float) -> Floats:
    """Probabilities [n] whose log odds are moved `by` so much."""
    inside = np.clip(probability, _EDGE, 1.0 - _EDGE)
    times = np.exp(np.clip(by, -FURTHEST, FURTHEST))
    return np.asarray(inside * times / (1.0 - inside + inside * times), np.float64)
