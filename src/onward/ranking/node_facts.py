"""Where a node stands in a directed graph, from its edges alone: what degrees leave unsaid of an edge's way.

Two nodes of the same degrees may differ in how many of their edges are returned, in whom they lead to, and in how far
up they stand in the order that most edges agree with.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import cg

from onward.errors import DataError
from onward.ranking.directed_graph import DirectedGraph, normalised

Column = npt.NDArray[np.float64]

NODE_FACTS = (
    "in-degree",
    "out-degree",
    "edges returned",
    "share of in-edges returned",
    "share of out-edges returned",
    "SpringRank, pull 0.01",
    "SpringRank, pull 2",
    "SpringRank, pull 10",
    "SpringRank of normalised edges",
    "SpringRank of one-way edges, pull 0.01",
    "SpringRank of one-way edges, pull 2",
    "mean SpringRank of targets",
    "mean SpringRank of sources",
    "PageRank",
    "PageRank of reversed edges",
    *(
        f"mean log {degree}-degree of {way}{ends}"
        for way in ("", "one-way ")
        for ends in ("targets", "sources")
        for degree in ("in", "out")
    ),
)
"""Columns of `node_facts`; the first two are the degrees."""

_PAGE_RANK_STEPS = 30
_STAYS_ON = 0.85


def node_facts(graph: DirectedGraph) -> npt.NDArray[np.float32]:
    """[N, F] the columns `NODE_FACTS`; the mean over no neighbours is 0."""
    edges = sp.csr_matrix(graph.adjacency > 0, dtype=np.float32)
    returned = edges.multiply(edges.T).tocsr()
    one_way = sp.csr_matrix(edges - returned)
    one_way.eliminate_zeros()
    back = edges.T.tocsr()
    one_way_back = one_way.T.tocsr()
    into, out, both = (
        np.asarray(degree, np.float64) for degree in (graph.in_degrees, graph.out_degrees, _sums(returned))
    )
    ranks = [spring_rank(edges, pull) for pull in (0.01, 2.0, 10.0)]
    columns = [
        into,
        out,
        both,
        both / np.maximum(into, 1.0),
        both / np.maximum(out, 1.0),
        *ranks,
        spring_rank(normalised(edges), 0.001),
        *(spring_rank(one_way, pull) for pull in (0.01, 2.0)),
        _mean(edges, ranks[0]),
        _mean(back, ranks[0]),
        *(np.log(_page_rank(adjacency) * graph.nodes + 1e-9) for adjacency in (edges, back)),
        *(
            _mean(adjacency, np.log1p(degree))
            for adjacency in (edges, back, one_way, one_way_back)
            for degree in (into, out)
        ),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def spring_rank(adjacency: sp.csr_matrix, pull: float) -> Column:
    """[N] heights such that edges lead up by about one (SpringRank; De Bacco et al. 2018, arXiv 1709.09002).

    They minimise sum over u -> v of w_uv (h_v - h_u - 1)^2 + pull * sum of h_u^2, so (D_out + D_in - A - A' + pull I) h
    equals the weighted in-degree minus the weighted out-degree.

    Args:
        adjacency: [N, N] non-negative weights.
        pull: towards zero, above 0: the higher, the less is believed of few edges.

    Raises:
        DataError: the heights were not found; raise `pull`.

    >>> path = sp.csr_matrix(np.array([[0.0, 1, 0], [0, 0, 1], [0, 0, 0]]))
    >>> spring_rank(path, 1e-6).round(3).tolist()
    [-1.0, 0.0, 1.0]
    """
    out, into = _sums(adjacency), _sums(adjacency.T.tocsr())
    springs = sp.diags_array(out + into + pull) - adjacency - adjacency.T
    # Each equation divided by its diagonal: degrees differ by orders of magnitude.
    heights, unfinished = cg(springs, into - out, rtol=1e-8, M=sp.diags_array(1.0 / (out + into + pull)))
    if unfinished:
        raise DataError(f"SpringRank: no heights of {len(out)} nodes in {unfinished} steps; raise pull, now {pull:g}")
    return np.asarray(heights, dtype=np.float64)


def _page_rank(adjacency: sp.csr_matrix) -> Column:
    """[N] share of a walk's time (Page et al. 1999); where it leads nowhere, the walk begins anew anywhere."""
    nodes = adjacency.shape[0]
    out = _sums(adjacency)
    back = sp.csr_matrix(sp.diags_array(1.0 / np.maximum(out, 1.0)) @ adjacency).T.tocsr()
    share = np.full(nodes, 1.0 / nodes)
    for _ in range(_PAGE_RANK_STEPS):
        led = _STAYS_ON * (back @ share)
        share = led + (1.0 - led.sum()) / nodes
    return share


def _mean(adjacency: sp.csr_matrix, values: Column) -> Column:
    """[N] mean of the values of a node's targets, 0 without any."""
    return np.asarray(adjacency @ values / np.maximum(_sums(adjacency), 1.0), dtype=np.float64)


def _sums(adjacency: sp.csr_matrix) -> Column:
    """[N] sum of each row."""
    return np.asarray(adjacency.sum(axis=1), dtype=np.float64).ravel()
