"""Pairs of products and how often each happened: what the encoder draws its examples from, and messages' edges."""

from dataclasses import dataclass

import numpy as np

from onward.errors import DataError
from onward.graph.product_graph import FloatArray, IntArray, ProductGraph
from onward.random_streams import Stream


@dataclass(frozen=True)
class PairSupport:
    """Distinct ordered pairs of different products.

    Attributes:
        source: [n] products u.
        target: [n] products v.
        support: [n] how often v was found with u; above 0.
    """

    source: IntArray
    target: IntArray
    support: FloatArray

    def split(self, share: float, most: int, seed: int) -> tuple["PairSupport", "PairSupport"]:
        """Held-out pairs, drawn by their support, and the others; a pair and its turn are held out together.

        Args:
            share: of the pairs to hold out.
            most: pairs to hold out, at most.
            seed: of the draw.

        Raises:
            DataError: there are too few pairs to hold any out, or to leave any.
        """
        count = min(round(share * len(self.source)), most)
        if count < 1:
            raise DataError(
                f"encoder: {len(self.source)} pairs of products are too few to hold out a share of {share:g}; "
                "lower ranking.min_support or graph.min_customers"
            )
        generator = np.random.default_rng([seed, Stream.HELD_OUT_PAIRS])
        chosen = generator.choice(len(self.source), count, replace=False, p=self.support / self.support.sum())
        low, high = np.minimum(self.source, self.target), np.maximum(self.source, self.target)
        either_way = low * (int(high.max()) + 1) + high
        held_out = np.isin(either_way, either_way[chosen])
        if held_out.all():
            raise DataError(
                f"encoder: a held-out share of {share:g} leaves none of {len(self.source)} pairs to learn from; "
                "lower encoder.held_out_pairs"
            )
        return self._where(held_out), self._where(~held_out)

    def draw(self, count: int, generator: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Sources and targets of `count` pairs, each as likely as its support, the same perhaps twice.

        >>> pairs = PairSupport(np.array([3, 4]), np.array([5, 6]), np.array([1.0, 0.0]))
        >>> [ends.tolist() for ends in pairs.draw(2, np.random.default_rng(0))]
        [[3, 3], [5, 5]]
        """
        cumulative = np.cumsum(self.support)
        drawn = np.searchsorted(cumulative, generator.random(count) * cumulative[-1], side="right")
        return self.source[drawn], self.target[drawn]

    def _where(self, rows: np.ndarray) -> "PairSupport":
        return PairSupport(self.source[rows], self.target[rows], self.support[rows])


def graph_of_pairs(products: int, *relations: PairSupport) -> ProductGraph:
    """The graph of all pairs of some relations; a pair of several is one edge, with their supports added.

    Args:
        products: P.
        relations: pairs of products 0..P-1.
    """
    key = np.concatenate([pairs.source * products + pairs.target for pairs in relations])
    support = np.concatenate([pairs.support for pairs in relations])
    edges, place = np.unique(key, return_inverse=True)
    total = np.bincount(place, support).astype(np.float64)
    return ProductGraph.from_edges(products, edges // products, edges % products, total)
