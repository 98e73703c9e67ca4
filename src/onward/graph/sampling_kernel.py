"""Neighbourhood sampling on compressed rows, in two roles, compiled by numba.

A product is needed as a source (s_u, fed by the targets of its out-edges) or as a target (t_v, fed by the sources of
its in-edges), so the walk alternates: a product in the source role is expanded along out-edges into target roles, one
in the target role along the reverse relation into source roles. A one-way walk would leave every s_u without
messages. Free of torch.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from onward.errors import DataError
from onward.graph.budgets import Budget
from onward.graph.edge_sampling import (
    BoolArray,
    CountArray,
    Edges,
    State,
    edge_table,
    holds,
    pick_one,
    pick_uniform,
    pick_weighted,
    random_below,
)
from onward.graph.product_graph import FloatArray, IntArray, ProductGraph

SOURCE_ROLE = 0
TARGET_ROLE = 1

# What a walked neighbour bears in place of an edge's number.
NO_EDGE = -1

_WALKS_PER_NEEDED = 2

# Edges are told by position until they are looked up, walked products by this less their number.
_AS_WALKED = -1
_MOST_EDGES = 2**31 - 1

# Products that pick edges before the memory that these lead to is read.
_AT_ONCE = 256


# Of a role: rows [P, 2 + 2 hops], begin and end of a product's edges, then how many it keeps and how many walks it
# takes at each hop, since all of these are read together; its edges; their weights [E], [0] where none is preferred.
Role = tuple[CountArray, Edges, FloatArray]


@dataclass(frozen=True)
class Neighbourhood:
    """A sampled subgraph; nodes are renumbered 0..n-1 in order of discovery, seeds first.

    Attributes:
        nodes: [n] products.
        seed_sources: new numbers of the given sources, in their order.
        seed_targets: new numbers of the given targets, in their order.
        out_edges: [2, m] (source, target) in new numbers, of edges sampled from their source.
        out_numbers: [m] numbers of these edges in the graph, NO_EDGE where the target was reached by a walk.
        in_edges: [2, k] (source, target) in new numbers, of edges sampled from their target.
        in_numbers: [k] numbers of these edges in the graph, NO_EDGE where the source was reached by a walk.
        nodes_by_hop: [hops + 1] how many nodes were found by the end of each hop, the seeds as hop 0.
        out_by_hop: [hops + 1] how many out-edges were.
        in_by_hop: [hops + 1] the same of in-edges.
    """

    nodes: IntArray
    seed_sources: IntArray
    seed_targets: IntArray
    out_edges: IntArray
    out_numbers: IntArray
    in_edges: IntArray
    in_numbers: IntArray
    nodes_by_hop: IntArray
    out_by_hop: IntArray
    in_by_hop: IntArray


class NeighbourhoodSampler:
    """Samples around products within a budget of its own for every product, hop and role.

    It keeps scratch memory of the graph's size between calls, so one instance serves one thread.
    """

    def __init__(self, graph: ProductGraph, budget: Budget) -> None:
        """Prepare to sample.

        Raises:
            DataError: the budget was made for another graph.
        """
        if budget.out_fan.shape[1] != graph.products:
            raise DataError(
                f"sampler: a budget for {budget.out_fan.shape[1]} products, but the graph has {graph.products}; "
                "make it from this graph"
            )
        if graph.edges > _MOST_EDGES:
            raise DataError(f"sampler: {graph.edges} edges, at most {_MOST_EDGES} fit; raise graph.min_support")
        self._graph = graph
        ways = (
            (graph.out_offsets, graph.out_targets, np.arange(graph.edges), budget.out_weight),
            (graph.in_offsets, graph.in_sources, graph.in_edges, budget.in_weight),
        )
        spent = ((budget.out_fan, budget.out_walks), (budget.in_fan, budget.in_walks))
        source, target = (
            (
                np.stack([offsets[:-1], offsets[1:], *fan, *walks], axis=1).astype(np.int32),
                edge_table(offsets, neighbours, numbers, weight),
                np.empty(0) if weight is None else np.asarray(weight, dtype=np.float64),
            )
            for (offsets, neighbours, numbers, weight), (fan, walks) in zip(ways, spent, strict=True)
        )
        self._roles = (source, target)
        self._left_out = np.zeros(graph.edges, dtype=np.bool_)
        self._barred = np.zeros((2, graph.products), dtype=np.int32)
        # [P] new number times 4, plus 1 and 2 for the roles in which the product was met; -1 before it is met.
        self._slots = np.full(graph.products, -1, dtype=np.int32)
        widest = max(int((fan + walks).max(initial=0)) for fan, walks in spent)
        self._picked = np.empty(widest, dtype=np.int64)
        self._keys = np.empty(widest)

    def sample(self, sources: IntArray, targets: IntArray, excluded: IntArray, seed: int) -> Neighbourhood:
        """Sample without replacement around the seeds.

        Every (product, role) is expanded once, at the hop on which it is first met, and keeps min(fan, degree)
        distinct edges; see `picking` for the law. Excluded edges take no part, in either relation or any walk.

        Args:
            sources: products whose s is wanted; a product may come more than once.
            targets: products whose t is wanted.
            excluded: numbers of edges to leave out.
            seed: fixes the draw; any 64 bits.
        """
        graph = self._graph
        seeds = (np.ascontiguousarray(sources, dtype=np.int64), np.ascontiguousarray(targets, dtype=np.int64))
        excluded = np.unique(excluded)
        self._left_out[excluded] = True
        ends = (graph.sources_of(excluded), graph.out_targets[excluded])
        for role in (SOURCE_ROLE, TARGET_ROLE):
            np.add.at(self._barred[role], ends[role], 1)
        nodes, seed_numbers, edges, numbers, by_hop = _walk(
            self._roles,
            seeds,
            self._left_out,
            self._barred if len(excluded) > 0 else self._barred[:, :0],
            self._slots,
            (self._picked, self._keys),
            np.array([seed], dtype=np.uint64),
        )
        self._left_out[excluded] = False
        for role in (SOURCE_ROLE, TARGET_ROLE):
            self._barred[role, ends[role]] = 0
        return Neighbourhood(
            nodes=nodes,
            seed_sources=seed_numbers[: len(sources)],
            seed_targets=seed_numbers[len(sources) :],
            out_edges=edges[SOURCE_ROLE],
            out_numbers=numbers[SOURCE_ROLE],
            in_edges=edges[TARGET_ROLE],
            in_numbers=numbers[TARGET_ROLE],
            nodes_by_hop=by_hop[0],
            out_by_hop=by_hop[1],
            in_by_hop=by_hop[2],
        )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _walk(
    roles: tuple[Role, Role],
    seeds: tuple[IntArray, IntArray],
    left_out: BoolArray,
    barred: CountArray,
    slots: CountArray,
    scratch: tuple[IntArray, FloatArray],
    state: State,
) -> tuple[IntArray, IntArray, tuple[IntArray, IntArray], tuple[IntArray, IntArray], IntArray]:
    """Breadth first over (product, role); `slots` is scratch too, left as it was found."""
    room = len(seeds[0]) + len(seeds[1])
    hops = (roles[0][0].shape[1] - 2) // 2
    nodes = np.empty(room, np.int64)
    seed_numbers = np.empty(room, np.int64)
    fronts = (np.empty(room, np.int64), np.empty(room, np.int64))
    size = np.zeros(3, np.int64)  # products found, then those to expand in each role
    met = 0
    for role in range(2):
        for product in seeds[role]:
            seed_numbers[met] = _meet(product, role, slots, nodes, fronts[role], size)
            met += 1
    ends = (np.empty((2, 0), np.int64), np.empty((2, 0), np.int64))
    numbers = (np.empty(0, np.int64), np.empty(0, np.int64))
    kept = np.zeros(2, np.int64)
    first = np.zeros(2, np.int64)
    by_hop = np.zeros((3, hops + 1), np.int64)
    by_hop[0, 0] = size[0]
    for hop in range(hops):
        last = size[1:].copy()
        most = np.array([_most(roles[role][0], fronts[role][first[role] : last[role]], hop) for role in range(2)])
        ends = (_wider(ends[0], kept[0], most[0]), _wider(ends[1], kept[1], most[1]))
        numbers = (_longer(numbers[0], kept[0], most[0]), _longer(numbers[1], kept[1], most[1]))
        # What one role hears is to be expanded in the other.
        fronts = (_longer(fronts[0], last[0], most[1]), _longer(fronts[1], last[1], most[0]))
        nodes = _longer(nodes, size[0], most.sum())
        for role in range(2):
            for begin in range(first[role], last[role], _AT_ONCE):
                front = fronts[role][begin : min(begin + _AT_ONCE, last[role])]
                place = kept[role]
                kept[role] = _expand(
                    roles, role, hop, front, ends[role], numbers[role], place, left_out, barred, slots, scratch, state
                )
                heard = ends[role][1 - role]
                for k in range(place, kept[role]):
                    heard[k] = _meet(heard[k], 1 - role, slots, nodes, fronts[1 - role], size)
        by_hop[0, hop + 1], by_hop[1, hop + 1], by_hop[2, hop + 1] = size[0], kept[0], kept[1]
        first = last
    for product in nodes[: size[0]]:
        slots[product] = -1
    edges = (ends[0][:, : kept[0]], ends[1][:, : kept[1]])
    return nodes[: size[0]], seed_numbers, edges, (numbers[0][: kept[0]], numbers[1][: kept[1]]), by_hop


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _most(rows: CountArray, front: IntArray, hop: int) -> int:
    """How many edges a hop may keep at most: arrays then grow once a hop and not edge by edge."""
    most = 0
    hops = (rows.shape[1] - 2) // 2
    for product in front:
        row = rows[product]
        most += min(row[2 + hop], row[1] - row[0]) + row[2 + hops + hop]
    return most


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _meet(product: int, role: int, slots: CountArray, nodes: IntArray, front: IntArray, size: IntArray) -> int:
    """New number of a product; what is met for the first time is numbered, and put in line for its role."""
    slot = slots[product]
    if slot < 0:
        slot = size[0] << 2
        nodes[size[0]] = product
        size[0] += 1
    if slot & (1 << role) == 0:
        front[size[1 + role]] = product
        size[1 + role] += 1
    slots[product] = slot | (1 << role)
    return int(slot >> 2)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _expand(
    roles: tuple[Role, Role],
    role: int,
    hop: int,
    front: IntArray,
    ends: IntArray,
    numbers: IntArray,
    place: int,
    left_out: BoolArray,
    barred: CountArray,
    slots: CountArray,
    scratch: tuple[IntArray, FloatArray],
    state: State,
) -> int:
    """Write the edges that the front hears from `place` on, their far ends as products; return where they end."""
    rows, edges, weight = roles[role]
    picked, keys = scratch
    begin = place
    walks = 2 + (rows.shape[1] - 2) // 2 + hop
    for product in front:
        row = rows[product]
        own = slots[product] >> 2
        first = int(row[0])
        last = int(row[1])
        fan = int(row[2 + hop])
        further = int(row[walks])
        bars = int(barred[role, product]) if barred.shape[1] > 0 else 0
        if len(weight) == 0:
            count = pick_uniform(first, last, edges, left_out, bars, fan, picked, state)
        else:
            count = pick_weighted(first, last, edges, left_out, bars, fan, weight, picked, keys, state)
        for i in range(count):
            numbers[place + i] = picked[i]
        if further > 0:
            direct = count
            for i in range(direct):
                picked[i] = edges[picked[i], 0]
            count = _random_walk(roles, product, role, direct, further, left_out, barred, picked, state)
            for i in range(direct, count):
                numbers[place + i] = _AS_WALKED - picked[i]
        for i in range(count):
            ends[role, place + i] = own
        place += count
    # Apart from the picking, so that these reads do not wait for each other.
    for k in range(begin, place):
        if numbers[k] <= _AS_WALKED:
            ends[1 - role, k], numbers[k] = _AS_WALKED - numbers[k], NO_EDGE
        else:
            ends[1 - role, k], numbers[k] = edges[numbers[k], 0], edges[numbers[k], 1]
    return place


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _random_walk(
    roles: tuple[Role, Role],
    product: int,
    role: int,
    direct: int,
    needed: int,
    left_out: BoolArray,
    barred: CountArray,
    picked: IntArray,
    state: State,
) -> int:
    """Append to the `direct` neighbours in `picked` up to `needed` products two steps away; how many are there now.

    For a source u a walk is u -> v -> x or u <- w -> x, either first step with the same chance, so that a product
    without out-edges finds its siblings; for a target it is the mirror image. What it ends at is a product that u
    could well lead to, and is heard in the role in which the end of an edge would be.
    """
    count = direct
    left = _WALKS_PER_NEEDED * needed
    while left > 0 and count < direct + needed:
        # All walks take a step before any takes the next: their reads do not wait for each other.
        begin, end = count, count + min(direct + needed - count, left)
        left -= end - begin
        for i in range(begin, end):
            way = role if random_below(state, 2) == 0 else 1 - role
            picked[i] = 2 * _step(roles[way], way, product, left_out, barred, state) + way
        for i in range(begin, end):
            if picked[i] >= 0:
                picked[i] = roles[picked[i] % 2][1][picked[i] // 2, 0]
        for i in range(begin, end):
            if picked[i] >= 0:
                picked[i] = _step(roles[role], role, picked[i], left_out, barred, state)
        for i in range(begin, end):
            if picked[i] < 0:
                continue
            here = int(roles[role][1][picked[i], 0])
            if here != product and not holds(picked, count, here):
                picked[count] = here
                count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _step(way: Role, role: int, product: int, left_out: BoolArray, barred: CountArray, state: State) -> int:
    """Position of one edge of a product, each equally likely; -1 when luck finds none."""
    rows, edges, _ = way
    bars = int(barred[role, product]) if barred.shape[1] > 0 else 0
    return int(pick_one(int(rows[product, 0]), int(rows[product, 1]), edges, left_out, bars, state))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _longer(values: IntArray, used: int, more: int) -> IntArray:
    """A copy of what is used with room for `more`, or the array itself where there is room."""
    if used + more <= len(values):
        return values
    grown = np.empty(max(2 * len(values), used + more), values.dtype)
    grown[:used] = values[:used]
    return grown


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _wider(values: IntArray, used: int, more: int) -> IntArray:
    """Like `_longer`, for the two rows of edges."""
    if used + more <= values.shape[1]:
        return values
    grown = np.empty((2, max(2 * values.shape[1], used + more)), values.dtype)
    grown[:, :used] = values[:, :used]
    return grown
