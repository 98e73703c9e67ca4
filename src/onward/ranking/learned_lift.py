"""Learned lift: f(u, v) = log P(v | u) / P(v), by boosted trees over everything that is known of a pair.

One model a relation serves every order: f alone says what belongs together, f + log P(v) what is most probable; see
order_score.py for what lies in between, and training_pairs.py for what is learnt from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.boosting import Boosting, Trees, TreeSettings, bin_rows, grow_while_better
from onward.errors import DataError
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence, Features, feature_names, pair_features
from onward.ranking.training_pairs import Pairs, rivals

Floats = npt.NDArray[np.float64]

RELATIONS = ("together", "after")
_ROWS_AT_ONCE = 262_144
# Trees without a gain for selection customers before growing ends.
_PATIENCE = 15


@dataclass(frozen=True, kw_only=True)
class LiftSettings(TreeSettings):
    """What is learnt from, and how the trees are grown: selection customers say where to stop.

    Attributes:
        pairs: that happened, at most, to learn from.
        rivals: drawn pairs for each.
    """

    pairs: int
    rivals: int


@dataclass(frozen=True)
class LearnedLift:
    """A fitted model of one relation.

    Attributes:
        text: LightGBM's own text, which holds no code.
        features: names of the columns it reads.
        offset: what the drawn pairs' number adds to the log-odds; taken off, so that 0 is chance.
    """

    text: str
    features: tuple[str, ...]
    offset: float

    def score(self, evidence: Evidence, u: Ints, v: Ints, threads: int) -> Floats:
        """[n] f(u, v): 0 is chance, log 9 nine times chance.

        Raises:
            DataError: the evidence gives other features than the model was fitted on.
        """
        log_lift = np.empty(len(u))
        for start in range(0, len(u), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            rows = pair_features(evidence, u[part], v[part])
            log_lift[part] = self.score_rows(feature_names(evidence), rows, threads)
        return log_lift

    def score_rows(self, names: tuple[str, ...], rows: Features, threads: int) -> Floats:
        """[n] the same of pairs whose features are there already.

        Args:
            names: [F] of the columns.
            rows: [n, F] as `pair_features` gives them.
            threads: of LightGBM.

        Raises:
            DataError: the columns are others than the model was fitted on.
        """
        if names != self.features:
            raise DataError(
                f"learned lift: fitted on {len(self.features)} features, given {len(names)} others; "
                "run `dvc repro train_gnn`"
            )
        if len(rows) == 0:
            return np.zeros(0)
        return Trees.from_text(self.text).raw_score(rows, threads) - self.offset

    def to_manifest(self) -> dict[str, object]:
        """What has to be stored beside the text, as JSON."""
        return {"features": list(self.features), "offset": self.offset}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any], text: str) -> "LearnedLift":
        """The inverse of `to_manifest`."""
        return cls(text, tuple(manifest["features"]), float(manifest["offset"]))


@dataclass(frozen=True)
class FittedLift:
    """A model, the trees it kept, and its log loss for selection customers at chance and at each look."""

    lift: LearnedLift
    iterations: int
    selection_loss: tuple[tuple[int, float], ...]
    pairs: int


def fit_lift(
    evidence: Evidence, learnt: Pairs, selection: Pairs, settings: LiftSettings, seed: int, threads: int
) -> FittedLift:
    """Fit one relation.

    Args:
        evidence: from before the pairs happened.
        learnt: pairs of training customers.
        selection: pairs of selection customers, which say how many trees to keep.
        settings: of the trees.
        seed: of rivals and trees.
        threads: of LightGBM; the result depends on it.

    Raises:
        DataError: nothing happened to learn or to select from.
    """
    for name, pairs in (("training", learnt), ("selection", selection)):
        if len(pairs.source) < settings.min_rows_in_leaf:
            raise DataError(
                f"learned lift: {len(pairs.source)} pairs of {name} customers are too few; "
                "lower ranking.min_customers or widen run.training_days"
            )
    rows, label = _rows(evidence, learnt, settings.rivals, seed)
    held_out, truth = _rows(evidence, selection, settings.rivals, seed + 1)
    names = feature_names(evidence)
    boosting = Boosting.of(settings, seed, threads)
    binned = bin_rows(rows, label, boosting, names=names)
    trees, losses = grow_while_better(binned, bin_rows(held_out, truth, boosting, like=binned), boosting, _PATIENCE)
    best = int(np.argmin(losses)) + 1
    offset = float(np.log(label.mean() / (1.0 - label.mean())))
    looks = tuple((place + 1, losses[place]) for place in range(len(losses)) if (place + 1) % 10 == 0)
    return FittedLift(LearnedLift(trees.to_text(best), names, offset), best, looks, len(learnt.source))


def _rows(evidence: Evidence, pairs: Pairs, times: int, seed: int) -> tuple[npt.NDArray[np.float32], Floats]:
    drawn = rivals(pairs, times, seed)
    u, v = (np.concatenate(ends) for ends in ((pairs.source, drawn.source), (pairs.target, drawn.target)))
    return pair_features(evidence, u, v), np.repeat([1.0, 0.0], [len(pairs.source), len(drawn.source)])
