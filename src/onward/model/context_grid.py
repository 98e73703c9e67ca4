"""Many pairs in the same few contexts, scored by heads compiled with numba.

A list asks for every pair in every reference context, and nearly all of that work repeats. A tree of at most 64 leaves
is a set of bits: each split that a row answers with "right" clears the leaves on its left, and the first bit that is
left is the row's leaf (QuickScorer, Lucchese et al., SIGIR 2015). A split asks either the pair or the context, so
contexts clear their bits once for a bundle, pairs theirs once for a request, and a pair in a context is one AND.

Leaves are added tree after tree in double precision, as LightGBM does: probabilities are the same to the last bit.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numba import njit

from onward.model.scorer import PairScorer
from onward.model.tree_text import FlatTrees, Floats, Ints

Inputs = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint64]

_MOST_LEAVES = 64
_ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
_AS_ZERO, _AS_NAN = 1, 2  # LightGBM's MissingType
_LARGEST_CODE = 2.0**31 - 1.0
# A de Bruijn sequence: times a power of two, its top six bits are another number for each.
_DE_BRUIJN = 0x03F79D71B4CB0A89
_PLACES = np.array([((1 << bit) * _DE_BRUIJN % 2**64) >> 58 for bit in range(64)], np.int64)


@dataclass(frozen=True)
class SplitTrees:
    """A scorer's trees, their splits sorted by what they ask.

    Attributes:
        scorer: f features.
        of_pair: [f] whether a feature belongs to the pair; the others belong to the context.
    """

    scorer: PairScorer
    of_pair: npt.NDArray[np.bool_]

    @cached_property
    def trees(self) -> FlatTrees:
        """All trees of all heads."""
        return FlatTrees.from_texts(self.scorer.heads)

    @property
    def fit_in_bits(self) -> bool:
        """Whether no tree has more leaves than a word has bits."""
        return self.trees.most_leaves <= _MOST_LEAVES

    @cached_property
    def leaf_table(self) -> Floats:
        """[T, 64] values of the leaves, each at the place that `_DE_BRUIJN` gives its bit."""
        trees = self.trees
        table = np.zeros((len(trees.root), _MOST_LEAVES))
        tree_of_leaf = np.repeat(np.arange(len(trees.root)), np.diff(trees.first_leaf))
        table[tree_of_leaf, _PLACES[self._leaves_by_place[0]]] = trees.leaf
        return table

    def bits(self, rows: Inputs, *, of_pair: bool) -> Bits:
        """[n, T] leaves that are left to rows [n, f] of pairs, or of contexts."""
        trees = self.trees
        sets = (trees.category_start, trees.category_words, trees.category_bits)
        splits = self._splits[int(of_pair)]
        return np.asarray(
            _clear(rows, *splits, self._leaves_by_place[1], trees.feature, trees.threshold, trees.kind, *sets)
        )

    @cached_property
    def _leaves_by_place(self) -> tuple[npt.NDArray[np.int64], Bits]:
        return places_of_leaves(self.trees)

    @cached_property
    def _splits(self) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
        """Of contexts, then of pairs: the splits that ask them, by tree, and where each tree's begin [T + 1]."""
        trees = self.trees
        # A tree has one split less than leaves.
        first_split = trees.first_leaf - np.arange(len(trees.first_leaf), dtype=np.int32)
        asks_pair = self.of_pair[trees.feature]
        of_context, of_pair = (np.flatnonzero(asked).astype(np.int32) for asked in (~asks_pair, asks_pair))
        starts = [np.searchsorted(splits, first_split).astype(np.int32) for splits in (of_context, of_pair)]
        return (of_context, starts[0]), (of_pair, starts[1])


@dataclass(frozen=True)
class ContextGrid:
    """A scorer's trees and C contexts, ready to meet any pair.

    Attributes:
        of: the trees; LightGBM itself is asked where one has more than 64 leaves.
        contexts: [C, f] rows; what belongs to the pair is not read.
    """

    of: SplitTrees
    contexts: Inputs

    def probability(self, pairs: Inputs, threads: int = 1) -> Floats:
        """[n · C, heads] of each pair in every context, pair by pair; raw, as `PairScorer.predict` gives it.

        Args:
            pairs: [n, f] rows; what belongs to the context is not read.
            threads: for LightGBM.
        """
        if not self.of.fit_in_bits:
            rows = np.where(self.of.of_pair, pairs[:, None, :], self.contexts[None, :, :])
            return self.of.scorer.probability(np.ascontiguousarray(rows.reshape(-1, pairs.shape[1])), threads)
        pair_bits = self.of.bits(pairs, of_pair=True)
        met = _meet(pair_bits, self._context_bits, self.of.leaf_table, self.of.trees.first_tree, _DE_BRUIJN)
        return np.asarray(met, np.float64).reshape(len(pairs) * len(self.contexts), -1)

    @cached_property
    def _context_bits(self) -> Bits:
        """[T, C] leaves that a context leaves."""
        return np.ascontiguousarray(self.of.bits(self.contexts, of_pair=False).T)


def places_of_leaves(trees: FlatTrees) -> tuple[npt.NDArray[np.int64], Bits]:
    """[L] each leaf's place from the left in its tree, and [N] for each split all bits but those of leaves on its left.

    Bit k stands for the k-th leaf from the left.
    """
    place_of_leaf = np.zeros(len(trees.leaf), np.int64)
    kept = np.zeros(len(trees.feature), np.uint64)
    left, right = trees.left.tolist(), trees.right.tolist()
    for root in trees.root.tolist():
        place = 0
        first_place: dict[int, int] = {}
        stack = [(root, False)]
        while stack:
            node, left_is_done = stack.pop()
            if node < 0:
                place_of_leaf[~node] = place
                place += 1
            elif left_is_done:
                cleared = (1 << place) - (1 << first_place[node])
                kept[node] = ~cleared & (2**64 - 1)
                stack.append((right[node], False))
            else:
                first_place[node] = place
                stack += [(node, True), (left[node], False)]
    return place_of_leaf, kept


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _goes_left(value: float, threshold: float, kind: int, start: int, words: int, bits: npt.NDArray[np.uint32]) -> bool:
    """LightGBM's decision at a split (`Tree::Decision` of include/LightGBM/tree.h)."""
    if kind & 1:
        if math.isnan(value) or value < 0.0 or value > _LARGEST_CODE:
            return False
        code = np.int64(value)
        word = code >> 5
        return bool(word < words and (bits[start + word] >> np.uint32(code & 31)) & 1 == 1)
    missing = (kind >> 2) & 3
    if math.isnan(value):
        if missing == _AS_NAN:
            return kind & 2 != 0
        value = 0.0
    if abs(value) <= _ZERO:
        if missing == _AS_ZERO:
            return kind & 2 != 0
        value = 0.0  # LightGBM keeps no value this small in a row
    return value <= threshold


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _clear(
    rows: Inputs,
    splits: Ints,
    first_split: Ints,
    kept: Bits,
    feature: Ints,
    threshold: Floats,
    kind: npt.NDArray[np.uint8],
    start: Ints,
    words: Ints,
    bits: npt.NDArray[np.uint32],
) -> Bits:
    """[n, T] leaves that are left to each row once the splits have been asked."""
    trees = len(first_split) - 1
    result = np.empty((len(rows), trees), np.uint64)
    for row in range(len(rows)):
        for tree in range(trees):
            alive = ~np.uint64(0)
            for place in range(first_split[tree], first_split[tree + 1]):
                node = splits[place]
                value = float(rows[row, feature[node]])
                if not _goes_left(value, threshold[node], kind[node], start[node], words[node], bits):
                    alive &= kept[node]
            result[row, tree] = alive
    return result


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _meet(pair_bits: Bits, context_bits: Bits, leaf_table: Floats, first_tree: Ints, de_bruijn: int) -> Floats:
    """[n, C, heads] probability of each pair in each context."""
    pairs, heads, contexts = len(pair_bits), len(first_tree) - 1, context_bits.shape[1]
    result = np.empty((pairs, contexts, heads))
    total = np.empty(contexts)
    times, top = np.uint64(de_bruijn), np.uint64(58)
    for pair in range(pairs):
        for head in range(heads):
            total[:] = 0.0
            for tree in range(first_tree[head], first_tree[head + 1]):
                mine = pair_bits[pair, tree]
                for context in range(contexts):
                    alive = mine & context_bits[tree, context]
                    lowest = alive & (~alive + np.uint64(1))
                    total[context] += leaf_table[tree, np.int64((lowest * times) >> top)]
            for context in range(contexts):
                result[pair, context, head] = 1.0 / (1.0 + math.exp(-total[context]))
    return result
