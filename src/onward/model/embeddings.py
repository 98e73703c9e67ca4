"""Two embeddings a product: as the source and as the target of a recommendation; relations read lifts in them.

Free of torch, so that whoever serves scores needs only numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onward.errors import DataError

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

RELATIONS = ("together", "after")
"""In the order of `Embeddings.scale`: bought in one basket, and newly bought after."""

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Embeddings:
    """Unit-length embeddings of all P products, in both roles.

    Attributes:
        source: [P, d] role "just bought": s_u.
        target: [P, d] role "recommended next": t_v.
        scale: [2, d] weight of every coordinate in each of `RELATIONS`: DistMult's diagonal (Yang et al. 2015,
            arXiv 1412.6575).
    """

    source: Float32Array
    target: Float32Array
    scale: Float32Array

    @property
    def products(self) -> int:
        """Number of products P."""
        return len(self.source)

    def log_lift(self, relation: str, source: IntArray, target: IntArray) -> Float32Array:
        """[n] s_u . diag(scale) . t_v of each pair: log P(v | u) / P(v), up to a constant of each u."""
        return paired_dots(self._scaled[RELATIONS.index(relation)], self.target, source, target)

    def log_lift_matrix(self, relation: str, source: IntArray, target: IntArray) -> Float32Array:
        """[n, m] the same of every given u with every given v."""
        scaled = self._scaled[RELATIONS.index(relation)]
        return np.asarray(scaled[source] @ self.target[target].T, dtype=np.float32)

    def alike(self, left: IntArray, right: IntArray) -> Float32Array:
        """[n] how much two products lead to the same others, on the scale of log lifts of `together`."""
        return paired_dots(self._scaled[0], self.source, left, right)

    def as_read(self, relation: str, product: int) -> Float32Array:
        """[d] a product's source as a relation reads it: its product with a target, or a source, is a log lift."""
        return np.asarray(self._scaled[RELATIONS.index(relation), product])

    @cached_property
    def _scaled(self) -> Float32Array:
        """[2, P, d] sources as each relation reads them."""
        return np.asarray(self.scale[:, None] * self.source, dtype=np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays for `write_arrays`."""
        return {"source": self.source, "target": self.target, "scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Embeddings":
        """The inverse of `to_arrays`.

        Raises:
            DataError: they are of a version before relations had scales.
        """
        if "scale" not in arrays:
            raise DataError("embeddings: written by an earlier version, without `scale`; run `dvc repro` to train anew")
        return cls(*(arrays[name].astype(np.float32) for name in ("source", "target", "scale")))


def paired_dots(left: Float32Array, right: Float32Array, rows: IntArray, others: IntArray) -> Float32Array:
    """Dot product of left[rows[i]] and right[others[i]] for each i, [n].

    >>> unit = np.eye(2, dtype=np.float32)
    >>> paired_dots(unit, unit, np.array([0, 1]), np.array([0, 0])).tolist()
    [1.0, 0.0]
    """
    dots = np.empty(len(rows), dtype=np.float32)
    # In slices: a million pairs of 64 floats would otherwise take half a gigabyte twice.
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        dots[part] = np.einsum("ij,ij->i", left[rows[part]], right[others[part]])
    return dots
