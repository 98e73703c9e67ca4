"""The candidate beside BLADE's: walks that read what tells most first, until a query's budget of edges is spent.

A personalised PageRank over alternating walks, cut off by a budget: a fifth of it may go to u's own out-edges and a
fifth to its in-edges; three tenths of the rest to the sources x of its targets, short rows before long ones, each
within an equal share; what is left reads the rows of the x whose edges are expected to tell most. What an edge of x
tells is x's share of the walks' mass, each kind weighed by the encoder's own gate, over the square root of x's
out-degree. An x that was met more than once is read once. Rows that were read in part weigh the inverse of their
chance; what the budget did not reach is left out, so that sums are biased downwards, as those of any top-k are.
"""

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
    place_of,
    put,
    with_room,
)
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import Ints

OWN_SHARE = 0.2
MIDDLE_SHARE = 0.3


def best_first_walks(rows: Rows, queries: Queries, budget: Floats, seed: int) -> Walks:
    """Walks of each query within [q] edges; a fraction of an edge is rounded up as often as it says."""
    (numbers, weight), touched = _best_first(
        rows.out_offsets, rows.out_targets, rows.in_offsets, rows.in_sources,
        queries.source, queries.left_out, queries.trust, budget, seed,
    )  # fmt: skip
    return Walks.of(numbers, weight, touched)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _meet(x: int, kind: int, share: float, base: int, slots: Ints, met: Ints, mass: Floats, many: int) -> int:
    """Add a share of a kind's mass to x; how many were met by then."""
    place = slots[x] - base
    if place < 0:
        slots[x], met[many], mass[many, 0], mass[many, 1] = base + many, x, 0.0, 0.0
        place = many
        many += 1
    mass[place, kind - SIBLING] += share
    return many


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _read_middle(
    in_offsets: Small,
    in_sources: Small,
    u: int,
    middle: Small,
    budget: int,
    base: int,
    slots: Ints,
    met: Ints,
    mass: Floats,
    many: int,
) -> tuple[int, int]:
    """Meet the sources of u's targets within a budget; how many were met by then, and what was spent."""
    rest = budget
    lengths = in_offsets[middle + 1] - in_offsets[middle]
    order = np.argsort(lengths)
    for step in range(len(middle)):
        w, length = middle[order[step]], lengths[order[step]]
        heard = min(length, max(rest // (len(middle) - step), min(rest, 1)))
        rest -= heard
        start = np.random.random()  # noqa: NPY002 - compiled code has no other
        for part in range(heard):
            x = in_sources[in_offsets[w] + place_of(start, part, length, heard)]
            if x != u:
                # The walk's mass at w is shared by its sources; what is read stands for all of them.
                many = _meet(x, ALTERNATING, 1.0 / heard, base, slots, met, mass, many)
    return many, budget - rest


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _value(out_offsets: Small, met: Ints, mass: Floats, trust: Floats, worth: Floats) -> None:
    """Write what an edge of each x that was met is expected to tell."""
    siblings, alternating = 1e-300, 1e-300
    for place in range(len(met)):
        siblings += mass[place, 0]
        alternating += mass[place, 1]
    for place, x in enumerate(met):
        length = max(out_offsets[x + 1] - out_offsets[x], 1)
        # One edge of x is known where an alternating walk came by it.
        shares = trust[0] / siblings * mass[place, 0] + trust[1] / alternating * mass[place, 1] * (1.0 - 1.0 / length)
        worth[place] = shares / np.sqrt(length)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _swap_best(met: Ints, mass: Floats, worth: Floats, begin: int, many: int) -> None:
    """Put the best x from `begin` on there: few are read, so that sorting all would cost more."""
    best = begin
    for place in range(begin + 1, many):
        if worth[place] > worth[best]:
            best = place
    met[begin], met[best] = met[best], met[begin]
    worth[best] = worth[begin]
    for kind in range(2):
        mass[begin, kind], mass[best, kind] = mass[best, kind], mass[begin, kind]


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _best_first(
    out_offsets: Small,
    out_targets: Small,
    in_offsets: Small,
    in_sources: Small,
    source: Ints,
    left_out: Ints,
    trust: Floats,
    budget: Floats,
    seed: int,
) -> tuple[tuple[Small, Floats], Ints]:
    np.random.seed(seed)  # noqa: NPY002
    nodes = len(out_offsets) - 1
    numbers, weight = np.empty((4096, 5), np.int32), np.empty(4096)
    touched = np.zeros(len(source), np.int64)
    known = np.full(nodes, -1, np.int64)
    # Of a product that this query met: its place among `met` plus `base`, which no earlier query reached.
    slots, base = np.zeros(nodes, np.int64), 1
    most_met = int(budget.max()) + 2
    met, mass, worth = np.empty(most_met, np.int64), np.empty((most_met, 2)), np.empty(most_met)
    found = 0
    for query in range(len(source)):
        u, many = source[query], 0
        whole = max(int(np.floor(budget[query] + np.random.random())), 1)  # noqa: NPY002
        most = max(1, int(OWN_SHARE * whole))
        hole = mark_known(out_offsets, out_targets, u, left_out[query], known, query)
        own = out_offsets[u + 1] - out_offsets[u] - (hole >= 0)
        middle = out_targets[out_offsets[u] + own_places(own, hole, min(own, most))]
        length = in_offsets[u + 1] - in_offsets[u]
        heard = min(length, most, whole - len(middle))
        left = whole - len(middle) - heard
        numbers, weight = with_room(numbers, weight, found + heard)
        for place in own_places(length, NOBODY, heard):
            x = in_sources[in_offsets[u] + place]
            many = _meet(x, SIBLING, 1.0 / heard, base, slots, met, mass, many)
            if known[x] != query:
                put(numbers, weight, found, (query, REVERSED, NOBODY, NOBODY, x), 1.0)
                found += 1
        many, spent = _read_middle(
            in_offsets, in_sources, u, middle, int(MIDDLE_SHARE * left), base, slots, met, mass, many
        )
        left -= spent
        _value(out_offsets, met[:many], mass, trust[query], worth)
        for begin in range(many):
            if left == 0:
                break
            _swap_best(met, mass, worth, begin, many)
            x = met[begin]
            length = out_offsets[x + 1] - out_offsets[x]
            heard = min(length, left)
            left -= heard
            start = np.random.random()  # noqa: NPY002
            numbers, weight = with_room(numbers, weight, found + 2 * heard)
            sibling, alternating = mass[begin, 0] * length / max(heard, 1), mass[begin, 1] * length / max(heard, 1)
            for part in range(heard):
                v = out_targets[out_offsets[x] + place_of(start, part, length, heard)]
                if known[v] == query:
                    continue
                if sibling > 0.0:
                    put(numbers, weight, found, (query, SIBLING, NOBODY, x, v), sibling)
                    found += 1
                if alternating > 0.0:
                    put(numbers, weight, found, (query, ALTERNATING, NOBODY, x, v), alternating)
                    found += 1
        base += many
        touched[query] = whole - left
    return (numbers[:found], weight[:found]), touched
