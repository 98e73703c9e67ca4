"""What the fitted ranking says of products that it has no counts of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.related import onward as adapter
from benchmarks.related.encoder import LIFTS
from benchmarks.related.entries import COUNT
from benchmarks.related.likeness import Likeness
from onward.evaluation.listing import NOTHING, Lister
from onward.evaluation.related_queries import Relation
from onward.metrics.customer_bootstrap import Floats
from onward.ranking.method import Method
from onward.ranking.order_score import order_score
from onward.ranking.purchase_log import Bools, Ints
from onward.ranking.related_lists import list_owners


@dataclass(frozen=True)
class Newcomers:
    """A model that was fitted without any purchase of some candidates.

    Attributes:
        fitted: the model; what is new is no candidate of its own.
        candidates: [C] product number of each, known and new.
        new: [C] the new ones.
        likeness: known products like them.
        neighbours: how many of these say how popular a new one is.
    """

    fitted: adapter.Onward
    candidates: Ints
    new: Bools
    likeness: Likeness
    neighbours: Mapping[Relation, int]

    @classmethod
    def of(
        cls, fitted: adapter.Onward, candidates: Ints, new: Bools, likeness: Likeness, known: Likeness
    ) -> "Newcomers":
        """Pick `neighbours` by products whose popularity is known: `known` holds what is like some of these."""
        shares = {relation: fitted.lists.model.popularity(name)[candidates] for relation, name in LIFTS.items()}
        neighbours = {relation: known.best_count(share) for relation, share in shares.items()}
        return cls(fitted, candidates, new, likeness, neighbours)

    def learned(self, relation: Relation, weight: float = 0.0) -> Method:
        """New candidates by `order_score`, as popular as the mean of those most like them."""
        model, name = self.fitted.lists.model, LIFTS[relation]
        share = self.likeness.means(model.popularity(name)[self.candidates], self.neighbours[relation])

        def score(u: Ints, v: Ints) -> Floats:
            pairs = np.repeat(u, len(v)), np.tile(v, len(u))
            lift = model.lifts[name].score(model.evidence, *pairs, model.threads)
            return order_score(lift.reshape(len(u), len(v)), share, weight)

        return self._of_new(score)

    def counted(self, relation: Relation) -> Method:
        """The shrunk lift of new candidates, which is their types'."""
        evidence = self.fitted.lists.model.evidence
        counts = evidence.cooccurrence if relation == "basket" else evidence.after
        return self._of_new(counts.rows)

    def after_new(self, relation: Relation, weight: float) -> Lister:
        """Known candidates after new ones."""
        return lambda sources: self._order(self.candidates[sources], relation, weight)

    def after_type(self, relation: Relation, weight: float, bought: Ints) -> Lister:
        """The lists that are served for a new product: those of its type's most bought.

        Args:
            relation: of the lists.
            weight: on popularity.
            bought: [C] households of each candidate; 0 for new ones.
        """
        evidence = self.fitted.lists.model.evidence
        customers = np.zeros(evidence.catalogue.products, dtype=np.int64)
        customers[self.candidates] = bought
        whose = list_owners(evidence, customers)

        def lists(sources: Ints) -> Ints:
            stand_ins = whose[self.candidates[sources]]
            distinct, row = np.unique(stand_ins[stand_ins >= 0], return_inverse=True)
            found = np.full((len(sources), COUNT), NOTHING, dtype=np.int64)
            found[stand_ins >= 0] = self._order(distinct, relation, weight)[row]
            return found

        return lists

    def _order(self, products: Ints, relation: Relation, weight: float) -> Ints:
        listed = self.fitted.lists.model.order(products, LIFTS[relation], weight, COUNT)
        place = np.searchsorted(self.candidates, np.maximum(listed, 0))
        return np.where(listed >= 0, place, NOTHING).astype(np.int64)

    def _of_new(self, score: Callable[[Ints, Ints], Floats]) -> Method:
        new = np.flatnonzero(self.new)

        def scores(sources: Ints) -> Floats:
            found = np.full((len(sources), len(self.candidates)), -np.inf)
            found[:, new] = score(self.candidates[sources], self.candidates[new])
            return found

        return scores
