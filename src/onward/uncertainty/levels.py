"""Frozen classes of uncertainty: decisions and monitoring speak of levels, not of raw spreads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from onward.errors import DataError


@dataclass(frozen=True)
class UncertaintyLevels:
    """Quantile edges, fixed once on the calibrate split; level 0 is the most certain.

    Attributes:
        edges: [levels - 1], strictly increasing; an uncertainty equal to an edge belongs to the level above it.
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all()):
            raise DataError(f"uncertainty levels: the {len(self.edges)} edges do not increase strictly; fit them again")

    @property
    def count(self) -> int:
        """Number of levels."""
        return len(self.edges) + 1

    @classmethod
    def fit(cls, uncertainty: npt.ArrayLike, levels: int) -> Self:
        """Cut uncertainty [n] into `levels` classes of equal mass.

        Tied uncertainties cannot be told apart, so edges that coincide are merged and fewer levels come back
        (see `count`); every level that is left holds at least one of the examples.

        Raises:
            DataError: there are no examples, or some are not finite.

        Examples:
            >>> UncertaintyLevels.fit([1.0, 2.0, 3.0, 4.0], 2).edges
            (3.0,)
            >>> UncertaintyLevels.fit([0.0, 0.0, 0.0, 1.0], 4).count
            2
        """
        values = np.asarray(uncertainty, dtype=np.float64)
        if not len(values) or not np.isfinite(values).all():
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise DataError(f"uncertainty levels: {len(values)} examples, {bad} of them not finite; score them again")
        # An edge that is itself one of the values keeps the level above it from being empty.
        edges = np.unique(np.quantile(values, np.arange(1, levels) / levels, method="higher"))
        return cls(tuple(edges[edges > values.min()].tolist()))

    def assign(self, uncertainty: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the level [n] of each uncertainty [n], 0 .. count - 1.

        Raises:
            DataError: some uncertainties are not a number.
        """
        values = np.asarray(uncertainty, dtype=np.float64)
        bad = int(np.count_nonzero(np.isnan(values)))
        if bad:
            raise DataError(
                f"uncertainty levels: {bad} of {len(values)} uncertainties are not numbers; score them again"
            )
        return np.searchsorted(np.asarray(self.edges, dtype=np.float64), values, side="right").astype(np.int64)

    def to_dict(self) -> dict[str, list[float]]:
        """Return the edges as a plain list, ready for JSON."""
        return {"edges": list(self.edges)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[float]]) -> Self:
        """Rebuild what `to_dict` gave."""
        return cls(tuple(map(float, values["edges"])))
