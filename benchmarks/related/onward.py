"""The one place where Onward's model enters the benchmark."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import scipy.sparse as sp

from benchmarks.related.clocks import ClockData
from onward.evaluation.intervals import Floats
from onward.evaluation.listing import best_first, complements
from onward.evaluation.related_baselines import cooccurrence
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

Together = Literal["together", "after"]

NAME = "type-shrunk lift (stand-in)"
"""What the rows of this benchmark call the model below."""


class Fitted(Protocol):
    """A model that was fitted at a clock."""

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """[m, count] candidates of any type, best first: related at weight 0, most probable at weight 1."""
        ...

    def goes_with(self, sources: Ints, count: int) -> Ints:
        """[m, count] complements at the default weight, as they are served."""
        ...


def onward(data: ClockData, seed: int, threads: int) -> Fitted:
    """Fit at a clock, from what was known before it.

    Args:
        data: the clock; `data.known`, `data.products`, `data.candidates` and `data.customers` are what a model may use.
        seed: of everything drawn.
        threads: that may be used.
    """
    del seed, threads  # the stand-in draws nothing
    return TypeShrunkLift.fit(data)


@dataclass(frozen=True)
class TypeShrunkLift:
    """Stand-in: orders with both over those expected, shrunk towards the lift of their types (Gamma-Poisson).

        f(u, v) = log (C_uv + k L_type) / (E_uv + k),   E_uv = n_u n_v / orders

    Nothing is learnt, and both relations have the same f.
    """

    lift: Method
    popularity: dict[str, Floats]
    types: Ints

    @classmethod
    def fit(cls, data: ClockData, strength: float = 20.0, default_strength: float = 5.0) -> "TypeShrunkLift":
        """Count what was known; `strength` is k, and `default_strength` that of types towards a lift of 1."""
        log, types = data.log.before(data.windows.clock), data.types
        kinds, orders = int(types.max()) + 1, len(np.unique(log.order))
        lines = np.bincount(log.product, minlength=log.products).astype(np.float64)
        pairs = np.unique(log.order * kinds + types[log.product])
        rows = np.unique(pairs // kinds, return_inverse=True)[1]
        of_types = sp.csr_matrix((np.ones(len(rows)), (rows, pairs % kinds)), shape=(orders, kinds))
        both = (of_types.T @ of_types).toarray()
        expected = np.outer(np.diag(both), np.diag(both)) / max(orders, 1)
        type_lift = (both + default_strength) / (expected + default_strength)
        counts = cooccurrence(log.order, log.product, log.products)

        def lift(sources: Ints) -> Floats:
            chance = lines[sources][:, None] * lines / max(orders, 1)
            prior = type_lift[types[sources]][:, types]
            return np.asarray(np.log((counts(sources) + strength * prior) / (chance + strength)))

        shares = {"together": log.order_share(), "after": log.new_share()}
        return cls(lift, {name: np.log(np.maximum(share, 1e-9)) for name, share in shares.items()}, types)

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """See `Fitted`."""
        return best_first(self._weighted(relation, weight), len(self.types), count)(sources)

    def goes_with(self, sources: Ints, count: int) -> Ints:
        """See `Fitted`."""
        return complements(self._weighted("together", 0.25), self.types, count)(sources)

    def _weighted(self, relation: Together, weight: float) -> Method:
        return lambda sources: self.lift(sources) + weight * self.popularity[relation]
