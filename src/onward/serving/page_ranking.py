"""A page of products in order for a customer, from what the customer bought or looked at last.

The order, best first:

1. products on a held list (goes_with or after) of a recent product, by `order_score` of their highest log-lift f over
   the recent products at the given weight: at 0 by f, at 1 by f + log P(v), as the lists themselves are ordered;
2. products on none, by the same of the highest log-lift that the encoder's embeddings give;
3. products that the model does not know, as they came.

A list's lift rests on counts and types, an embedding's on the encoder alone, and they are not on one scale: so evidence
by lists goes before evidence by embeddings, and neither is mixed into the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.deployment.bundle import Bundle
from onward.ranking.list_names import AFTER, GOES_WITH
from onward.ranking.order_score import order_score
from onward.serving.held_lists import HeldLists

Floats = npt.NDArray[np.float64]

LISTS_SAY = "lists"
EMBEDDINGS_SAY = "embeddings"


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate with its place's reason.

    Attributes:
        candidate: inside number.
        because_of: recent product, inside number, that it is most related to.
        score: comparable among candidates of one evidence.
        evidence: lists or embeddings.
    """

    candidate: int
    because_of: int
    score: float
    evidence: str


def rank_page(
    bundle: Bundle, lists: HeldLists | None, recent: Sequence[int], candidates: Sequence[int], weight: float
) -> list[RankedCandidate]:
    """Put candidates in order; see the module's docstring.

    Args:
        bundle: for embeddings and popularity.
        lists: that it holds.
        recent: inside numbers, at least one.
        candidates: distinct inside numbers.
        weight: 0 for the most related, 1 for the most probable.
    """
    lifts: dict[int, tuple[float, int, float]] = {}
    share = _shares(bundle)
    wanted = set(candidates)
    for product in recent if lists is not None else ():
        held = lists.of(product) if lists is not None else {}
        for entry in [*held[GOES_WITH], *held[AFTER]]:
            if entry.other not in wanted:
                continue
            lift = float(np.log(entry.times)) if entry.log_lift is None else entry.log_lift
            if entry.other not in lifts or lift > lifts[entry.other][0]:
                # P(v) as the list was ordered by: the graph's customers are older than the lists' clock.
                held_share = share[entry.other] if entry.share is None else entry.share
                lifts[entry.other] = (lift, product, float(held_share))
    listed = [candidate for candidate in candidates if candidate in lifts]
    others = [candidate for candidate in candidates if candidate not in lifts]
    best = np.array([lifts[candidate][0] for candidate in listed], dtype=np.float64)
    because = [lifts[candidate][1] for candidate in listed]
    held_shares = np.array([lifts[candidate][2] for candidate in listed], dtype=np.float64)
    ranked = _ordered(listed, because, best, held_shares, weight, LISTS_SAY)
    if others:
        u = np.repeat(np.asarray(recent, dtype=np.int64), len(others))
        v = np.tile(np.asarray(others, dtype=np.int64), len(recent))
        embeddings = bundle.model.embeddings
        both = np.maximum(embeddings.log_lift("together", u, v), embeddings.log_lift("after", u, v))
        by_recent = np.asarray(both, dtype=np.float64).reshape(len(recent), len(others))
        nearest = [recent[place] for place in by_recent.argmax(axis=0).tolist()]
        ranked += _ordered(others, nearest, by_recent.max(axis=0), share[others], weight, EMBEDDINGS_SAY)
    return ranked


def _ordered(
    candidates: Sequence[int],
    because_of: Sequence[int],
    lift: Floats,
    share: Floats,
    weight: float,
    evidence: str,
) -> list[RankedCandidate]:
    score = order_score(lift, share, weight)
    # What nobody has bought has no share: by its lift alone it comes after the others of its evidence.
    order = np.lexsort((-lift, -score))
    return [
        RankedCandidate(
            candidates[place],
            because_of[place],
            float(score[place]) if np.isfinite(score[place]) else float(lift[place]),
            evidence,
        )
        for place in order.tolist()
    ]


def _shares(bundle: Bundle) -> Floats:
    """[P] each product's share of the customers, which stands in for P(v)."""
    customers = np.asarray(bundle.model.graph.customers, dtype=np.float64)
    total = float(customers.sum())
    return customers / total if total > 0.0 else customers
