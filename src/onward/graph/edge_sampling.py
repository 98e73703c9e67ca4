"""How a few of a product's edges are picked: compiled draws without replacement.

Uniform picks are simple random samples of fixed size. Weighted picks are successive samples: edges are drawn one by
one, each with probability in proportion to its weight among those not yet drawn. That is the scheme of Efraimidis and
Spirakis (2006). Draws that repeat are drawn again, which is the same law; their exponential keys find what patience
does not. Its chance of holding an edge is not in proportion to the weight, except for one draw.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.graph.product_graph import FloatArray, IntArray

CountArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
State = npt.NDArray[np.uint64]

# [E, 4] neighbour, number, alias and share (in 2^-31) of the edge at each position, see `alias_table`; [E, 2] where no
# neighbour is preferred. What a draw reads lies side by side, so that it touches memory in one place.
Edges = CountArray
_WHOLE = 2.0**31

# Where edges are left out, a row that is longer than this many times the fan is drawn from, a shorter one is walked.
_LONG_ROW = 8


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def pick_uniform(
    begin: int,
    end: int,
    edges: Edges,
    left_out: BoolArray,
    barred: int,
    fan: int,
    picked: IntArray,
    state: State,
) -> int:
    """Write min(fan, allowed) distinct positions of begin..end-1 into `picked`; return how many.

    Args:
        begin: first position of the row.
        end: one after its last.
        edges: see `Edges`.
        left_out: [E] edges, by number, that may not be picked.
        barred: how many edges of the row are left out.
        fan: how many to pick at most.
        picked: at least `fan` long.
        state: of `random_below`.
    """
    if barred == 0 and end - begin > fan:
        return int(_draw_distinct(begin, end, fan, picked, state))
    if end - begin > _LONG_ROW * fan and _draw_uniform(begin, end, edges, left_out, barred, fan, picked, state):
        return fan
    allowed = end - begin - barred
    needed = min(fan, allowed)
    count = 0
    for position in range(begin, end):
        if barred > 0 and left_out[edges[position, 1]]:
            continue
        # Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S).
        if needed - count == allowed or random_below(state, allowed) < needed - count:
            picked[count] = position
            count += 1
        allowed -= 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def pick_weighted(
    begin: int,
    end: int,
    edges: Edges,
    left_out: BoolArray,
    barred: int,
    fan: int,
    weight: FloatArray,
    picked: IntArray,
    keys: FloatArray,
    state: State,
) -> int:
    """Like `pick_uniform`, by `weight` [E] of each position; `keys` is scratch, at least `fan` long."""
    needed = min(fan, end - begin - barred)
    if needed == end - begin - barred:
        return int(pick_uniform(begin, end, edges, left_out, barred, fan, picked, state))
    drawn = _draw_weighted(begin, end, edges, left_out, barred, needed, picked, state)
    if drawn == needed:
        return int(drawn)
    # What repeated draws did not find is found by keys among the rest, which leaves the law as it is.
    count = int(drawn)
    for position in range(begin, end):
        if barred > 0 and left_out[edges[position, 1]]:
            continue
        if drawn > 0 and holds(picked, drawn, position):
            continue
        # An exponential clock of the weight's rate: the first to ring are picked, kept in order by insertion.
        key = -np.log(1.0 - random_unit(state)) / weight[position]
        if count == needed and key >= keys[count - 1]:
            continue
        place = min(count, needed - 1)
        while place > drawn and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            picked[place] = picked[place - 1]
            place -= 1
        keys[place] = key
        picked[place] = position
        count = min(count + 1, needed)
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def pick_one(begin: int, end: int, edges: Edges, left_out: BoolArray, barred: int, state: State) -> int:
    """One allowed position of begin..end-1, each equally likely; -1 when luck finds none."""
    if end == begin:
        return -1
    for _attempt in range(4):
        position = begin + random_below(state, end - begin)
        # Where nothing is left out, two places of memory need not be looked at.
        if barred == 0 or not left_out[edges[position, 1]]:
            return int(position)
    return -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _draw_distinct(begin: int, end: int, fan: int, picked: IntArray, state: State) -> int:
    """Fill `picked` with `fan` positions, fewer than there are, a draw each (Floyd; Bentley and Floyd 1987)."""
    for count in range(fan):
        last = end - fan + count
        position = begin + random_below(state, last + 1 - begin)
        picked[count] = last if holds(picked, count, position) else position
    return fan


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _draw_uniform(
    begin: int,
    end: int,
    edges: Edges,
    left_out: BoolArray,
    barred: int,
    fan: int,
    picked: IntArray,
    state: State,
) -> bool:
    """Fill `picked` from a hub without walking its edges; False, and no promise, when most are left out."""
    count = 0
    for _attempt in range(16 * fan):
        if count == fan:
            break
        position = begin + random_below(state, end - begin)
        if (barred > 0 and left_out[edges[position, 1]]) or holds(picked, count, position):
            continue
        picked[count] = position
        count += 1
    return count == fan


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _draw_weighted(
    begin: int,
    end: int,
    edges: Edges,
    left_out: BoolArray,
    barred: int,
    needed: int,
    picked: IntArray,
    state: State,
) -> int:
    """Draw from a hub by weight, again where a draw repeats; how many of `wanted` were found with patience."""
    count = 0
    left = 16 * needed
    while left > 0 and count < needed:
        # All are drawn before any is looked at twice: their reads do not wait for each other.
        first, last = count, count + min(needed - count, left)
        left -= last - first
        for i in range(first, last):
            drawn = random_unit(state) * (end - begin)
            position = int(drawn)
            row = edges[begin + position]
            # What is left of the number is uniform too, and says whether the edge or its alias is taken.
            picked[i] = begin + position if (drawn - position) * _WHOLE < row[3] else row[2]
        for i in range(first, last):
            position = picked[i]
            if not ((barred > 0 and left_out[edges[position, 1]]) or holds(picked, count, position)):
                picked[count] = position
                count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def holds(picked: IntArray, count: int, position: int) -> bool:
    """Whether one of the first `count` of `picked` is `position`."""
    for i in range(count):  # noqa: SIM110 - numba compiles no generator
        if picked[i] == position:
            return True
    return False


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def random_unit(state: State) -> float:
    """Next number in [0, 1) of splitmix64 (Steele, Lea and Flood 2014), a multiple of 2^-53."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return float(bits >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def random_below(state: State, bound: int) -> int:
    """Next integer in [0, bound); its bias is below bound / 2^53."""
    return int(random_unit(state) * bound)


def edge_table(offsets: IntArray, neighbours: IntArray, numbers: IntArray, weight: FloatArray | None) -> Edges:
    """Put side by side what a draw reads of an edge; see `Edges`.

    Args:
        offsets: [P + 1] where the rows begin.
        neighbours: [E] by position.
        numbers: [E] by position.
        weight: [E] above 0, by position; None prefers none.
    """
    columns = [neighbours, numbers]
    if weight is not None:
        share, alias = alias_table(offsets, weight)
        # Edges that are always kept name themselves as alias, so that nothing is lost where the number is cut.
        columns += [np.where(share < 1.0, alias, np.arange(len(alias))), np.minimum(share * _WHOLE, _WHOLE - 1)]
    return np.stack(columns, axis=1, dtype=np.int32, casting="unsafe")


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def alias_table(offsets: IntArray, weight: FloatArray) -> tuple[FloatArray, IntArray]:
    """Share and alias of each position, for draws by weight within a row in constant time (Vose 1991).

    A position drawn uniformly from its row is kept with chance `share`, and else its alias is taken.

    Args:
        offsets: [P + 1] where the rows begin.
        weight: [E] above 0, by position.
    """
    share = np.ones(len(weight))
    alias = np.arange(len(weight))
    line = np.empty(len(weight), np.int64)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        if begin == end:
            continue
        share[begin:end] = weight[begin:end] * ((end - begin) / weight[begin:end].sum())
        # Those below the mean wait on the left of the line, the others on the right.
        low, high = begin, end
        for position in range(begin, end):
            if share[position] < 1.0:
                line[low] = position
                low += 1
            else:
                high -= 1
                line[high] = position
        while low > begin and high < end:
            small, large = line[low - 1], line[high]
            alias[small] = large
            share[large] -= 1.0 - share[small]
            low -= 1
            if share[large] < 1.0:
                line[low] = large
                low += 1
                high += 1
        # What rounding leaves over is all but 1.
        for rest in range(begin, low):
            share[line[rest]] = 1.0
    return share, alias
