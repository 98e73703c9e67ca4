"""Neighbourhood sampling on compressed rows, in two roles, compiled by numba.

A product is needed as a source (s_u, fed by the targets of its out-edges) or as a target (t_v, fed by the sources of
its in-edges), so the walk alternates: a product in the source role is expanded along out-edges into target roles, one
in the target role along the reverse relation into source roles. A one-way walk would leave every s_u without
messages. Free of torch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.errors import DataError
from onward.graph.budgets import Budget
from onward.graph.picking import (
    BoolArray,
    Preference,
    State,
    alias_table,
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

_WALKS_PER_WANTED = 2

CountArray = npt.NDArray[np.int32]
# offsets [P + 1], neighbours [E], edge numbers [E] and preferences of each role.
Rows = tuple[tuple[IntArray, IntArray, IntArray, Preference], tuple[IntArray, IntArray, IntArray, Preference]]


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
    """

    nodes: IntArray
    seed_sources: IntArray
    seed_targets: IntArray
    out_edges: IntArray
    out_numbers: IntArray
    in_edges: IntArray
    in_numbers: IntArray


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
        self._graph = graph
        self._fans = (budget.out_fan, budget.in_fan)
        strolls = max(int(walks.max(initial=0)) for walks in (budget.out_walks, budget.in_walks))
        nothing = np.empty((0, 0), np.int64)
        self._walks = (budget.out_walks, budget.in_walks) if strolls > 0 else (nothing, nothing)
        self._rows = (
            (
                graph.out_offsets,
                graph.out_targets,
                np.arange(graph.edges),
                _preference(graph.out_offsets, budget.out_weight),
            ),
            (graph.in_offsets, graph.in_sources, graph.in_edges, _preference(graph.in_offsets, budget.in_weight)),
        )
        self._left_out = np.zeros(graph.edges, dtype=np.bool_)
        self._barred = np.zeros((2, graph.products), dtype=np.int32)
        # [P, 3] new number or -1, then whether the product was met in each role: one place in memory a product.
        self._slots = np.tile(np.array([-1, 0, 0], dtype=np.int32), (graph.products, 1))
        widest = max(int(fan.max(initial=0)) for fan in self._fans)
        self._picked = np.empty(widest + strolls, dtype=np.int64)
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
        nodes, seed_numbers, edges, numbers = _walk(
            self._rows,
            seeds,
            self._fans,
            self._walks,
            self._left_out,
            self._barred if len(excluded) > 0 else self._barred[:, :0],
            self._slots,
            self._picked,
            self._keys,
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
        )


def _preference(offsets: IntArray, weight: FloatArray | None) -> Preference:
    if weight is None:
        return np.empty((0, 3))
    share, alias = alias_table(offsets, weight)
    return np.stack([weight, share, alias.astype(np.float64)], axis=1)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _walk(
    rows: Rows,
    seeds: tuple[IntArray, IntArray],
    fans: tuple[IntArray, IntArray],
    walks: tuple[IntArray, IntArray],
    left_out: BoolArray,
    barred: CountArray,
    slots: CountArray,
    picked: IntArray,
    keys: FloatArray,
    state: State,
) -> tuple[IntArray, IntArray, tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    """Breadth first over (product, role); `slots` is scratch, left as it was found."""
    room = len(seeds[0]) + len(seeds[1])
    nodes, front, front_role = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int8)
    size = np.zeros(2, np.int64)  # products found, (product, role) to expand
    seed_numbers = np.empty(room, np.int64)
    for i in range(room):
        role = 0 if i < len(seeds[0]) else 1
        product = seeds[role][i - role * len(seeds[0])]
        seed_numbers[i] = _meet(product, role, slots, nodes, front, front_role, size)
    ends = (np.empty((2, 0), np.int64), np.empty((2, 0), np.int64))
    numbers = (np.empty(0, np.int64), np.empty(0, np.int64))
    kept, first = np.zeros(2, np.int64), 0
    for hop in range(fans[0].shape[0]):
        last = size[1]
        most = _most(rows, front[first:last], front_role[first:last], hop, fans, walks)
        ends = (_wider(ends[0], kept[0], most[0]), _wider(ends[1], kept[1], most[1]))
        numbers = (_longer(numbers[0], kept[0], most[0]), _longer(numbers[1], kept[1], most[1]))
        nodes = _longer(nodes, size[0], most.sum())
        front, front_role = _longer(front, last, most.sum()), _longer(front_role, last, most.sum())
        for i in range(first, last):
            product, role = front[i], front_role[i]
            place = kept[role]
            count = _hear(
                rows, product, role, hop, fans, walks, left_out, barred, picked, keys, numbers[role][place:], state
            )
            for j in range(count):
                ends[role][role, place + j] = slots[product, 0]
                ends[role][1 - role, place + j] = _meet(picked[j], 1 - role, slots, nodes, front, front_role, size)
            kept[role] += count
        first = last
    for product in nodes[: size[0]]:
        slots[product, 0], slots[product, 1], slots[product, 2] = -1, 0, 0
    edges = (ends[0][:, : kept[0]], ends[1][:, : kept[1]])
    return nodes[: size[0]], seed_numbers, edges, (numbers[0][: kept[0]], numbers[1][: kept[1]])


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _most(
    rows: Rows,
    front: IntArray,
    front_role: npt.NDArray[np.int8],
    hop: int,
    fans: tuple[IntArray, IntArray],
    walks: tuple[IntArray, IntArray],
) -> IntArray:
    """[2] how many edges a hop may keep at most: arrays then grow once a hop and not edge by edge."""
    most = np.zeros(2, np.int64)
    for i in range(len(front)):
        product, role = front[i], front_role[i]
        offsets = rows[role][0]
        most[role] += min(fans[role][hop, product], offsets[product + 1] - offsets[product])
        if len(walks[role]) > 0:
            most[role] += walks[role][hop, product]
    return most


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _meet(
    product: int,
    role: int,
    slots: CountArray,
    nodes: IntArray,
    front: IntArray,
    front_role: npt.NDArray[np.int8],
    size: IntArray,
) -> int:
    """New number of a product; what is met for the first time is numbered, and put in line for its role."""
    if slots[product, 0] < 0:
        slots[product, 0] = size[0]
        nodes[size[0]] = product
        size[0] += 1
    if slots[product, 1 + role] == 0:
        slots[product, 1 + role] = 1
        front[size[1]] = product
        front_role[size[1]] = role
        size[1] += 1
    return int(slots[product, 0])


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _hear(
    rows: Rows,
    product: int,
    role: int,
    hop: int,
    fans: tuple[IntArray, IntArray],
    walks: tuple[IntArray, IntArray],
    left_out: BoolArray,
    barred: CountArray,
    picked: IntArray,
    keys: FloatArray,
    numbers: IntArray,
    state: State,
) -> int:
    """Write the neighbours that a product hears into `picked` and their edges into `numbers`; return how many."""
    offsets, neighbours, edge_numbers, preference = rows[role]
    begin, end, fan = offsets[product], offsets[product + 1], fans[role][hop, product]
    bars = barred[role, product] if barred.shape[1] > 0 else 0
    if len(preference) == 0:
        count = pick_uniform(begin, end, edge_numbers, left_out, bars, fan, picked, state)
    else:
        count = pick_weighted(begin, end, edge_numbers, left_out, bars, fan, preference, picked, keys, state)
    for j in range(count):
        numbers[j] = edge_numbers[picked[j]]
        picked[j] = neighbours[picked[j]]
    if len(walks[role]) > 0 and walks[role][hop, product] > 0:
        direct = count
        count = _stroll(rows, product, role, direct, walks[role][hop, product], left_out, barred, picked, state)
        numbers[direct:count] = NO_EDGE
    return int(count)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _stroll(
    rows: Rows,
    product: int,
    role: int,
    direct: int,
    wanted: int,
    left_out: BoolArray,
    barred: CountArray,
    picked: IntArray,
    state: State,
) -> int:
    """Append to the `direct` neighbours in `picked` up to `wanted` products two steps away; how many are there now.

    For a source u a walk is u -> v -> x or u <- w -> x, either first step with the same chance, so that a product
    without out-edges finds its siblings; for a target it is the mirror image. What it ends at is a product that u
    could well lead to, and is heard in the role in which the end of an edge would be.
    """
    count = direct
    for _attempt in range(_WALKS_PER_WANTED * wanted):
        here = product
        for step in range(2):
            way = role if step == 1 or random_below(state, 2) == 0 else 1 - role
            offsets, neighbours, edge_numbers, _ = rows[way]
            bars = barred[way, here] if barred.shape[1] > 0 else 0
            position = pick_one(offsets[here], offsets[here + 1], edge_numbers, left_out, bars, state)
            if position < 0:
                here = product
                break
            here = neighbours[position]
        known = here == product
        for i in range(count):
            known = known or picked[i] == here
        if not known:
            picked[count] = here
            count += 1
            if count == direct + wanted:
                break
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _longer(values: IntArray, used: int, more: int) -> IntArray:
    """A copy of what is used with room for `more`, or the array itself where there is room."""
    if used + more <= len(values):
        return values
    grown = np.empty(max(2 * len(values), used + more), values.dtype)
    grown[:used] = values[:used]
    return grown


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _wider(values: IntArray, used: int, more: int) -> IntArray:
    """Like `_longer`, for the two rows of edges."""
    if used + more <= values.shape[1]:
        return values
    grown = np.empty((2, max(2 * values.shape[1], used + more)), values.dtype)
    grown[:, :used] = values[:, :used]
    return grown
