"""One contract for everything that says how far to trust a score."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from onward.uncertainty.spread import disagreement_of_heads

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """All that a spread source may look at, row by row.

    Attributes:
        heads: [n, heads] probability by each head of the ensemble.
        score: [n] the ensemble's mean, which orders the pairs.
        pair: [n] code of the pair; the same pair has the same code.
        evidence: [n] how often the pair and its products were seen, 0 for what is new.
        place: [n, d] where the pair lies among the embeddings.
        values: [n, f] the scorer's numeric input, missing values as NaN.
    """

    heads: Floats
    score: Floats
    pair: Ints
    evidence: Floats
    place: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]

    def take(self, rows: npt.NDArray[np.generic]) -> "Scored":
        """Return some of the rows, by mask or by number."""
        return Scored(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class Spread(Protocol):
    """A fitted source."""

    def uncertainty(self, rows: Scored) -> Floats:
        """Return how unsure the score of each row is, [n]; only the order matters, levels are cut from it."""


class SpreadSource(Protocol):
    """A way to learn spread from customers that no model saw."""

    def fit(self, seen: Scored, expected_label: Floats) -> Spread:
        """Learn from scored rows and their expected labels, [n] in [0, 1]."""


@dataclass(frozen=True)
class HeadEnsemble:
    """How much heads disagree that saw different bootstraps of customers; there is nothing left to learn."""

    def fit(self, seen: Scored, expected_label: Floats) -> "HeadEnsemble":  # noqa: ARG002 - the contract's
        """Return itself."""
        return self

    def uncertainty(self, rows: Scored) -> Floats:
        """Standard deviation of the heads' logits, [n]."""
        return disagreement_of_heads(rows.heads)
