"""Pairs that happened, and pairs drawn as if the first product said nothing about the second.

A rival's target is drawn from the targets of other pairs, so from the targets' own popularity. A classifier that tells
the two apart has log-odds log P(v | u) / P(v) up to a constant: the log-lift (the density-ratio view of negative
sampling; Levy and Goldberg 2014, arXiv 1402.3722 for words).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from onward.random_streams import Stream
from onward.ranking.directed_graph import Ints
from onward.ranking.purchase_log import Bools, PurchaseLog


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of products: [n] each."""

    source: Ints
    target: Ints


def pairs_of_baskets(baskets: sp.csr_matrix, allowed: Bools, targets: int, most: int, seed: int) -> Pairs:
    """Pairs of different products in one basket: for every product of a basket up to `targets` of the others.

    Args:
        baskets: [B, P] of the customers and days to learn from.
        allowed: [P] products that may be recommended; sources and targets are among them.
        targets: drawn for each product, the same perhaps twice.
        most: pairs in all.
        seed: of the draw.
    """
    generator = np.random.default_rng([seed, Stream.TOGETHER_PAIRS])
    row = np.repeat(np.arange(baskets.shape[0]), np.diff(baskets.indptr))
    kept = allowed[baskets.indices]
    row, product = row[kept], baskets.indices[kept].astype(np.int64)
    size = np.bincount(row, minlength=baskets.shape[0])
    start = np.cumsum(size) - size
    source = np.repeat(np.flatnonzero(size[row] > 1), targets)
    basket = row[source]
    # One of the others: the places behind one's own, round the basket.
    step = 1 + (generator.random(len(source)) * (size[basket] - 1)).astype(np.int64)
    target = start[basket] + (source - start[basket] + step) % size[basket]
    return _at_most(Pairs(product[source], product[target]), most, generator)


def pairs_that_followed(
    log: PurchaseLog, allowed: Bools, follow_days: int, targets: int, most: int, seed: int
) -> Pairs:
    """Pairs (bought, bought new within `follow_days` after it by the same customer).

    Args:
        log: purchases of the customers and days to learn from.
        allowed: [P] products that may be recommended.
        follow_days: after a purchase.
        targets: drawn for each purchase, the same perhaps twice.
        most: pairs in all.
        seed: of the draw.
    """
    generator = np.random.default_rng([seed, Stream.AFTER_PAIRS])
    log = log.where(allowed[log.product])
    new = log.where(log.fresh)
    # A day number stays below 2**20 until the year 4840.
    new_key = new.customer * 2**20 + new.day
    bought_key = log.customer * 2**20 + log.day
    low = np.searchsorted(new_key, bought_key, side="right")
    high = np.searchsorted(new_key, bought_key + follow_days, side="right")
    followed = np.repeat(np.flatnonzero(high > low), targets)
    drawn = low[followed] + (generator.random(len(followed)) * (high - low)[followed]).astype(np.int64)
    u, v = log.product[followed], new.product[drawn]
    return _at_most(Pairs(u[u != v], v[u != v]), most, generator)


def rivals(pairs: Pairs, times: int, seed: int) -> Pairs:
    """The same sources, `times` over, each with the target of another pair; no product is its own rival."""
    generator = np.random.default_rng([seed, Stream.RIVALS])
    source = np.tile(pairs.source, times)
    target = np.concatenate([generator.permutation(pairs.target) for _ in range(times)])
    return Pairs(source[source != target], target[source != target])


def _at_most(pairs: Pairs, most: int, generator: np.random.Generator) -> Pairs:
    chosen = generator.permutation(len(pairs.source))[:most]
    return Pairs(pairs.source[chosen], pairs.target[chosen])
