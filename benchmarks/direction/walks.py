"""Walks around a source that read no more edges than their fan-outs allow, and weigh what they stand for.

A target is reached from a source u in three ways: u <- v (an edge reversed), u <- x -> v (x leads to both) and the
alternating u -> w <- x -> v (x leads where u leads). Of a row longer than its fan-out every edge is read with the same
chance, and a walk weighs the inverse of its chance: sums over sampled walks are unbiased for sums over all walks, hubs
included. The edges of a row are read at equal steps from one random start.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints

REVERSED, SIBLING, ALTERNATING = range(3)
KINDS = 3
NOBODY = -1

Small = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """Both directions of a graph in compressed rows: targets of a source, sources of a target, sorted."""

    out_offsets: Small
    out_targets: Small
    in_offsets: Small
    in_sources: Small

    @classmethod
    def of(cls, graph: DirectedGraph) -> "Rows":
        """The rows of a graph."""
        there, back = graph.adjacency.sorted_indices(), graph.transposed.sorted_indices()
        found = (there.indptr, there.indices, back.indptr, back.indices)
        return cls(*(np.ascontiguousarray(each, dtype=np.int32) for each in found))

    @property
    def nodes(self) -> int:
        """Number of products N."""
        return len(self.out_offsets) - 1

    @property
    def out_degrees(self) -> Ints:
        """[N] targets of a source."""
        return np.diff(self.out_offsets).astype(np.int64)

    @property
    def in_degrees(self) -> Ints:
        """[N] sources of a target."""
        return np.diff(self.in_offsets).astype(np.int64)


@dataclass(frozen=True)
class Queries:
    """Sources that are asked for a target.

    Attributes:
        source: [q] u.
        left_out: [q] a target of u that walks treat as unknown, NOBODY for none: the answer, in training.
        degree: [q] targets of u that they know.
        trust: [q, 2] what the encoder gives to SIBLING and ALTERNATING walks of such a source.
    """

    source: Ints
    left_out: Ints
    degree: Ints
    trust: Floats


@dataclass(frozen=True)
class Walks:
    """Walks of some queries, by query.

    Attributes:
        query: [m] which query a walk belongs to.
        kind: [m] REVERSED, SIBLING or ALTERNATING.
        through: [m, 2] the w and the x it passes, NOBODY where it has none or where walks were joined.
        target: [m] where it ends: never the source, nor one of its known targets.
        weight: [m] what it stands for.
        touched: [q] edges that were read.
    """

    query: Small
    kind: Small
    through: Small
    target: Small
    weight: Floats
    touched: Ints

    @classmethod
    def of(cls, numbers: Small, weight: Floats, touched: Ints) -> "Walks":
        """Walks by [m, 5] query, kind, w, x and target."""
        return cls(numbers[:, 0], numbers[:, 1], numbers[:, 2:4], numbers[:, 4], weight, touched)


def sample_walks(rows: Rows, queries: Queries, first: Floats, later: Floats, seed: int) -> Walks:
    """Walks of each query within its fan-outs.

    Args:
        rows: the graph.
        queries: what is asked.
        first: [q] how many of u's own out-edges are read; infinite reads all.
        later: [q] of every other row; a fraction is rounded up as often as it says.
        seed: of the draws.
    """
    (numbers, weight), touched = _sample(
        rows.out_offsets, rows.out_targets, rows.in_offsets, rows.in_sources,
        queries.source, queries.left_out, first, later, seed,
    )  # fmt: skip
    return Walks.of(numbers, weight, touched)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def with_room(numbers: Small, weight: Floats, needed: int) -> tuple[Small, Floats]:
    """The arrays, or longer ones with the same in them, so that `needed` walks fit."""
    if needed <= len(numbers):
        return numbers, weight
    more, heavier = np.empty((2 * needed, 5), np.int32), np.empty(2 * needed)
    more[: len(numbers)], heavier[: len(weight)] = numbers, weight
    return more, heavier


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def put(numbers: Small, weight: Floats, at: int, numbered: tuple[int, int, int, int, int], heavy: float) -> None:
    """Write a walk (query, kind, w, x, v) and its weight into row `at`."""
    numbers[at, 0], numbers[at, 1], numbers[at, 2], numbers[at, 3], numbers[at, 4] = numbered
    weight[at] = heavy


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def mark_known(out_offsets: Small, out_targets: Small, u: int, hidden: int, known: Ints, query: int) -> int:
    """Mark u and its targets but the hidden one; return that one's place in u's row, NOBODY where it has none."""
    known[u] = query
    hole = NOBODY
    for at in range(out_offsets[u], out_offsets[u + 1]):
        if out_targets[at] == hidden:
            hole = at - out_offsets[u]
        else:
            known[out_targets[at]] = query
    return hole


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _kept(length: int, fan: float) -> int:
    """How many of a row are read."""
    if fan >= length:
        return length
    return min(int(np.floor(fan + np.random.random())), length)  # noqa: NPY002 - compiled code has no other


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def place_of(start: float, step: int, length: int, heard: int) -> int:
    """Where step 0..heard - 1 reads in a row: at equal steps from a random start, or one place after the other."""
    return step if heard == length else min(int((start + step) * length / heard), length - 1)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def own_places(length: int, hole: int, keep: int) -> Ints:
    """[keep] places in a row that is `length` long without its hole, at equal steps from a random start."""
    places = np.empty(keep, np.int64)
    start = np.random.random()  # noqa: NPY002
    for step in range(keep):
        place = place_of(start, step, length, keep)
        places[step] = place + (hole >= 0 and place >= hole)
    return places


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _sample(
    out_offsets: Small,
    out_targets: Small,
    in_offsets: Small,
    in_sources: Small,
    source: Ints,
    left_out: Ints,
    first: Floats,
    later: Floats,
    seed: int,
) -> tuple[tuple[Small, Floats], Ints]:
    np.random.seed(seed)  # noqa: NPY002
    numbers, weight = np.empty((4096, 5), np.int32), np.empty(4096)
    touched = np.zeros(len(source), np.int64)
    known = np.full(len(out_offsets) - 1, -1, np.int64)
    # Walks up to x, that all of x's row ends.
    begun, begun_weight = np.empty((256, 5), np.int32), np.empty(256)
    found = 0
    for query in range(len(source)):
        u, fan = source[query], later[query]
        hole = mark_known(out_offsets, out_targets, u, left_out[query], known, query)
        rows = 0
        # u <- x is a walk by itself, and begins u <- x -> v.
        length = in_offsets[u + 1] - in_offsets[u]
        stands_for = length / min(fan, max(length, 1))
        places = own_places(length, NOBODY, _kept(length, fan))
        touched[query] += len(places)
        begun, begun_weight = with_room(begun, begun_weight, len(places))
        numbers, weight = with_room(numbers, weight, found + len(places))
        for place in places:
            x = in_sources[in_offsets[u] + place]
            put(begun, begun_weight, rows, (query, SIBLING, NOBODY, x, NOBODY), stands_for)
            rows += 1
            if known[x] != query:
                put(numbers, weight, found, (query, REVERSED, NOBODY, NOBODY, x), stands_for)
                found += 1
        # u -> w <- x begins u -> w <- x -> v.
        own = out_offsets[u + 1] - out_offsets[u] - (hole >= 0)
        places = own_places(own, hole, _kept(own, first[query]))
        touched[query] += len(places)
        for own_place in places:
            w = out_targets[out_offsets[u] + own_place]
            length = in_offsets[w + 1] - in_offsets[w]
            stands_for = own / min(first[query], own) * length / min(fan, length)
            heard, start = _kept(length, fan), np.random.random()  # noqa: NPY002
            touched[query] += heard
            begun, begun_weight = with_room(begun, begun_weight, rows + heard)
            for step in range(heard):
                x = in_sources[in_offsets[w] + place_of(start, step, length, heard)]
                if x != u:
                    put(begun, begun_weight, rows, (query, ALTERNATING, w, x, 0), stands_for)
                    rows += 1
        for row in range(rows):
            kind, w, x = begun[row, 1], begun[row, 2], begun[row, 3]
            length = out_offsets[x + 1] - out_offsets[x]
            stands_for = begun_weight[row] * length / min(fan, length)
            heard, start = _kept(length, fan), np.random.random()  # noqa: NPY002
            touched[query] += heard
            numbers, weight = with_room(numbers, weight, found + heard)
            for step in range(heard):
                v = out_targets[out_offsets[x] + place_of(start, step, length, heard)]
                if known[v] != query:
                    put(numbers, weight, found, (query, kind, w, x, v), stands_for)
                    found += 1
    return (numbers[:found], weight[:found]), touched
