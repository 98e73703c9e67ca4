"""How high the wanted stand in a ranking: ranks, hits at k, reciprocal ranks and discounted gains.

One rule for ties: equals share the mean of the ranks they take up, as if every order among them were as likely. Only
lists that are shown must put equals in an order; they name the lower number first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.errors import DataError
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval

Ints = npt.NDArray[np.int64]

TOP_K = (5, 10, 20, 50)

_FEW = 10  # wanted scores up to which counting is faster than sorting


@dataclass(frozen=True)
class PairRanks:
    """Mean rank, 1 for the best, of each pair's target among all that its source could be followed by.

    Attributes:
        source: [r].
        rank: [r] mean over the ties.
    """

    source: Ints
    rank: Floats

    def metrics(self) -> dict[str, Floats]:
        """[r] hit rate at each of `TOP_K`, reciprocal rank and NDCG at 10 of every pair."""
        hits = {f"hr@{k}": (self.rank <= k).astype(np.float64) for k in TOP_K}
        top = self.rank <= 10
        return {**hits, "mrr@10": top / self.rank, "ndcg@10": top * discount(self.rank)}

    def intervals(self, samples: int, seed: int) -> dict[str, Interval]:
        """Mean of every metric with its 95 % interval over sources."""
        bootstrap = CustomerBootstrap.of(self.source, samples, seed)
        ones = np.ones(len(self.rank))
        return {name: bootstrap.ratio(values, ones) for name, values in self.metrics().items()}

    def gain(self, other: "PairRanks", metric: str, samples: int, seed: int) -> Interval:
        """This metric minus the other's on the same pairs, with its paired interval.

        Raises:
            DataError: the other ranked other pairs.
        """
        if not np.array_equal(self.source, other.source):
            raise DataError("paired gain: the two methods ranked different pairs; rank the same ones")
        bootstrap, ones = CustomerBootstrap.of(self.source, samples, seed), np.ones(len(self.rank))
        return bootstrap.ratio_difference(self.metrics()[metric], ones, other.metrics()[metric], ones)


def discount(rank: npt.ArrayLike) -> Floats:
    """[...] what a hit at a rank is worth to NDCG, 1 at rank 1 (Järvelin and Kekäläinen, TOIS 2002).

    >>> discount([1.0, 3.0]).tolist()
    [1.0, 0.5]
    """
    return np.asarray(1.0 / np.log2(1.0 + np.asarray(rank, dtype=np.float64)))


def mean_ranks(wanted: Floats, rivals: Floats) -> Floats:
    """[k] rank of each wanted score among rivals [n] that it is not one of itself, 1 for the best.

    >>> mean_ranks(np.array([3.0, 2.0]), np.array([3.0, 1.0, 2.5])).tolist()
    [1.5, 3.0]
    """
    if len(wanted) <= _FEW:
        above, level = (rivals > wanted[:, None]).sum(axis=1), (rivals == wanted[:, None]).sum(axis=1)
        return np.asarray(1.0 + above + level / 2.0, dtype=np.float64)
    return 1.0 + len(rivals) - _count_below(wanted, rivals)


def share_below(values: Floats, others: Floats) -> Floats:
    """[n] share of the others that each value lies above; over positives, its mean is the AUC against the others.

    >>> share_below(np.array([1.0, 0.0]), np.array([0.0, 0.5])).tolist()
    [1.0, 0.25]
    """
    return _count_below(values, others) / max(1, len(others))


def _count_below(values: Floats, others: Floats) -> Floats:
    """[n] how many of the others lie below each value, equals as half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((below + upto) / 2.0, dtype=np.float64)


def hits_at(positive: Floats, negative: Floats, k: int) -> float:
    """OGB's Hits@K: the share of positives strictly above the K-th best negative (Hu et al. 2020, arXiv 2005.00687).

    >>> hits_at(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0]), 1)
    0.3333333333333333

    Raises:
        DataError: there are fewer than K negatives.
    """
    return float((positive > bar_of(negative, k)).mean())


def bar_of(negative: Floats, k: int) -> float:
    """The K-th best negative, which a hit must exceed; see `hits_at`."""
    if len(negative) < k:
        raise DataError(f"Hits@{k}: only {len(negative)} negative pairs; draw at least {k}")
    return float(np.partition(negative, len(negative) - k)[len(negative) - k])
