"""From the heads' opinions on a pair to score, level and probability: the one way, in backtest and in service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.model.embeddings import Embeddings
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.calibrators import FITS
from onward.uncertainty.chance_range import NOTHING_KNOWN, ChanceRange
from onward.uncertainty.evidential import FittedBeta
from onward.uncertainty.group_repair import NO_REPAIR, GroupRepair
from onward.uncertainty.levels import UncertaintyLevels
from onward.uncertainty.recalibration import Recalibration
from onward.uncertainty.sources import Floats, HeadEnsemble, Ints, Scored, Spread
from onward.uncertainty.spread import leave_out, mean_of_heads
from onward.uncertainty.spread_choice import SOURCES, spread_from_dict, spread_to_dict

Groups = Mapping[str, npt.NDArray[Any]]
Columns = Mapping[str, npt.NDArray[np.float32]]

EVIDENCE_FEATURES = ("count_source_customers", "count_target_customers", "count_support")
"""What `spread_inputs` reads of the scorer's input."""


@dataclass(frozen=True)
class PairPredictions:
    """What is said of n pairs.

    Attributes:
        score: what orders them and is held against the cuts, accepted groups repaired, recalibrated by uncertainty.
        uncertainty: by the chosen source.
        level: its class.
        probability: the calibrated score.
    """

    score: Floats
    uncertainty: Floats
    level: Ints
    probability: Floats

    def take(self, rows: npt.NDArray[np.generic]) -> "PairPredictions":
        """Return some of the rows, by mask or by number."""
        return PairPredictions(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class UncertaintyModel:
    """All that is fitted on customers that no head saw.

    Attributes:
        repair: of accepted groups; it shifts scores before everything else, so that levels, cuts and probabilities
            all follow it.
        calibrator: from score to probability.
        spread: the source of uncertainty.
        levels: its classes.
        recalibration: of the repaired score by its uncertainty, before it is calibrated; None leaves it as it is.
        ranges: from probability and uncertainty to the range that is served beside it.
    """

    repair: GroupRepair
    calibrator: MonotoneCalibrator
    spread: Spread
    levels: UncertaintyLevels
    recalibration: Recalibration | None = None
    ranges: ChanceRange = NOTHING_KNOWN

    @classmethod
    def fit(
        cls,
        pairs: "CalibrationSet",
        seen: Scored,
        seen_label: Floats,
        *,
        calibrator: str,
        spread: str,
        levels: int,
        accepted: Sequence[str],
        seed: int,
    ) -> Self:
        """Fit the four, each on the ones before it.

        Args:
            pairs: what scores are calibrated and groups repaired on.
            seen: pairs of customers that no head saw, for spread and levels.
            seen_label: their expected labels.
            calibrator: a name of `FITS`.
            spread: a name of `SOURCES`.
            levels: how many.
            accepted: groups to repair, as `column=value`.
            seed: of a source that draws.

        Raises:
            DataError: too little to calibrate on, or a group that does not exist.
        """
        repair = GroupRepair.fit(pairs.label, pairs.score, pairs.groups, accepted)
        rising = FITS[calibrator](repair.apply(pairs.score, pairs.groups), pairs.label)
        fitted = SOURCES[spread](seed).fit(seen, seen_label)
        return cls(repair, rising, fitted, UncertaintyLevels.fit(fitted.uncertainty(seen), levels))

    def recalibrated(self, seen: PairPredictions, seen_label: Floats, *, calibrator: str) -> Self:
        """Mend the score by its uncertainty, and calibrate what comes of it; levels stay.

        Both are fitted to the pairs that levels are: of others it is not known how unsure heads would be that did not
        see their customers.

        Args:
            seen: what `predict` says of the pairs [n] that levels were fitted to.
            seen_label: their expected labels [n].
            calibrator: a name of `FITS`.

        Raises:
            DataError: too little to calibrate on.
        """
        mended = Recalibration.fit(seen.score, seen.uncertainty, seen_label)
        rising = FITS[calibrator](mended.apply(seen.score, seen.uncertainty), seen_label)
        return replace(self, recalibration=mended, calibrator=rising, ranges=NOTHING_KNOWN)

    @property
    def reads_place(self) -> bool:
        """Whether the source of uncertainty looks at where a pair lies among the embeddings."""
        return isinstance(self.spread, FittedBeta) and self.spread.density is not None

    def to_files(self) -> dict[str, Any]:
        """What was fitted as plain values, by name of file."""
        return {
            "repair.json": self.repair.to_dict(),
            "calibrator.json": self.calibrator.to_dict(),
            "spread.json": spread_to_dict(self.spread),
            "levels.json": self.levels.to_dict(),
            "recalibration.json": self.recalibration.to_dict() if self.recalibration else {},
            "ranges.json": self.ranges.to_dict(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Self:
        """Rebuild what `to_files` gave; bundles from before repairs, spread sources or recalibration lack them."""
        mended = dict(files["recalibration.json"]) if "recalibration.json" in files else {}
        return cls(
            GroupRepair.from_dict(files["repair.json"]) if "repair.json" in files else NO_REPAIR,
            MonotoneCalibrator.from_dict(files["calibrator.json"]),
            spread_from_dict(files["spread.json"]) if "spread.json" in files else HeadEnsemble(),
            UncertaintyLevels.from_dict(files["levels.json"]),
            Recalibration.from_dict(mended) if mended else None,
            ChanceRange.from_dict(files["ranges.json"]),
        )

    def probability(self, pairs: "CalibrationSet") -> Floats:
        """Calibrated probabilities [n] of what was, or could be, calibrated on."""
        return self.calibrator.apply(self.repair.apply(pairs.score, pairs.groups))

    def predict(self, scored: Scored, groups: Groups) -> PairPredictions:
        """Say what is to be said of pairs, given the groups [n] they are in; see `pair_groups`.

        Raises:
            DataError: a repaired group names a column that these pairs lack.
        """
        score = self.repair.apply(scored.score, groups)
        uncertainty = self.spread.uncertainty(scored)
        if self.recalibration is not None:
            score = self.recalibration.apply(score, uncertainty)
        return PairPredictions(
            score,
            uncertainty,
            self.levels.assign(uncertainty),
            self.calibrator.apply(score),
        )


@dataclass(frozen=True)
class CalibrationSet:
    """Scores to calibrate on, each from heads that did not see the customer.

    Attributes:
        score: [n].
        label: [n] expected labels.
        groups: columns [n].
        rows: [n] where they stand among the pairs that they were taken from.
    """

    score: Floats
    label: Floats
    groups: Groups
    rows: Ints

    @classmethod
    def out_of_bag(
        cls, scored: Scored, seen: npt.NDArray[np.bool_], label: Floats, groups: Groups, chosen: npt.NDArray[np.bool_]
    ) -> Self:
        """Take the `chosen` of n pairs, scored by the heads that did not see their customer; others are left out.

        Args:
            scored: [n].
            seen: [n, heads], see `heads_that_saw`.
            label: expected labels [n].
            groups: columns [n].
            chosen: [n].
        """
        score = np.where(seen.any(axis=1), leave_out(scored.heads, seen), scored.score)
        rows = np.flatnonzero(chosen & np.isfinite(score))
        return cls(score[rows], label[rows], {name: values[rows] for name, values in groups.items()}, rows)


def spread_inputs(
    heads: Floats,
    frame: pd.DataFrame | Columns,
    embeddings: Embeddings,
    source: Ints,
    target: Ints,
    *,
    with_place: bool = True,
) -> Scored:
    """Gather what spread sources may look at.

    Args:
        heads: [n, heads] probabilities.
        frame: [n] the scorer's input, or its columns by name.
        embeddings: of all products.
        source: [n] inside numbers.
        target: [n] inside numbers.
        with_place: see `UncertaintyModel.reads_place`; without it, nothing is gathered that nobody reads.
    """
    of_source, of_target, of_pair = (np.asarray(frame[name], np.float64) for name in EVIDENCE_FEATURES)
    ends = [embeddings.source[source], embeddings.target[target]] if with_place else [np.zeros((len(heads), 0))]
    return Scored(
        heads=heads,
        score=mean_of_heads(heads),
        pair=np.asarray(source * 2**32 + target, np.int64),
        # Customers behind the pair: of the rarer product, and once more those who bought one after the other.
        evidence=np.minimum(of_source, of_target) + of_pair,
        place=np.concatenate(ends, axis=1, dtype=np.float32),
        values=np.zeros((len(heads), 0), np.float32),  # only the dropout baseline of the benchmarks reads them
    )
