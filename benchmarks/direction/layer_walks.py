"""A control: edges drawn by importance, a layer of a query at a time (after LADIES, Zou et al., NeurIPS 2019).

Of all edges that leave a layer, those with much weight in the squared normalised adjacency, 1 / (out-degree x
in-degree), are drawn more often, and weigh the inverse of their chance. Every query draws as many, whatever its degree.
LADIES draws nodes; here edges are drawn, since a message is an edge that is read. The cumulative weights of every row
are counted once beforehand.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from benchmarks.direction.walks import (
    ALTERNATING,
    NOBODY,
    REVERSED,
    SIBLING,
    Queries,
    Rows,
    Small,
    Walks,
    mark_known,
    own_places,
    put,
    with_room,
)
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import Ints


@dataclass(frozen=True)
class LayerWeights:
    """Cumulative importance of the edges in the order of their rows, from 0.

    Attributes:
        out: [E + 1] 1 / in-degree of the target, of out-edges.
        into: [E + 1] 1 / out-degree of the source, of in-edges.
    """

    out: Floats
    into: Floats

    @classmethod
    def of(cls, rows: Rows) -> "LayerWeights":
        """The weights of a graph."""
        return cls(
            np.r_[0.0, np.cumsum(1.0 / rows.in_degrees[rows.out_targets])],
            np.r_[0.0, np.cumsum(1.0 / rows.out_degrees[rows.in_sources])],
        )


def layer_walks(rows: Rows, weights: LayerWeights, queries: Queries, size: float, fan: float, seed: int) -> Walks:
    """Walks whose layers hold `size` edges of u, `size` x `fan` after them, and `size` x `fan`² after those."""
    (numbers, weight), touched = _layers(
        rows.out_offsets, rows.out_targets, rows.in_offsets, rows.in_sources, weights.out, weights.into,
        queries.source, queries.left_out, size, fan, seed,
    )  # fmt: skip
    return Walks.of(numbers, weight, touched)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _draw(offsets: Small, cumulative: Floats, rows: Small, times: int) -> tuple[Ints, Ints, Floats]:
    """Edges of some rows in proportion to their weight over their row's length: place, edge, inverse of its chance."""
    total = 0.0
    for row in rows:
        total += (cumulative[offsets[row + 1]] - cumulative[offsets[row]]) / max(offsets[row + 1] - offsets[row], 1)
    drawn, edges, inverse = np.empty(times, np.int64), np.empty(times, np.int64), np.empty(times)
    found, at, before, start = 0, 0, 0.0, np.random.random()  # noqa: NPY002 - compiled code has no other
    if total == 0.0:
        return drawn[:0], edges[:0], inverse[:0]
    for step in range(times):
        wanted = (start + step) / times * total
        while True:
            begin, end = offsets[rows[at]], offsets[rows[at] + 1]
            mass = (cumulative[end] - cumulative[begin]) / max(end - begin, 1)
            if wanted < before + mass or at == len(rows) - 1:
                break
            before += mass
            at += 1
        aim = cumulative[begin] + (wanted - before) * (end - begin)
        edge = min(max(np.searchsorted(cumulative[begin : end + 1], aim, side="right") - 1 + begin, begin), end - 1)
        part = (cumulative[edge + 1] - cumulative[edge]) / (end - begin) / total
        if found > 0 and edges[found - 1] == edge and drawn[found - 1] == at:
            inverse[found - 1] += 1.0 / (times * part)  # met again: read once
            continue
        drawn[found], edges[found], inverse[found] = at, edge, 1.0 / (times * part)
        found += 1
    return drawn[:found], edges[:found], inverse[:found]


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _rounded(number: float) -> int:
    """A whole number, up as often as the fraction says."""
    return int(np.floor(number + np.random.random()))  # noqa: NPY002


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _layers(
    out_offsets: Small,
    out_targets: Small,
    in_offsets: Small,
    in_sources: Small,
    out_weight: Floats,
    in_weight: Floats,
    source: Ints,
    left_out: Ints,
    size: float,
    fan: float,
    seed: int,
) -> tuple[tuple[Small, Floats], Ints]:
    np.random.seed(seed)  # noqa: NPY002
    numbers, weight = np.empty((4096, 5), np.int32), np.empty(4096)
    touched = np.zeros(len(source), np.int64)
    known = np.full(len(out_offsets) - 1, -1, np.int64)
    found = 0
    for query in range(len(source)):
        u = source[query]
        hole = mark_known(out_offsets, out_targets, u, left_out[query], known, query)
        for kind in (SIBLING, ALTERNATING):
            offsets, ends = (in_offsets, in_sources) if kind == SIBLING else (out_offsets, out_targets)
            own = offsets[u + 1] - offsets[u] - (kind == ALTERNATING and hole >= 0)
            keep = min(own, _rounded(size))
            near = ends[offsets[u] + own_places(own, hole if kind == ALTERNATING else NOBODY, keep)]
            touched[query] += keep
            times, last, via, so_far = (
                size * fan,
                near,
                np.full(keep, NOBODY, np.int32),
                np.full(keep, own / max(keep, 1)),
            )
            if kind == ALTERNATING:
                drawn, edges, inverse = _draw(in_offsets, in_weight, near, _rounded(times))
                touched[query] += len(edges)
                times, last, via, so_far = times * fan, in_sources[edges], near[drawn], inverse * (own / max(keep, 1))
            else:
                numbers, weight = with_room(numbers, weight, found + keep)
                for x in near[known[near] != query]:
                    put(numbers, weight, found, (query, REVERSED, NOBODY, NOBODY, x), own / keep)
                    found += 1
            drawn, edges, inverse = _draw(out_offsets, out_weight, last, _rounded(times))
            touched[query] += len(edges)
            numbers, weight = with_room(numbers, weight, found + len(edges))
            for step in range(len(edges)):
                x, v = last[drawn[step]], out_targets[edges[step]]
                if x != u and known[v] != query:
                    heavy = so_far[drawn[step]] * inverse[step]
                    put(numbers, weight, found, (query, kind, via[drawn[step]], x, v), heavy)
                    found += 1
    return (numbers[:found], weight[:found]), touched
