"""How likely a product is bought at all: the P(v) that turns relatedness into probability. Of now, not of the year."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.ranking.directed_graph import Ints
from onward.ranking.purchase_log import Bools
from onward.ranking.shopping import Shopping

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Popularity:
    """Shares of the candidates, each summing to 1 over them, 0 elsewhere.

    Attributes:
        cooccurrence: [P] share of what baskets hold.
        after: [P] share of what is bought new.
        trend: [P] log of the recent share of what baskets hold over that of the whole log.
    """

    cooccurrence: Floats
    after: Floats
    trend: Floats


def recent_popularity(shopping: Shopping, candidates: Ints, recent_days: int, prior: float) -> Popularity:
    """Shares over the last days known, backed by the whole log.

    Args:
        shopping: purchases before the clock.
        candidates: products that may be recommended.
        recent_days: how long "now" is.
        prior: how many recent purchases the share of the whole log is worth.
    """
    log = shopping.log
    last = int(log.day.max(initial=0))
    now = log.day > last - recent_days
    cooccurrence = _share(log.product, now, candidates, shopping.products, prior)
    after = _share(log.product[log.fresh], now[log.fresh], candidates, shopping.products, prior)
    everything = _share(log.product, np.zeros(len(now), dtype=np.bool_), candidates, shopping.products, prior)
    trend = np.zeros(shopping.products)
    trend[candidates] = np.log(cooccurrence[candidates] / everything[candidates])
    return Popularity(cooccurrence, after, trend)


def _share(product: Ints, now: Bools, candidates: Ints, products: int, prior: float) -> Floats:
    """[P] (recent + prior x share of all) / their sum, over candidates."""
    allowed = np.zeros(products, dtype=np.bool_)
    allowed[candidates] = True
    ever = np.where(allowed, np.bincount(product, minlength=products) + 0.5, 0.0)
    recent = np.where(allowed, np.bincount(product[now], minlength=products), 0.0)
    mixed = recent + prior * ever / max(ever.sum(), 1.0)
    share: Floats = mixed / max(mixed.sum(), 1e-300)
    return share
