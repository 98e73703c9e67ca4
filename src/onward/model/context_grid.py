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
from typing import Self

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
_BY_ORDER, _BY_CATEGORY, _ONE_BY_ONE = 0, 1, 2
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
        asked = self._questions[int(of_pair)]
        answers = (asked.tree, asked.kept, asked.threshold, asked.kind, asked.start, asked.words)
        trees = self.trees
        return np.asarray(
            _clear(rows, asked.feature, asked.first, asked.way, *answers, trees.category_bits, len(trees.root))
        )

    @cached_property
    def _leaves_by_place(self) -> tuple[npt.NDArray[np.int64], Bits]:
        return places_of_leaves(self.trees)

    @cached_property
    def _questions(self) -> "tuple[_Questions, _Questions]":
        """Those that contexts answer, then those that pairs do."""
        asks_pair = self.of_pair[self.trees.feature]
        kept = self._leaves_by_place[1]
        return _Questions.of(self.trees, kept, ~asks_pair), _Questions.of(self.trees, kept, asks_pair)


@dataclass(frozen=True)
class _Questions:
    """Splits by the feature they ask, and those of one feature by threshold: what a number exceeds comes first.

    Attributes:
        feature: [g] that are asked.
        first: [g + 1] where each feature's splits begin.
        way: [g] how they are answered: one of _BY_ORDER, _BY_CATEGORY and _ONE_BY_ONE.
        tree: [s] that each split stands in.
        kept: [s] bits that are left to what it sends right.
        threshold: [s] see `FlatTrees`, as all that follow.
        kind: [s].
        start: [s].
        words: [s].
    """

    feature: Ints
    first: Ints
    way: npt.NDArray[np.int8]
    tree: Ints
    kept: Bits
    threshold: Floats
    kind: npt.NDArray[np.uint8]
    start: Ints
    words: Ints

    @classmethod
    def of(cls, trees: FlatTrees, kept: Bits, asked: npt.NDArray[np.bool_]) -> Self:
        # A tree has one split less than leaves.
        splits_of_tree = np.diff(trees.first_leaf) - 1
        tree = np.repeat(np.arange(len(trees.root), dtype=np.int32), splits_of_tree)
        split = np.flatnonzero(asked)
        split = split[np.lexsort((trees.threshold[split], trees.feature[split]))]
        feature, first = np.unique(trees.feature[split], return_index=True)
        categorical = np.unique(trees.feature[split[trees.kind[split] & 1 == 1]])
        zero_is_missing = np.unique(trees.feature[split[(trees.kind[split] >> 2) & 3 == _AS_ZERO]])
        way = np.full(len(feature), _BY_ORDER, np.int8)
        way[np.isin(feature, zero_is_missing)] = _ONE_BY_ONE
        way[np.isin(feature, categorical)] = _BY_CATEGORY
        return cls(
            feature=feature.astype(np.int32),
            first=np.r_[first, len(split)].astype(np.int32),
            way=way,
            tree=tree[split],
            kept=kept[split],
            threshold=trees.threshold[split],
            kind=trees.kind[split],
            start=trees.category_start[split],
            words=trees.category_words[split],
        )


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
def _clear(
    rows: Inputs,
    feature: Ints,
    first: Ints,
    way: npt.NDArray[np.int8],
    tree: Ints,
    kept: Bits,
    threshold: Floats,
    kind: npt.NDArray[np.uint8],
    start: Ints,
    words: Ints,
    bits: npt.NDArray[np.uint32],
    trees: int,
) -> Bits:
    """[n, T] leaves that are left to each row once the splits have been asked, as LightGBM's `Tree::Decision` would."""
    alive = np.full((len(rows), trees), ~np.uint64(0))
    for row in range(len(rows)):
        for group in range(len(feature)):
            value = float(rows[row, feature[group]])
            begin, end = first[group], first[group + 1]
            if way[group] == _BY_CATEGORY:
                _ask_category(alive[row], value, begin, end, tree, kept, start, words, bits)
            elif way[group] == _BY_ORDER and not math.isnan(value):
                if abs(value) <= _ZERO:
                    value = 0.0  # LightGBM keeps no value this small in a row
                for place in range(begin, end):
                    if value <= threshold[place]:
                        break
                    alive[row, tree[place]] &= kept[place]
            else:
                for place in range(begin, end):
                    if not _goes_left(value, threshold[place], kind[place]):
                        alive[row, tree[place]] &= kept[place]
    return alive


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _ask_category(
    alive: Bits,
    value: float,
    begin: int,
    end: int,
    tree: Ints,
    kept: Bits,
    start: Ints,
    words: Ints,
    bits: npt.NDArray[np.uint32],
) -> None:
    """Ask the splits of one categorical feature; what is no code, and what no set holds, goes right."""
    is_code = not math.isnan(value) and 0.0 <= value <= _LARGEST_CODE
    code = np.int64(value) if is_code else 0
    word, bit = code >> 5, np.uint32(code & 31)
    for place in range(begin, end):
        inside = is_code and word < words[place]
        held = (bits[start[place] + (word if inside else 0)] >> bit) & np.uint32(1)
        # No branch: whether a set holds a code is nothing that a processor foresees.
        alive[tree[place]] &= kept[place] | (np.uint64(0) - np.uint64(held if inside else 0))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _goes_left(value: float, threshold: float, kind: int) -> bool:
    """LightGBM's decision at a split of numbers."""
    missing = (kind >> 2) & 3
    if math.isnan(value):
        if missing == _AS_NAN:
            return kind & 2 != 0
        value = 0.0
    if abs(value) <= _ZERO:
        if missing == _AS_ZERO:
            return kind & 2 != 0
        value = 0.0
    return value <= threshold


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
