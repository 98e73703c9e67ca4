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
from onward.graph.product_graph import IntArray, ProductGraph

SOURCE_ROLE = 0
TARGET_ROLE = 1

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Neighbourhood:
    """A sampled subgraph; nodes are renumbered 0..n-1 in order of discovery, seeds first.

    Attributes:
        nodes: [n] products.
        seed_sources: new numbers of the given sources, in their order.
        seed_targets: new numbers of the given targets, in their order.
        out_edges: [2, m] (source, target) in new numbers, of edges sampled from their source.
        out_numbers: [m] numbers of these edges in the graph.
        in_edges: [2, k] (source, target) in new numbers, of edges sampled from their target.
        in_numbers: [k] numbers of these edges in the graph.
    """

    nodes: IntArray
    seed_sources: IntArray
    seed_targets: IntArray
    out_edges: IntArray
    out_numbers: IntArray
    in_edges: IntArray
    in_numbers: IntArray


class NeighbourhoodSampler:
    """Samples around products with a fan-out of its own for every product, hop and role.

    It keeps scratch memory of the graph's size between calls, so one instance serves one thread.
    """

    def __init__(self, graph: ProductGraph, out_fan: IntArray, in_fan: IntArray) -> None:
        """Prepare to sample.

        Args:
            graph: the directed product graph.
            out_fan: [hops, P] how many out-edges a product in the source role may keep at each hop.
            in_fan: [hops, P] the same for in-edges and the target role.

        Raises:
            DataError: a fan has another shape.
        """
        for name, fan in (("out_fan", out_fan), ("in_fan", in_fan)):
            if fan.ndim != 2 or fan.shape[1] != graph.products or len(fan) != len(out_fan):
                raise DataError(
                    f"sampler: {name} has shape {fan.shape}, expected (hops, {graph.products}); see fan_out"
                )
        self._graph = graph
        self._fans = (np.ascontiguousarray(out_fan, np.int64), np.ascontiguousarray(in_fan, np.int64))
        self._edge_numbers = (np.arange(graph.edges, dtype=np.int64), graph.in_edges)
        self._left_out = np.zeros(graph.edges, dtype=np.bool_)
        self._place = np.full(graph.products, -1, dtype=np.int64)
        self._met = np.zeros((2, graph.products), dtype=np.bool_)
        self._picked = np.empty(int(max(out_fan.max(initial=0), in_fan.max(initial=0))), dtype=np.int64)

    def sample(self, sources: IntArray, targets: IntArray, excluded: IntArray, seed: int) -> Neighbourhood:
        """Sample uniformly and without replacement around the seeds.

        Every (product, role) is expanded once, at the hop on which it is first met, and keeps min(fan, degree)
        distinct edges. Excluded edges take no part, in either relation.

        Args:
            sources: products whose s is wanted; a product may come more than once.
            targets: products whose t is wanted.
            excluded: numbers of edges to leave out.
            seed: fixes the draw; any 64 bits.
        """
        graph = self._graph
        seeds = (np.ascontiguousarray(sources, dtype=np.int64), np.ascontiguousarray(targets, dtype=np.int64))
        self._left_out[excluded] = True
        nodes, near, far, number, role = _walk(
            (graph.out_offsets, graph.in_offsets),
            (graph.out_targets, graph.in_sources),
            self._edge_numbers,
            seeds,
            self._fans,
            self._left_out,
            self._place,
            self._met,
            self._picked,
            np.array([seed], dtype=np.uint64),
        )
        self._left_out[excluded] = False
        self._met[:, nodes] = False
        seed_sources, seed_targets = self._place[seeds[SOURCE_ROLE]], self._place[seeds[TARGET_ROLE]]
        self._place[nodes] = -1
        forwards, backwards = role == SOURCE_ROLE, role == TARGET_ROLE
        return Neighbourhood(
            nodes=nodes,
            seed_sources=seed_sources,
            seed_targets=seed_targets,
            out_edges=np.stack([near[forwards], far[forwards]]),
            out_numbers=number[forwards],
            in_edges=np.stack([far[backwards], near[backwards]]),
            in_numbers=number[backwards],
        )


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _walk(
    offsets: tuple[IntArray, IntArray],
    neighbours: tuple[IntArray, IntArray],
    edge_numbers: tuple[IntArray, IntArray],
    seeds: tuple[IntArray, IntArray],
    fans: tuple[IntArray, IntArray],
    left_out: BoolArray,
    place: IntArray,
    met: BoolArray,
    picked: IntArray,
    state: npt.NDArray[np.uint64],
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Breadth first over (product, role); `place` and `met` are scratch that the caller clears again."""
    nodes, front, front_role = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.int64)
    near, far = np.empty(4096, np.int64), np.empty(4096, np.int64)
    number, role_of = np.empty(4096, np.int64), np.empty(4096, np.int64)
    found, waiting, edges = 0, 0, 0
    for role in range(2):
        for product in seeds[role]:
            if place[product] < 0:
                nodes = _with_room(nodes, found)
                place[product] = found
                nodes[found] = product
                found += 1
            if not met[role, product]:
                front, front_role = _with_room(front, waiting), _with_room(front_role, waiting)
                met[role, product] = True
                front[waiting] = product
                front_role[waiting] = role
                waiting += 1
    first = 0
    for hop in range(fans[0].shape[0]):
        last = waiting
        for i in range(first, last):
            product, role = front[i], front_role[i]
            begin, end = offsets[role][product], offsets[role][product + 1]
            count = _pick(begin, end, edge_numbers[role], left_out, fans[role][hop, product], picked, state)
            for j in range(count):
                other, other_role = neighbours[role][picked[j]], 1 - role
                if place[other] < 0:
                    nodes = _with_room(nodes, found)
                    place[other] = found
                    nodes[found] = other
                    found += 1
                if not met[other_role, other]:
                    front, front_role = _with_room(front, waiting), _with_room(front_role, waiting)
                    met[other_role, other] = True
                    front[waiting] = other
                    front_role[waiting] = other_role
                    waiting += 1
                near, far = _with_room(near, edges), _with_room(far, edges)
                number, role_of = _with_room(number, edges), _with_room(role_of, edges)
                near[edges] = place[product]
                far[edges] = place[other]
                number[edges] = edge_numbers[role][picked[j]]
                role_of[edges] = role
                edges += 1
        first = last
    return nodes[:found].copy(), near[:edges].copy(), far[:edges].copy(), number[:edges].copy(), role_of[:edges].copy()


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _pick(
    begin: int,
    end: int,
    edge_numbers: IntArray,
    left_out: BoolArray,
    fan: int,
    picked: IntArray,
    state: npt.NDArray[np.uint64],
) -> int:
    """Write up to `fan` distinct allowed positions of begin..end-1 into `picked`; return how many."""
    if end - begin > 8 * fan and _draw(begin, end, edge_numbers, left_out, fan, picked, state):
        return fan
    allowed = 0
    for position in range(begin, end):
        allowed += not left_out[edge_numbers[position]]
    wanted = min(fan, allowed)
    count = 0
    for position in range(begin, end):
        if left_out[edge_numbers[position]]:
            continue
        # Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S).
        if wanted - count == allowed or _random_below(state, allowed) < wanted - count:
            picked[count] = position
            count += 1
        allowed -= 1
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _draw(
    begin: int,
    end: int,
    edge_numbers: IntArray,
    left_out: BoolArray,
    fan: int,
    picked: IntArray,
    state: npt.NDArray[np.uint64],
) -> bool:
    """Fill `picked` from a hub without walking its edges; False, and no promise, when most are left out."""
    count = 0
    for _attempt in range(16 * fan):
        if count == fan:
            break
        position = begin + _random_below(state, end - begin)
        fresh = not left_out[edge_numbers[position]]
        for earlier in range(count):
            fresh = fresh and picked[earlier] != position
        if fresh:
            picked[count] = position
            count += 1
    return count == fan


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _random_below(state: npt.NDArray[np.uint64], bound: int) -> int:
    """Next integer in [0, bound) of splitmix64 (Steele, Lea and Flood 2014); its bias is below bound / 2^53."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return int(float(bits >> np.uint64(11)) / 9007199254740992.0 * bound)


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _with_room(values: IntArray, used: int) -> IntArray:
    """The array itself, or a copy twice as long when it is full."""
    return values if used < len(values) else np.concatenate((values, np.empty(len(values), np.int64)))
