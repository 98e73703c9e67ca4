"""A made-up shop of any size to train the encoder on: groups that lead to one another, popularity by a power law."""

import numpy as np

from onward.graph.pair_support import PairSupport, graph_of_pairs
from onward.model.product_inputs import ProductInputs
from onward.model.training import Lesson

HELD_OUT = 0.02
_POWER = -0.8
_KNOWN_GROUPS = 1000


def make_lesson(products: int, groups: int, drawn: int, edges: int, seed: int) -> Lesson:
    """Pairs of two relations: within a group, and from a group to the next; both ends drawn by popularity.

    Args:
        products: P.
        groups: into which they fall, all alike.
        drawn: pairs of each relation, before what came twice is counted together.
        edges: along which products hear each other, at most; half of each relation, the most frequent.
        seed: of everything drawn.
    """
    generator = np.random.default_rng(seed)
    group = generator.integers(0, groups, products)
    popularity = generator.permutation((1.0 + np.arange(products)) ** _POWER)
    relations = tuple(_pairs(generator, group, popularity, step, drawn) for step in (0, 1))
    strongest = tuple(_strongest(pairs, edges // 2) for pairs in relations)
    # Where there are more groups than codes, a product's neighbours have to say which is its own.
    code = group[:, None] % _KNOWN_GROUPS + 1
    inputs = ProductInputs(code, (_KNOWN_GROUPS + 1,), np.log(popularity)[:, None].astype(np.float32))
    return Lesson.of(relations, graph_of_pairs(products, *strongest), inputs, HELD_OUT, seed)


def _pairs(
    generator: np.random.Generator, group: np.ndarray, popularity: np.ndarray, step: int, drawn: int
) -> PairSupport:
    products = len(popularity)
    source = np.searchsorted(np.cumsum(popularity), generator.random(drawn) * popularity.sum())
    by_group = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[by_group], np.arange(group.max() + 2))
    cumulative = np.concatenate([[0.0], np.cumsum(popularity[by_group])])
    wanted = (group[source] + step) % (group.max() + 1)
    low, high = cumulative[bounds[wanted]], cumulative[bounds[wanted + 1]]
    place = np.searchsorted(cumulative, low + generator.random(drawn) * (high - low), side="right") - 1
    target = by_group[np.minimum(place, products - 1)]
    apart = source != target
    key, support = np.unique(source[apart] * products + target[apart], return_counts=True)
    return PairSupport(key // products, key % products, support.astype(np.float64))


def _strongest(pairs: PairSupport, most: int) -> PairSupport:
    rows = np.sort(np.argsort(-pairs.support, kind="stable")[:most])
    return PairSupport(pairs.source[rows], pairs.target[rows], pairs.support[rows])
