"""Which way one-way edges go: pairs matched by degree, so that degrees alone are right half of the time.

A pair is the unit of a hit; sources are the unit of the bootstrap, since pairs of one source move together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval
from onward.metrics.ranking import PairRanks
from onward.ranking.directed_graph import Bools, DirectedGraph, Ints


def one_way(pairs: Ints, known: DirectedGraph) -> Bools:
    """[r] the pairs whose reverse is no edge anywhere in the data."""
    return ~known.has(pairs[:, ::-1])


def matched_weights(differences: Sequence[npt.NDArray[np.floating]], width: float) -> Floats:
    """[r] weights under which the given differences (of v minus u) say nothing about the direction.

    Pairs fall into cells of `width` along every difference. A pair of a cell with n pairs, whose mirrored cell (all
    differences with the other sign) holds m, weighs min(n, m) / n: cell and mirror then weigh the same, so that any
    score that only knows the cell is right half of the time.

    Args:
        differences: each [r], for example log(1 + in-degree of v) - log(1 + in-degree of u).
        width: of a cell; the one at zero is its own mirror.
    """
    cells = np.stack([np.rint(each / width).astype(np.int64) for each in differences], axis=1)
    both, place = np.unique(np.concatenate([cells, -cells]), axis=0, return_inverse=True)
    place = place.reshape(2, len(cells))
    here, mirrored = (np.bincount(side, minlength=len(both)) for side in place)
    weights: Floats = np.minimum(here, mirrored)[place[0]] / here[place[0]]
    return weights


@dataclass(frozen=True)
class DirectionPairs:
    """One-way edges, and their weights under each matching.

    Attributes:
        pairs: [r, 2] edges u -> v whose reverse is no edge.
        weights: [r] by matching: `raw`, `in matched` and `both matched` (in- and out-degree together).
    """

    pairs: Ints
    weights: Mapping[str, Floats]

    @classmethod
    def of(cls, pairs: Ints, graph: DirectedGraph, known: DirectedGraph, width: float = 0.25) -> "DirectionPairs":
        """Match the one-way ones among `pairs` by their degrees in `graph` (the one that scores may see)."""
        kept = pairs[one_way(pairs, known)]
        into, out = (
            np.log1p(degrees[kept[:, 1]]) - np.log1p(degrees[kept[:, 0]])
            for degrees in (graph.in_degrees, graph.out_degrees)
        )
        weights = {
            "raw": np.ones(len(kept)),
            "in matched": matched_weights([into], width),
            "both matched": matched_weights([into, out], width),
        }
        return cls(kept, weights)

    def auc(self, forward: Floats, reverse: Floats, samples: int, seed: int) -> dict[str, Interval]:
        """By matching: the weighted share of pairs whose observed order scores higher, over sources as units."""
        share = direction_share(forward, reverse)
        bootstrap = CustomerBootstrap.of(self.pairs[:, 0], samples, seed)
        return {name: bootstrap.ratio(share * weight, weight) for name, weight in self.weights.items()}


def by_degree(ranks: PairRanks, degrees: Ints, metric: str, buckets: int = 3) -> list[tuple[int, int, float]]:
    """(lowest degree, highest degree, mean metric) of equal-mass buckets of the pairs, low degrees first."""
    values = ranks.metrics()[metric]
    edges = np.quantile(degrees, np.linspace(0, 1, buckets + 1)[1:-1], method="higher")
    bucket = np.searchsorted(edges, degrees, side="right")
    return [
        (int(degrees[inside].min()), int(degrees[inside].max()), float(values[inside].mean()))
        for number in range(buckets)
        if (inside := bucket == number).any()
    ]


def direction_share(forward: Floats, reverse: Floats) -> Floats:
    """[r] 1 where the observed order scores higher than its reverse, ½ where they tie."""
    share: Floats = (forward > reverse) + 0.5 * (forward == reverse)
    return share
