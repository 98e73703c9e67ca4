"""The rival for new products: what a baseline says of the known products that are most like them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from benchmarks.related.counted import Cosine
from benchmarks.related.entries import Setting
from benchmarks.related.shelf import Task
from onward.evaluation.related_baselines import Popularity, cooccurrence
from onward.evaluation.related_log import RelatedLog
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.catalogue import Catalogue, same
from onward.ranking.method import Method
from onward.ranking.purchase_log import Bools, Ints

NEIGHBOURS = (1, 5, 20)

_ROWS_AT_ONCE = 512
_LEAST = 1e-12


@dataclass(frozen=True)
class ShrunkLift:
    """Orders with both over those expected of independent products, `strength` expected orders towards 1."""

    strength: float

    def fit(self, log: RelatedLog) -> Method:
        """Count; see `Method`."""
        orders = np.bincount(log.product, minlength=log.products).astype(np.float64)
        together = cooccurrence(log.order, log.product, log.products)
        every = max(1, len(np.unique(log.order)))

        def scores(sources: Ints) -> Floats:
            expected = orders[sources][:, None] * (orders / every)
            lift: Floats = (together(sources) + self.strength) / (expected + self.strength)
            return lift

        return scores


BASELINES: Mapping[str, tuple[Setting, ...]] = {
    "shrunk lift": tuple(ShrunkLift(strength) for strength in (1.0, 5.0, 20.0)),
    "cosine": tuple(Cosine(power) for power in (0.0, 0.5, 0.9)),
    "popularity": (Popularity(3650),),
}
"""Cosine of power 0 is plain counts. Popularity says the same after every source: only what is like popular things."""


@dataclass(frozen=True)
class Like:
    """A rival: a baseline, and how many known products speak for a new one."""

    baseline: Setting
    neighbours: int


GRID: Mapping[str, tuple[Like, ...]] = {
    name: tuple(Like(setting, count) for setting in settings for count in NEIGHBOURS)
    for name, settings in BASELINES.items()
}


@dataclass(frozen=True)
class Likeness:
    """The known products most like each new one.

    Attributes:
        new: [H] candidate numbers.
        nearest: [H, at most 20] candidate numbers of known ones, the most alike first.
    """

    new: Ints
    nearest: Ints

    @classmethod
    def of(cls, catalogue: Catalogue, candidates: Ints, new: Bools, known: Bools, bought: Ints) -> "Likeness":
        """Compare attributes: type, then category, then department, then how many attributes are shared.

        Among equals the one that more orders hold comes first: more is known of it. None is like itself.

        Args:
            catalogue: of all P products.
            candidates: [C] product number of each candidate.
            new: [C] whose like is wanted.
            known: [C] who may be alike.
            bought: [C] orders of each.
        """
        rows, columns = np.flatnonzero(new), np.flatnonzero(known)
        columns = columns[np.argsort(-bought[columns], kind="stable")]
        left, right = (np.broadcast_to(candidates[each], (len(rows), len(columns)))
                       for each in (rows[:, None], columns[None, :]))  # fmt: skip
        alike = np.zeros(left.shape, dtype=np.int64)
        path = (catalogue.kind, catalogue.category, catalogue.department)
        for codes in path:
            alike += (len(catalogue.attributes) + 1) * same(codes, left, right)
        for codes in catalogue.attributes.values():
            alike += same(codes, left, right)
        alike[left == right] = -1
        # Columns come by orders, so that a stable sort leaves the more bought of equals in front.
        best = np.argsort(-alike, axis=1, kind="stable")[:, : max(NEIGHBOURS)]
        return cls(rows, columns[best])

    def means(self, values: Floats, count: int) -> Floats:
        """[H] mean of [C] values over the `count` most alike."""
        mean: Floats = values[self.nearest[:, :count]].mean(axis=1)
        return mean

    def best_count(self, values: Floats) -> int:
        """Of NEIGHBOURS, how many alike say best what the shares of these products are: by log loss.

        Args:
            values: [C] shares, which are known of all of these.
        """
        truth = values[self.new] / max(values[self.new].sum(), _LEAST)
        told = {count: self.means(values, count) + _LEAST for count in NEIGHBOURS}
        return max(told, key=lambda count: float(truth @ np.log(told[count] / told[count].sum())))

    def scores(self, method: Method, count: int, task: Task, candidates: int) -> Method:
        """Scores of new candidates after known ones, or of all after new ones, by those of the `count` most alike.

        Args:
            method: knows only known products.
            count: how many speak for a new one.
            task: which end is new; scores of other targets, or after other sources, mean nothing.
            candidates: C.
        """
        nearest = self.nearest[:, :count]
        share = np.full(nearest.size, 1.0 / nearest.shape[1])
        place = (nearest.ravel(), np.repeat(np.arange(len(self.new)), nearest.shape[1]))
        weights = sp.csr_matrix((share, place), shape=(candidates, len(self.new)))

        def of_targets(sources: Ints) -> Floats:
            found = np.full((len(sources), candidates), -np.inf)
            found[:, self.new] = (weights.T @ method(sources).T).T
            return found

        def of_sources(sources: Ints) -> Floats:
            asked = sp.csr_matrix(weights[:, np.searchsorted(self.new, sources)])
            found, speaking = np.zeros((len(sources), candidates)), np.unique(asked.nonzero()[0])
            for start in range(0, len(speaking), _ROWS_AT_ONCE):
                rows = speaking[start : start + _ROWS_AT_ONCE]
                found += asked[rows].T @ method(rows)
            return found

        return of_targets if task == "targets" else of_sources
