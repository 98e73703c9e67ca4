"""The lists that are served of a graph: what comes after every node, and, turned round, what comes before it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from onward.ranking.catalogue_ranker import OFF_THE_LIST
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import Ints
from onward.ranking.list_names import AFTER, BEFORE
from onward.ranking.method import Method

_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class RankedPairs:
    """Pairs u -> v by source, the best target first.

    Attributes:
        pairs: [r, 2].
        score: [r] of the ranker; comparable within a source alone.
    """

    pairs: Ints
    score: Floats


def best_after(method: Method, excluded: sp.csr_matrix, most: int) -> RankedPairs:
    """At most so many targets of every node, in the order of the method; ties go by number.

    Args:
        method: scores of all nodes after the given ones; `OFF_THE_LIST` is never listed.
        excluded: [N, N] what is never listed after a node: itself, and what it is known to lead to.
        most: a list's length.
    """
    nodes = excluded.shape[1]
    step = max(1, _BLOCK_CELLS // nodes)
    pairs = []
    scores = []
    for start in range(0, nodes, step):
        block = np.arange(start, min(start + step, nodes))
        rows = method(block)
        hidden = excluded[block].tocoo()
        rows[hidden.row, hidden.col] = OFF_THE_LIST
        # A stable sort of the negated scores keeps equal ones in the order of their numbers.
        order = np.argsort(-rows, axis=1, kind="stable")[:, :most]
        kept = np.take_along_axis(rows, order, axis=1)
        listed = kept > OFF_THE_LIST
        source = np.repeat(block, listed.sum(axis=1))
        pairs.append(np.stack([source, order[listed]], axis=1))
        scores.append(kept[listed])
    return RankedPairs(np.concatenate(pairs), np.concatenate(scores))


def chance_after(ranked: RankedPairs, popularity: Floats) -> Floats:
    """[r] log P(v | u) P(u) up to a constant: what a ranker's scores say of u, asked for v, by Bayes' rule.

    P(v | u) is the softmax of the scores of u's list; P(u) is u's share of the events.
    """
    source = ranked.pairs[:, 0]
    top = np.full(len(popularity), -np.inf)
    np.maximum.at(top, source, ranked.score)
    total = np.bincount(source, weights=np.exp(ranked.score - top[source]), minlength=len(popularity))
    chance: Floats = ranked.score - top[source] - np.log(total[source]) + np.log1p(popularity[source])
    return chance


def lists_of(ranked: RankedPairs, strength: Callable[[RankedPairs], Floats], most: int) -> pd.DataFrame:
    """Both lists of every node, as node, way, place (1 is the best), other and strength.

    `after` keeps the ranker's order. `before` of v holds the nodes u on whose list v is, the strongest pair first.

    Args:
        ranked: what comes after every node; longer than `most`, so that `before` has something to choose from.
        strength: [r] of every pair, comparable between sources.
        most: a list's length.
    """
    strong = strength(ranked)
    after = _placed(ranked.pairs[:, 0], ranked.pairs[:, 1], strong, most, AFTER)
    order = np.lexsort((ranked.pairs[:, 0], -strong, ranked.pairs[:, 1]))
    before = _placed(ranked.pairs[order, 1], ranked.pairs[order, 0], strong[order], most, BEFORE)
    return pd.concat([after, before], ignore_index=True)


def _placed(node: Ints, other: Ints, strength: Floats, most: int, way: str) -> pd.DataFrame:
    first = np.searchsorted(node, node, side="left")
    place = np.arange(len(node)) - first + 1
    kept = place <= most
    return pd.DataFrame(
        {"node": node[kept], "way": way, "place": place[kept], "other": other[kept], "strength": strength[kept]}
    )
