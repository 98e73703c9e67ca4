"""LightGBM's model text as flat arrays: every split of every tree, without LightGBM.

The text is LightGBM's format v4 (https://github.com/lightgbm-org/LightGBM/blob/master/src/io/tree.cpp). Numbers in it
are written with 17 digits, so the arrays hold the very doubles that LightGBM adds up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from onward.errors import ArtifactError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_Number = TypeVar("_Number", bound=np.generic)
_REMEDY = "train the scorer again with `dvc repro --force train_gnn`"


@dataclass(frozen=True)
class FlatTrees:
    """All trees of several heads, one after another.

    A child is the number of a split, or ~leaf. All numbers count through all trees.

    Attributes:
        feature: [N] column that each split asks.
        threshold: [N] of a numeric split: smaller or equal goes left.
        kind: [N] LightGBM's `decision_type`: bit 0 categorical, bit 1 missing goes left, bits 2 and 3 what is missing.
        left: [N] child.
        right: [N] child.
        category_start: [N] of a categorical split: first word of its bit set.
        category_words: [N] words of it.
        category_bits: [W] words; a category whose bit is set goes left.
        leaf: [L] values.
        root: [T] split, or ~leaf of a tree that has no split.
        first_leaf: [T + 1] where each tree's leaves begin.
        first_tree: [H + 1] where each head's trees begin.
    """

    feature: Ints
    threshold: Floats
    kind: npt.NDArray[np.uint8]
    left: Ints
    right: Ints
    category_start: Ints
    category_words: Ints
    category_bits: npt.NDArray[np.uint32]
    leaf: Floats
    root: Ints
    first_leaf: Ints
    first_tree: Ints

    @property
    def most_leaves(self) -> int:
        """Leaves of the largest tree."""
        return int(np.diff(self.first_leaf).max(initial=0))

    @classmethod
    def from_texts(cls, heads: Sequence[str]) -> "FlatTrees":
        """Read the texts of binary classifiers.

        Raises:
            ArtifactError: a text is not that of plain boosted trees with a logistic link.
        """
        trees = [_trees_of(number, text) for number, text in enumerate(heads)]
        every = [tree for of_head in trees for tree in of_head]
        splits, leaves, words = (
            np.cumsum([0, *counts]).astype(np.int32)
            for counts in (
                [len(tree.feature) for tree in every],
                [len(tree.leaf) for tree in every],
                [len(tree.category_bits) for tree in every],
            )
        )

        def joined(parts: Iterable[npt.NDArray[_Number]], kind: type[_Number]) -> npt.NDArray[_Number]:
            return np.concatenate([*parts, np.empty(0, kind)])

        def moved(child: Ints, tree: int) -> Ints:
            return np.asarray(np.where(child >= 0, child + splits[tree], child - leaves[tree]), np.int32)

        return cls(
            feature=joined((tree.feature for tree in every), np.int32),
            threshold=joined((tree.threshold for tree in every), np.float64),
            kind=joined((tree.kind for tree in every), np.uint8),
            left=joined((moved(tree.left, number) for number, tree in enumerate(every)), np.int32),
            right=joined((moved(tree.right, number) for number, tree in enumerate(every)), np.int32),
            category_start=joined((tree.category_start + words[n] for n, tree in enumerate(every)), np.int32),
            category_words=joined((tree.category_words for tree in every), np.int32),
            category_bits=joined((tree.category_bits for tree in every), np.uint32),
            leaf=joined((tree.leaf for tree in every), np.float64),
            root=np.where(np.diff(splits) > 0, splits[:-1], ~leaves[:-1]).astype(np.int32),
            first_leaf=leaves,
            first_tree=np.cumsum([0, *map(len, trees)]).astype(np.int32),
        )


@dataclass(frozen=True)
class _Tree:
    """One tree of the text; its arrays are those of `FlatTrees`, its numbers its own."""

    feature: Ints
    threshold: Floats
    kind: npt.NDArray[np.uint8]
    left: Ints
    right: Ints
    category_start: Ints
    category_words: Ints
    category_bits: npt.NDArray[np.uint32]
    leaf: Floats


def _trees_of(head: int, text: str) -> list[_Tree]:
    header, *blocks = text.partition("end of trees")[0].split("\nTree=")
    facts = dict(_fields(header))
    if facts.get("objective") != "binary sigmoid:1" or "average_output" in header.splitlines():
        objective = facts.get("objective", "none")
        raise ArtifactError(f"head {head}: objective {objective!r}, must be boosted 'binary sigmoid:1'; {_REMEDY}")
    return [_tree(head, dict(_fields(block))) for block in blocks]


def _tree(head: int, fields: Mapping[str, str]) -> _Tree:
    if fields["is_linear"] != "0":
        raise ArtifactError(f"head {head}: has linear leaves, which nothing here grows; {_REMEDY}")
    splits = int(fields["num_leaves"]) - 1

    def numbers(name: str, kind: type[_Number]) -> npt.NDArray[_Number]:
        # A tree without a split has none of these lines, or empty ones.
        return np.array(fields[name].split() if splits else [], dtype=kind)

    kind = numbers("decision_type", np.uint8)
    threshold = numbers("threshold", np.float64)
    start, words, bits = np.zeros(splits, np.int32), np.zeros(splits, np.int32), np.empty(0, np.uint32)
    if splits and int(fields["num_cat"]):
        # A categorical split's threshold is the number of its set.
        bounds, categorical = numbers("cat_boundaries", np.int32), np.flatnonzero(kind & 1)
        of_split = threshold[categorical].astype(np.int64)
        start[categorical] = bounds[of_split]
        words[categorical] = bounds[of_split + 1] - bounds[of_split]
        bits = numbers("cat_threshold", np.uint32)
    return _Tree(
        feature=numbers("split_feature", np.int32),
        threshold=threshold,
        kind=kind,
        left=numbers("left_child", np.int32),
        right=numbers("right_child", np.int32),
        category_start=start,
        category_words=words,
        category_bits=bits,
        leaf=np.array(fields["leaf_value"].split()[: splits + 1], dtype=np.float64),
    )


def _fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name, value
