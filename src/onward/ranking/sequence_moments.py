"""What is known of customers' sequences at the moment of a query, and the two kinds of query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.method import Method
from onward.ranking.sequence_counts import count_followers, histories

COUNTED: Mapping[str, tuple[int, float]] = {"next": (1, 0.0), "near": (5, 1.0), "all": (60, 0.5)}
"""By name: window in places, and the power of its decay."""

PREVIOUS_ITEM, HISTORY = "previous item", "history"
DECAY = 0.7
"""Weight of an item of a history over that of the next."""


class QueryScore(Protocol):
    """A fitted score that reads more of a query than the graph's nodes."""

    def method(self, moment: "QueryMoment") -> Method:
        """Scores of all items by query number."""


Chains = Mapping[str, tuple[Chain | QueryScore, ...]]


@dataclass(frozen=True)
class QueryMoment:
    """What is known at the moment of a query.

    Attributes:
        graphs: counts of everything before, by the names of `COUNTED`.
        history: [Q] what each customer bought before and is no answer, in order; the last is the previous item.
        pairs: [r, 2] query number and an item that answers it.
    """

    graphs: Mapping[str, DirectedGraph]
    history: tuple[Ints, ...]
    pairs: Ints

    @classmethod
    def of(
        cls, users: Sequence[Ints], items: int, customers: Ints, vectors: npt.NDArray[np.float32] | None, back: int
    ) -> "QueryMoment":
        """Predict the item `back` places from the end; statistics end one place before the query.

        Args:
            users: items in order, one array a customer; items are 0..items-1.
            items: how many there are.
            customers: those whose next item is predicted; each has more than `back` items.
            vectors: [items, F] attributes; None where nothing is known.
            back: 1 predicts the last item.
        """
        graphs = counts([user[: -back - 1] for user in users], items, vectors)
        sequences = [users[customer] for customer in customers]
        pairs = np.array([(query, user[-back]) for query, user in enumerate(sequences)], dtype=np.int64).reshape(-1, 2)
        return cls(graphs, tuple(user[: len(user) - back] for user in sequences), pairs)

    @property
    def queries(self) -> int:
        """Number of queries Q."""
        return len(self.history)

    @property
    def items(self) -> int:
        """Number of items N."""
        return self.graphs["near"].nodes

    @property
    def seen(self) -> sp.csr_matrix:
        """[Q, N] what each customer bought before."""
        return histories(self.history, self.items, 1.0)

    @property
    def answers(self) -> sp.csr_matrix:
        """[Q, N] the answers of each query."""
        shape = (self.queries, self.items)
        return sp.csr_matrix((np.ones(len(self.pairs)), (self.pairs[:, 0], self.pairs[:, 1])), shape=shape)

    def subset(self, queries: Ints) -> Self:
        """The same with some of the queries, given in ascending order."""
        pairs = self.pairs[np.isin(self.pairs[:, 0], queries)]
        renumbered = np.stack([np.searchsorted(queries, pairs[:, 0]), pairs[:, 1]], axis=1)
        return replace(self, history=tuple(self.history[query] for query in queries), pairs=renumbered)

    def after_each_item(self) -> "QueryMoment":
        """The same counts, queried by every item alone, item n being query n."""
        nothing = np.zeros((0, 2), dtype=np.int64)
        return QueryMoment(self.graphs, tuple(np.array([item]) for item in range(self.items)), nothing)


def counts(past: Sequence[Ints], items: int, vectors: npt.NDArray[np.float32] | None) -> Mapping[str, DirectedGraph]:
    """The graphs of `COUNTED` from sequences of items."""
    return {name: count_followers(past, items, window, decay, vectors) for name, (window, decay) in COUNTED.items()}


def rank_after_item(chain: Chain | QueryScore, moment: QueryMoment) -> Method:
    """Rank after the previous item."""
    if not isinstance(chain, Chain):
        return chain.method(moment)
    last = np.array([history[-1] for history in moment.history])
    return lambda queries: chain(last[queries])


def rank_after_history(chain: Chain | QueryScore, moment: QueryMoment) -> Method:
    """Rank after the whole history, recent items weighing more."""
    if not isinstance(chain, Chain):
        return chain.method(moment)
    mixed = histories(moment.history, moment.items, DECAY)
    return lambda queries: chain.score_mixtures(mixed[queries])


METHOD_BY_QUERY = {PREVIOUS_ITEM: rank_after_item, HISTORY: rank_after_history}
