"""The decision that is deployed: show a pair, or do not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from onward.errors import DataError


@dataclass(frozen=True)
class Policy:
    """One score cut per uncertainty level.

    Attributes:
        search: the search that found the cuts.
        precision_target: the precision they keep on the threshold split.
        cuts: [levels]; inf never shows.
    """

    search: str
    precision_target: float
    cuts: tuple[float, ...]

    def decide(self, score: npt.ArrayLike, level: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether to show each example, given its score [n] and uncertainty level [n].

        Raises:
            DataError: a level that the policy does not know.

        Examples:
            >>> Policy("ew_dpmt", 0.1, (0.2, float("inf"))).decide([0.2, 0.1, 0.9], [0, 0, 1]).tolist()
            [True, False, False]
        """
        levels = np.asarray(level)
        unknown = int(np.count_nonzero((levels < 0) | (levels >= len(self.cuts))))
        if unknown:
            raise DataError(
                f"policy: {unknown} of {levels.size} uncertainty levels lie outside 0 .. {len(self.cuts) - 1}; "
                "use the levels and the policy of one run"
            )
        return np.asarray(np.asarray(score, np.float64) >= np.asarray(self.cuts, np.float64)[levels], dtype=np.bool_)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, which has no infinity: a cut that never shows becomes None."""
        cuts = [cut if math.isfinite(cut) else None for cut in self.cuts]
        return {"search": self.search, "precision_target": self.precision_target, "cuts": cuts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave; further keys are left alone."""
        cuts = tuple(math.inf if cut is None else float(cut) for cut in values["cuts"])
        return cls(str(values["search"]), float(values["precision_target"]), cuts)
