"""What the graph encoder reads from evidence: pairs to learn from, and edges along which products hear."""

import numpy as np

from onward.graph.pair_support import PairSupport, graph_of_pairs
from onward.graph.product_graph import ProductGraph
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence
from onward.ranking.ranking_model import place_in_run
from onward.ranking.relations import PairCounts


def learnt_pairs(evidence: Evidence) -> tuple[PairSupport, PairSupport]:
    """Pairs of candidates that were bought in one basket, and those of which one was newly bought after the other."""
    cooccurrence, after = (
        _pairs(relation.counts[-1], evidence.candidates) for relation in (evidence.cooccurrence, evidence.after)
    )
    return cooccurrence, after


def message_graph(evidence: Evidence, min_support: float, shrinkage: float, neighbours: int) -> ProductGraph:
    """Edges of both relations: of every product those of the highest shrunk lift, (n + 1) / (expected + shrinkage).

    Args:
        evidence: as of the clock.
        min_support: pairs seen less often make no edge.
        shrinkage: added to the expected count, so that rare pairs do not win by luck.
        neighbours: edges that a product keeps in each relation.
    """
    kept = (
        _strongest(relation.counts[-1], evidence.candidates, min_support, shrinkage, neighbours)
        for relation in (evidence.cooccurrence, evidence.after)
    )
    return graph_of_pairs(evidence.catalogue.products, *kept)


def _pairs(counts: PairCounts, candidates: Ints) -> PairSupport:
    observed = counts.observed.tocoo()
    distinct = observed.row != observed.col
    u, v, support = observed.row[distinct], observed.col[distinct], observed.data[distinct].astype(np.float64)
    return PairSupport(candidates[u], candidates[v], support)


def _strongest(
    counts: PairCounts, candidates: Ints, min_support: float, shrinkage: float, neighbours: int
) -> PairSupport:
    observed = counts.observed.tocoo()
    supported = (observed.row != observed.col) & (observed.data >= min_support)
    u, v, support = observed.row[supported], observed.col[supported], observed.data[supported].astype(np.float64)
    lift = (support + 1.0) / (counts.left[u] * counts.right[v] / max(counts.trials, 1.0) + shrinkage)
    order = np.lexsort((v, -lift, u))
    kept = order[place_in_run(u[order]) < neighbours]
    return PairSupport(candidates[u[kept]], candidates[v[kept]], support[kept])
