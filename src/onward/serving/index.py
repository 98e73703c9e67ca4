"""The products whose embeddings lie furthest along a query, among all that a filter allows.

Up to `EXACT_PRODUCTS` it is a matrix product in float32. Beyond, memory is the bound and not arithmetic: every vector
is scanned as one byte a coordinate, and the best are ranked again by their halves. A scan has nothing to build, honours
any filter as it is, and misses next to nothing whatever the vectors look like; graph indexes trade recall for speed
that one million products do not need (`python -m benchmarks.operations.serving`).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.errors import DataError

Float32s = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

EXACT_PRODUCTS = 20_000
"""Up to so many, the product of 64-d vectors takes no longer than the scan."""

_LEAST_CANDIDATES = 128
_CANDIDATES_PER_ANSWER = 4
_ROOM = 8  # candidates are cut back to their number when there are so many times as many
_BYTE = 127


@dataclass(frozen=True)
class EmbeddingIndex:
    """P vectors of d coordinates.

    Attributes:
        vectors: [P, d] float32 of a small catalogue, float16 of a large one.
        codes: [P, d] bytes, in units of `unit`; [0, d] of a small catalogue.
        unit: [P].
    """

    vectors: npt.NDArray[np.floating]
    codes: npt.NDArray[np.int8]
    unit: Float32s

    @classmethod
    def of(cls, vectors: Float32s, exact_products: int = EXACT_PRODUCTS) -> Self:
        """Index vectors [P, d].

        Raises:
            DataError: some are not finite.
        """
        largest = np.abs(vectors).max(axis=1, initial=0.0)
        if not np.isfinite(largest).all():
            bad = int(np.count_nonzero(~np.isfinite(largest)))
            raise DataError(f"index: {bad} of {len(vectors)} vectors are not finite; train the encoder again")
        if len(vectors) <= exact_products:
            return cls(vectors, np.empty((0, vectors.shape[1]), np.int8), np.empty(0, np.float32))
        unit = (largest / _BYTE).astype(np.float32)
        codes = np.empty(vectors.shape, np.int8)
        for start in range(0, len(vectors), exact_products):
            part = slice(start, start + exact_products)
            np.rint(vectors[part] / np.maximum(unit[part], np.finfo(np.float32).tiny)[:, None], casting="unsafe",
                    out=codes[part])  # fmt: skip
        return cls(vectors.astype(np.float16), codes, unit)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.vectors.nbytes + self.codes.nbytes + self.unit.nbytes

    def top(self, query: Float32s, count: int, allowed: Bools | None = None) -> tuple[Ints, Float32s]:
        """Numbers and inner products of the `count` best vectors, best first; equal ones by number.

        Args:
            query: [d].
            count: at most; fewer come back where fewer are allowed.
            allowed: [P] which vectors may be named; None allows all.
        """
        if len(self.codes):
            candidates = self._scan(query, count, allowed)
            scores = self.vectors[candidates].astype(np.float32) @ query
        else:
            candidates = np.arange(len(self.vectors)) if allowed is None else np.flatnonzero(allowed)
            # Picking rows out costs more than their products.
            scores = np.asarray(self.vectors @ query, np.float32)[candidates]
        if len(candidates) > count > 0:
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            kept = scores >= least  # all that tie with the last, so that the order decides and not the partition
            candidates, scores = candidates[kept], scores[kept]
        order = np.lexsort((candidates, -scores))[:count]
        return candidates[order], scores[order]

    def _scan(self, query: Float32s, count: int, allowed: Bools | None) -> Ints:
        finest = min(2**15 - 1, (2**31 - 1) // (_BYTE * max(self.codes.shape[1], 1)))
        largest = float(np.abs(query).max(initial=0.0))
        coarse = np.rint(query * (finest / largest if largest > 0 else 0.0)).astype(np.int16)
        keep = max(_LEAST_CANDIDATES, _CANDIDATES_PER_ANSWER * count)
        # A list of rows is scanned faster than a mask that the processor cannot foresee.
        rows = np.empty(0, np.int64) if allowed is None else np.flatnonzero(allowed)
        if allowed is not None and not len(rows):
            return rows
        return np.sort(_best_by_code(self.codes, self.unit, coarse, rows, keep, _ROOM * keep))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _best_by_code(
    codes: npt.NDArray[np.int8],
    unit: Float32s,
    query: npt.NDArray[np.int16],
    rows: Ints,
    keep: int,
    room: int,
) -> Ints:
    """At least the `keep` rows of the largest products with the query, in no order, of some rows; of all if none."""
    best = np.empty(room, np.float32)
    row_of = np.empty(room, np.int64)
    held = 0
    least = np.float32(-np.inf)
    some = len(rows) > 0
    for number in range(len(rows) if some else len(codes)):
        row = rows[number] if some else number
        product = np.int32(0)
        for place in range(codes.shape[1]):
            product += np.int32(codes[row, place]) * np.int32(query[place])
        score = np.float32(product) * unit[row]
        if score > least or held < keep:
            best[held] = score
            row_of[held] = row
            held += 1
            if held == room:
                least = np.partition(best, room - keep)[room - keep]
                held = 0
                for place in range(room):
                    if best[place] >= least and held < keep:
                        best[held] = best[place]
                        row_of[held] = row_of[place]
                        held += 1
    return row_of[:held].copy()
