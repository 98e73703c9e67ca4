"""Two embeddings a product: as the source and as the target of a recommendation.

Free of torch, so that whoever serves scores needs only numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Embeddings:
    """Unit-length embeddings of all P products, in both roles.

    Attributes:
        source: [P, d] role "just bought": s_u.
        target: [P, d] role "recommended next": t_v.
        bias: [P] how readily a product follows anything.
        temperature: what the dot product is divided by.
    """

    source: Float32Array
    target: Float32Array
    bias: Float32Array
    temperature: float

    @property
    def products(self) -> int:
        """Number of products P."""
        return len(self.bias)

    def relevance(self, source: IntArray, target: IntArray) -> Float32Array:
        """rel(u -> v) = s_u . t_v / temperature + b_v for each pair, [n]."""
        return paired_dots(self.source, self.target, source, target) / np.float32(self.temperature) + self.bias[target]

    def relevance_to_all(self, source: IntArray) -> Float32Array:
        """rel(u -> v) for each given u and every product v, [n, P]."""
        return self.relevance_matrix(source, np.arange(self.products))

    def relevance_matrix(self, source: IntArray, target: IntArray) -> Float32Array:
        """rel(u -> v) for every given u and every given v, [n, m]."""
        directed = self.source[source] @ self.target[target].T / np.float32(self.temperature)
        return np.asarray(directed + self.bias[target], dtype=np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays for `write_arrays`."""
        return {
            "source": self.source,
            "target": self.target,
            "bias": self.bias,
            "temperature": np.array(self.temperature, dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Embeddings":
        """The inverse of `to_arrays`."""
        return cls(
            source=arrays["source"].astype(np.float32),
            target=arrays["target"].astype(np.float32),
            bias=arrays["bias"].astype(np.float32),
            temperature=float(arrays["temperature"]),
        )


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
