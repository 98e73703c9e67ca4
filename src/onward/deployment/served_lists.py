"""The lists a bundle serves, and which pairs are like anything that was ever shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import CATEGORY_SEPARATOR
from onward.ranking.list_names import COLUMNS, LISTS

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ServedLists:
    """What `onward recommend` and `onward serve` answer from.

    Attributes:
        table: columns COLUMNS of ranking/related_lists.py, by product, list and rank; products by inside number.
        stands_for: [P] whose lists each product is given; -1 for none.
        seen: distinct pairs of categories (columns source, target) of impressions that were known.
        directed: whether after and before are ordered by direction.
        follow_days: "after" means bought new within so many days.
        weight: on popularity.
    """

    table: pd.DataFrame
    stands_for: Ints
    seen: pd.DataFrame
    directed: bool
    follow_days: int
    weight: float

    def to_files(self) -> dict[str, Any]:
        """The lists as tables and plain values, by name of file."""
        return {
            "lists.parquet": self.table,
            "categories_shown.parquet": self.seen,
            "stands_for.parquet": pd.DataFrame({"stands_for": self.stands_for.astype("int32")}),
            "lists.json": {
                "directed": self.directed,
                "follow_days": self.follow_days,
                "popularity_weight": self.weight,
            },
        }

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Self:
        """Rebuild what `to_files` gave."""
        manifest = files["lists.json"]
        return cls(
            files["lists.parquet"],
            files["stands_for.parquet"]["stands_for"].to_numpy("int64"),
            files["categories_shown.parquet"],
            manifest["directed"],
            manifest["follow_days"],
            manifest["popularity_weight"],
        )

    @cached_property
    def _starts(self) -> dict[int, tuple[int, int]]:
        product = self.table["product"].to_numpy(np.int64)
        first = np.flatnonzero(np.r_[True, product[1:] != product[:-1]][: len(product)])
        ends = np.r_[first[1:], len(product)][: len(first)]
        return {int(product[start]): (int(start), int(end)) for start, end in zip(first, ends, strict=True)}

    @cached_property
    def _seen_pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset(zip(self.seen["source"].tolist(), self.seen["target"].tolist(), strict=True))

    def like_shown(self, source: pd.Series, target: pd.Series) -> Bools:
        """[n] whether any impression showed a product of the target's category after one of the source's.

        Args:
            source: [n] category path of each source.
            target: [n] category path of each target.
        """
        pairs = zip(category_above(source).tolist(), category_above(target).tolist(), strict=True)
        return np.array([pair in self._seen_pairs for pair in pairs], dtype=np.bool_)

    def of(self, product: int, count: int) -> Mapping[str, pd.DataFrame]:
        """Up to `count` rows of each list of a product, best first."""
        start, end = self._starts.get(int(self.stands_for[product]), (0, 0))
        rows = self.table.iloc[start:end]
        # A product that is given another one's lists must not find itself in them.
        rows = rows[rows["other"].to_numpy() != product]
        return {name: rows[(rows["list"] == name).to_numpy(bool)].head(count) for name in LISTS}

    def matrix(self, name: str, count: int) -> Ints:
        """[P, count] what `of` gives from one list of every product by inside number, -1 after the last."""
        # One more, as a product that is given another one's lists must not find itself in them.
        width = count + 1
        mine = self.table[((self.table["list"] == name) & (self.table["rank"] <= width)).to_numpy(bool)]
        matrix = np.full((len(self.stands_for) + 1, width), -1, dtype=np.int64)  # the last stands for nothing
        matrix[mine["product"].to_numpy(np.int64), mine["rank"].to_numpy(np.int64) - 1] = mine["other"].to_numpy()
        matrix = matrix[self.stands_for]
        itself = matrix == np.arange(len(matrix))[:, None]
        matrix[itself] = -1
        return np.take_along_axis(matrix, np.argsort(itself, axis=1, kind="stable"), axis=1)[:, :count]


def category_above(paths: pd.Series) -> pd.Series:
    """The category a step above each path's type; a path of one step is its own, and a missing one is "".

    >>> category_above(pd.Series(["a > b > c", "a", None])).tolist()
    ['a > b', 'a', '']
    """
    text = paths.astype("string").fillna("")
    return text.str.rsplit(CATEGORY_SEPARATOR, n=1).str[0]


def categories_seen(paths: pd.Series, source: Ints, target: Ints) -> pd.DataFrame:
    """Distinct pairs of categories of n impressions, ordered.

    Args:
        paths: [P] category of each product.
        source: [n] products that were bought.
        target: [n] products that were shown.
    """
    above = category_above(paths)
    pairs = pd.DataFrame({"source": above.to_numpy()[source], "target": above.to_numpy()[target]})
    return pairs.drop_duplicates().sort_values(["source", "target"], ignore_index=True)


def no_lists(products: int) -> ServedLists:
    """Of a bundle that was made before lists were."""
    seen = pd.DataFrame({"source": pd.Series(dtype="str"), "target": pd.Series(dtype="str")})
    return ServedLists(pd.DataFrame(columns=list(COLUMNS)), np.full(products, -1), seen, False, 0, 0.0)  # noqa: FBT003
