"""Queries for related products: a line of an order, and what else its customer took, at once and later.

Every line of an order in the days after the clock is as likely a query as any other, so popular products are asked
about as often as they are bought. What was bought with it and what was newly bought after it are judged apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from onward.evaluation.newly_bought import newly_bought_after, spread
from onward.evaluation.related_log import RelatedLog
from onward.random_streams import Stream
from onward.ranking.purchase_log import Bools, Ints, distinct

Relation = Literal["basket", "later"]
RELATIONS: tuple[Relation, ...] = ("basket", "later")


@dataclass(frozen=True)
class Answers:
    """The relevant products of some queries, as pairs sorted by query and product; a query may have none.

    Attributes:
        query: [r] row of the query.
        product: [r] candidate number; never the query's own source.
    """

    query: Ints
    product: Ints

    def where(self, keep: Bools) -> "Answers":
        """The pairs under a mask."""
        return Answers(self.query[keep], self.product[keep])


@dataclass(frozen=True)
class RelatedQueries:
    """Queries and their answers.

    Attributes:
        customer: [q] who bought.
        source: [q] the product asked about, a candidate number.
        order: [q] the order that it was in.
        answers: by relation: the other candidates of the same order, and those newly bought on later days.
    """

    customer: Ints
    source: Ints
    order: Ints
    answers: Mapping[Relation, Answers]

    def of_other_types(self, types: Ints) -> "RelatedQueries":
        """The same queries, answered by products of other types only.

        Args:
            types: [C] type of each candidate.
        """
        other = {
            relation: answers.where(types[answers.product] != types[self.source[answers.query]])
            for relation, answers in self.answers.items()
        }
        return RelatedQueries(self.customer, self.source, self.order, other)


def related_queries(
    log: RelatedLog, customers: Ints, start: int, end: int, follow_days: int, limit: int, seed: int
) -> RelatedQueries:
    """Draw up to `limit` lines (order, product) of [start, end), each as likely as any other.

    Args:
        log: everything up to `end` + `follow_days`, with enough of the past to know what is new.
        customers: whose orders are asked about.
        start: first day of the queries, since 1970-01-01.
        end: day after the last query.
        follow_days: how long after the query a new purchase is an answer.
        limit: most queries.
        seed: of the draw.
    """
    rows = np.flatnonzero((log.day >= start) & (log.day < end) & np.isin(log.customer, customers))
    rows = np.sort(np.random.default_rng([seed, Stream.RELATED_QUERIES]).permutation(rows)[:limit])
    customer = log.customer[rows]
    source = log.product[rows]
    order = log.order[rows]
    low, high = (np.searchsorted(log.order, order, side) for side in ("left", "right"))
    query, line = spread(low, high)
    later_query, later = newly_bought_after(log.purchases, customer, log.day[rows], follow_days)
    answers: dict[Relation, Answers] = {
        "basket": _answers(query, log.product[line], source, log.products),
        "later": _answers(later_query, later, source, log.products),
    }
    return RelatedQueries(customer, source, order, answers)


def _answers(query: Ints, product: Ints, source: Ints, products: int) -> Answers:
    other = product != source[query]
    pairs = distinct(query[other] * products + product[other])
    return Answers(pairs // products, pairs % products)
