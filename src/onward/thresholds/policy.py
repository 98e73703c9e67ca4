"""The decision that is deployed: show a pair, do not, or leave it to somebody else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from onward.errors import DataError


@dataclass(frozen=True)
class Policy:
    """One score cut per uncertainty level, and where asked a band below it in which the policy abstains.

    Attributes:
        search: the search that found the cuts.
        precision_target: the precision they keep on the threshold split.
        cuts: [levels]; inf never shows.
        abstain_cuts: [levels], none above its cut; scores from here up to the cut are neither shown nor dismissed.
            Empty where the policy has no band.
    """

    search: str
    precision_target: float
    cuts: tuple[float, ...]
    abstain_cuts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        above = [low > cut for low, cut in zip(self.abstain_cuts, self.cuts, strict=False)]
        if self.abstain_cuts and (len(self.abstain_cuts) != len(self.cuts) or any(above)):
            raise DataError(
                f"policy: {len(self.abstain_cuts)} abstain cuts for {len(self.cuts)} cuts, {sum(above)} of them above "
                "their cut; fit the thresholds again"
            )

    @classmethod
    def with_band(cls, upper: Self, lower: Self) -> Self:
        """Show what `upper` shows, abstain where only `lower` would, dismiss the rest.

        Two optimal boundaries need not be nested; where the lower one cuts above the upper one there is no band.
        """
        band = tuple(min(low, cut) for low, cut in zip(lower.cuts, upper.cuts, strict=True))
        return cls(upper.search, upper.precision_target, upper.cuts, band)

    def answer(self, score: npt.ArrayLike, level: npt.ArrayLike) -> npt.NDArray[np.str_]:
        """Return "show", "abstain" or "don't show" for each example; see `decide`.

        Examples:
            >>> Policy("mist", 0.1, (0.5,), (0.2,)).answer([0.6, 0.3, 0.1], [0, 0, 0]).tolist()
            ['show', 'abstain', "don't show"]
        """
        shown = self.decide(score, level)
        if not self.abstain_cuts:
            return np.where(shown, "show", "don't show")
        band = np.asarray(score, np.float64) >= np.asarray(self.abstain_cuts, np.float64)[np.asarray(level)]
        return np.where(shown, "show", np.where(band, "abstain", "don't show"))

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
        values = {"search": self.search, "precision_target": self.precision_target, "cuts": _to_json(self.cuts)}
        return values | ({"abstain_cuts": _to_json(self.abstain_cuts)} if self.abstain_cuts else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave; further keys are left alone, and a missing band is no band."""
        band = values.get("abstain_cuts", ())
        return cls(
            str(values["search"]), float(values["precision_target"]), _from_json(values["cuts"]), _from_json(band)
        )


def _to_json(cuts: tuple[float, ...]) -> list[float | None]:
    return [cut if math.isfinite(cut) else None for cut in cuts]


def _from_json(cuts: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.inf if cut is None else float(cut) for cut in cuts)
