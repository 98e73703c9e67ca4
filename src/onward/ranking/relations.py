"""How products are bought with each other, counted at every level of the catalogue.

Three relations: in one basket; on the customer's next visit; bought new within so many days. Each is a table of counts
beside what chance would give, for products, their types and their categories. A product's count is shrunk towards what
its types say, and theirs towards their categories' (`log_lifts`), so that thin products speak through their type.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from onward.random_streams import Stream
from onward.ranking.directed_graph import Ints
from onward.ranking.shrinkage import fitted_strength, posterior_lift

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairCounts:
    """Counts of one relation at one level.

    Attributes:
        observed: [n, n] how often v was found with u, in compressed rows with sorted columns.
        left: [n] how often u was there to be found with.
        right: [n] how often v was there to be found.
        trials: chances in all, so that left_u right_v / trials is expected of independent purchases.
    """

    observed: sp.csr_matrix
    left: Floats
    right: Floats
    trials: float

    def of(self, u: Ints, v: Ints) -> tuple[Floats, Floats]:
        """[r] observed and [r] expected counts of pairs of codes; 0 and 0 where a code is negative."""
        observed = np.zeros(len(u))
        _look_up(self.observed.indptr, self.observed.indices, self.observed.data, u, v, observed)
        both_coded = (u >= 0) & (v >= 0)
        return observed, np.where(both_coded, self.left[u] * self.right[v] / max(self.trials, 1.0), 0.0)

    def rows(self, u: Ints, v: Ints) -> tuple[Floats, Floats]:
        """[m, n] observed and [m, n] expected counts of every u with every v; 0 where a code is negative."""
        observed = self.observed[np.maximum(u, 0)].toarray()[:, np.maximum(v, 0)].astype(np.float64)
        expected = np.outer(self.left[u], self.right[v]) / max(self.trials, 1.0)
        for counts in (observed, expected):
            counts[u < 0] = 0.0
            counts[:, v < 0] = 0.0
        return observed, expected


@dataclass(frozen=True)
class Relation:
    """One relation at all levels, coarse to fine; the last is the products' own.

    Attributes:
        codes: each [P], the code of every product at each level; -1 where it has none.
        counts: of each level.
        strengths: of each level, how many expected pairs the level above is worth (see shrinkage.py).
    """

    codes: tuple[Ints, ...]
    counts: tuple[PairCounts, ...]
    strengths: tuple[float, ...]

    def rows(self, u: Ints, v: Ints) -> Floats:
        """[m, n] the products' shrunk lift of every v with every u: as `lifts`, for whole rows at once."""
        prior = np.ones((len(u), len(v)))
        for codes, counts, strength in zip(self.codes, self.counts, self.strengths, strict=False):
            prior = posterior_lift(*counts.rows(codes[u], codes[v]), prior, strength)
        return prior

    @classmethod
    def of(cls, codes: Sequence[Ints], counts: Sequence[PairCounts], seed: int) -> "Relation":
        """Fit how far each level is to be shrunk."""
        relation = cls(tuple(codes), tuple(counts), ())
        for level in range(len(counts)):
            u, v = _pairs_to_fit_on(counts[level], seed)
            if level == 0:
                prior = np.ones(len(u))
            else:
                above = [_code_above(codes[level], codes[level - 1 - step], counts[level]) for step in range(level)]
                prior = cls(tuple(reversed(above)), tuple(counts[:level]), relation.strengths).lifts(u, v)[-1]
            strength = fitted_strength(*counts[level].of(u, v), prior)
            relation = cls(relation.codes, relation.counts, (*relation.strengths, strength))
        return relation

    def lifts(self, u: Ints, v: Ints) -> list[Floats]:
        """[r] of every level, coarse to fine: how many times chance v is bought with u, shrunk to the level above."""
        lifts: list[Floats] = []
        prior = np.ones(len(u))
        for codes, counts, strength in zip(self.codes, self.counts, self.strengths, strict=False):
            prior = posterior_lift(*counts.of(codes[u], codes[v]), prior, strength)
            lifts.append(prior)
        return lifts


def count_baskets(baskets: sp.csr_matrix, codes: Ints, least: float) -> PairCounts:
    """Pairs of different products in one basket, counted in baskets, by code.

    Two products of one type count for the type with itself; a product alone does not.

    Args:
        baskets: [B, P] which products each basket holds.
        codes: [P] code of every product at the level; negative ones are left out.
        least: counts below this are taken for 0.
    """
    items = _coded(baskets, codes)
    held = _present(items)
    both = sp.csr_matrix(held.T.tocsr() @ held)
    repeated = sp.csr_matrix(items.multiply(items > 1.5))
    both.setdiag(np.asarray(_present(repeated).sum(axis=0)).ravel())
    margin = np.asarray(held.sum(axis=0), dtype=np.float64).ravel()
    return PairCounts(_pruned(both, least), margin, margin, float(held.shape[0]))


def count_following(first: sp.csr_matrix, second: sp.csr_matrix, codes: Ints, least: float) -> PairCounts:
    """What is bought on the second of two visits, by code, after what was bought on the first.

    Turn the log round, and u before v becomes v before u: the counts are those of the other way, exactly.

    Args:
        first: [R, P] products of the earlier visit of each pair of visits.
        second: [R, P] those of the later visit that count.
        codes: [P] code of every product at the level; negative ones are left out.
        least: counts below this are taken for 0.
    """
    before, after = (_present(_coded(items, codes)) for items in (first, second))
    left, right = (np.asarray(visits.sum(axis=0), dtype=np.float64).ravel() for visits in (before, after))
    return PairCounts(_pruned(sp.csr_matrix(before.T.tocsr() @ after), least), left, right, float(first.shape[0]))


def pairs_of_visits(customer: Ints, day: Ints, most_visits: int, most_days: int) -> tuple[Ints, Ints]:
    """Row numbers (earlier, later) of every two visits of a customer that are near each other.

    Args:
        customer: [W] of each visit, ascending.
        day: [W] ascending within a customer.
        most_visits: how many visits later still counts.
        most_days: how many days later still counts.

    >>> earlier, later = pairs_of_visits(np.array([1, 1, 1, 2]), np.array([0, 3, 50, 51]), 2, 30)
    >>> earlier.tolist(), later.tolist()
    ([0], [1])
    """
    earlier = []
    for gap in range(1, min(most_visits, len(customer) - 1) + 1):
        near = (customer[gap:] == customer[:-gap]) & (day[gap:] - day[:-gap] <= most_days)
        rows = np.flatnonzero(near)
        earlier.append(np.stack([rows, rows + gap]))
    pairs = np.concatenate([*earlier, np.zeros((2, 0), dtype=np.int64)], axis=1)
    return pairs[0], pairs[1]


def _coded(items: sp.csr_matrix, codes: Ints) -> sp.csr_matrix:
    """[R, n] how many different products of each code a row holds."""
    coded = np.flatnonzero(codes >= 0)
    size = int(codes.max(initial=-1)) + 1
    onto = sp.csr_matrix((np.ones(len(coded), np.float32), (coded, codes[coded])), shape=(len(codes), max(size, 1)))
    return sp.csr_matrix(items @ onto)


def _present(items: sp.csr_matrix) -> sp.csr_matrix:
    """1 where there is anything."""
    present = sp.csr_matrix(items, copy=True)
    present.eliminate_zeros()
    present.data[:] = 1.0
    return present


def _pruned(counts: sp.csr_matrix, least: float) -> sp.csr_matrix:
    counts.data[counts.data < least] = 0.0
    counts.eliminate_zeros()
    counts.sort_indices()
    return sp.csr_matrix(counts, dtype=np.float32)


# Enough for a strength within a few per cent; more only costs time.
_FITTED_PAIRS = 30_000


def _pairs_to_fit_on(counts: PairCounts, seed: int) -> tuple[Ints, Ints]:
    """Pairs drawn by how often chance would make them: those about which there is something to say."""
    if not (counts.left.any() and counts.right.any()):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    generator = np.random.default_rng([seed, Stream.COUNTED_PAIRS])
    u, v = (
        generator.choice(len(margin), _FITTED_PAIRS, p=margin / margin.sum()) for margin in (counts.left, counts.right)
    )
    kept = u != v
    return u[kept], v[kept]


def _code_above(codes: Ints, above: Ints, counts: PairCounts) -> Ints:
    """[n] for each code of a level, its code at a level above; a code lies under one code only."""
    code_above = np.full(len(counts.left), -1, dtype=np.int64)
    coded = codes >= 0
    code_above[codes[coded]] = above[coded]
    return code_above


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _look_up(
    offsets: Ints, columns: Ints, values: npt.NDArray[np.float32], rows: Ints, sought: Ints, counts: Floats
) -> None:
    """Binary search of each wanted column in its row."""
    for pair in range(len(rows)):
        row, column = rows[pair], sought[pair]
        if row < 0 or column < 0:
            continue
        low, high = offsets[row], offsets[row + 1]
        while low < high:
            middle = (low + high) // 2
            if columns[middle] < column:
                low = middle + 1
            else:
                high = middle
        if low < offsets[row + 1] and columns[low] == column:
            counts[pair] = values[low]
