"""Ranking queries: a product that a customer bought, and what that customer newly bought afterwards."""

from dataclasses import dataclass

import numpy as np

from onward.ranking.purchase_log import Bools, Ints, PurchaseLog


@dataclass(frozen=True)
class Queries:
    """Queries and their relevant products, as pairs sorted by query.

    Attributes:
        customer: [q] who asks.
        source: [q] the product bought, a candidate number.
        fresh: [q] whether the source itself was new to the customer.
        pair_query: [r] query of each relevant product.
        pair_product: [r] the relevant product; never the query's own source.
    """

    customer: Ints
    source: Ints
    fresh: Bools
    pair_query: Ints
    pair_product: Ints


def build_queries(
    log: PurchaseLog, customers: Ints, start: int, end: int, horizon: int, follow_days: int, limit: int, seed: int
) -> Queries:
    """Sample queries (customer, product, day) bought in [start, end) that have at least one relevant product.

    Relevant is every product that the customer newly bought on a later day, within `follow_days` and before
    `horizon`. All times are days since 1970-01-01.

    Args:
        log: purchases up to the horizon, with enough of the past to know what is new.
        customers: whose queries; nobody else's purchases are looked at.
        start: first day of the queries.
        end: day after the last query.
        horizon: day after the last purchase that may count as relevant.
        follow_days: how long after the query a product may be relevant.
        limit: most queries to keep.
        seed: of the sample.
    """
    log = log.where(np.isin(log.customer, customers) & (log.day < horizon))
    asked = np.flatnonzero((log.day >= start) & (log.day < end))
    # Four times as many as wanted leave enough with something relevant, and bound the work on a large log.
    asked = np.random.default_rng([seed, 0x9E]).permutation(asked)[: 4 * limit]

    query, product = newly_bought_after(log, log.customer[asked], log.day[asked], follow_days)
    other = product != log.product[asked][query]
    pairs = np.unique(query[other] * log.products + product[other])
    query, product = pairs // log.products, pairs % log.products

    kept = np.unique(query)[:limit]
    inside = query <= (kept[-1] if len(kept) else -1)
    rows = asked[kept]
    return Queries(
        log.customer[rows], log.product[rows], log.fresh[rows], np.searchsorted(kept, query[inside]), product[inside]
    )


def newly_bought_after(log: PurchaseLog, customer: Ints, day: Ints, follow_days: int) -> tuple[Ints, Ints]:
    """(query, product) of what each customer newly bought after a day and within `follow_days` of it.

    Args:
        log: all purchases that may answer.
        customer: [q] who asks.
        day: [q] when.
        follow_days: the last day that counts is so much later.
    """
    new = log.where(log.fresh)
    key = _key(new.customer, new.day)
    low = np.searchsorted(key, _key(customer, day), side="right")
    high = np.searchsorted(key, _key(customer, day + follow_days), side="right")
    query, row = spread(low, high)
    return query, new.product[row]


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Number of the range, and place, of every place in [q] ranges low <= place < high.

    >>> [each.tolist() for each in spread(np.array([4, 0, 7]), np.array([6, 0, 8]))]
    [[0, 0, 2], [4, 5, 7]]
    """
    count = high - low
    number = np.repeat(np.arange(len(low)), count)
    return number, np.repeat(low - np.r_[0, np.cumsum(count)[:-1]], count) + np.arange(count.sum())


def _key(customer: Ints, day: Ints) -> Ints:
    # A day number stays below 2**20 until the year 4840.
    return np.asarray(customer * 2**20 + day, dtype=np.int64)
