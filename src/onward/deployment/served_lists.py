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
    def _list_numbers(self) -> npt.NDArray[np.int64]:
        return pd.Index(LISTS).get_indexer(pd.Index(self.table["list"]))

    @cached_property
    def columns(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """The numeric columns of the table: a few of its rows are picked faster from these."""
        return {name: self.table[name].to_numpy() for name in self.table.columns if name != "list"}

    def rows(self, product: int, count: int) -> tuple[Ints, ...]:
        """Row numbers in the table of up to `count` entries of each of LISTS, best first."""
        start, end = self._starts.get(int(self.stands_for[product]), (0, 0))
        # A product that is given another one's lists must not find itself in them.
        others = self.columns["other"][start:end] != product
        numbers = self._list_numbers[start:end]
        return tuple(start + np.flatnonzero(others & (numbers == number))[:count] for number in range(len(LISTS)))

    def of(self, product: int, count: int) -> Mapping[str, pd.DataFrame]:
        """Up to `count` rows of each list of a product, best first."""
        return {name: self.table.iloc[rows] for name, rows in zip(LISTS, self.rows(product, count), strict=True)}

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


@dataclass(frozen=True)
class ShownCategories:
    """Which pairs of products are like anything that was ever shown.

    Attributes:
        category: [P] number of the category above each product's type.
        pairs: pairs of such numbers, source · P + target, ascending.
    """

    category: Ints
    pairs: Ints

    @classmethod
    def of(cls, seen: pd.DataFrame, paths: pd.Series) -> Self:
        """Number the categories of a catalogue.

        Args:
            seen: `ServedLists.seen`.
            paths: [P] category of each product.
        """
        path, distinct = pd.factorize(paths.fillna(""))
        above, names = pd.factorize(category_above(pd.Series(distinct, dtype="str")))
        category = above[path]
        source, target = (pd.Index(names).get_indexer(pd.Index(seen[end])) for end in ("source", "target"))
        of_products = (source >= 0) & (target >= 0)
        return cls(category.astype(np.int64), np.unique((source * len(paths) + target)[of_products]).astype(np.int64))

    def hold(self, source: Ints, target: Ints) -> Bools:
        """[n] whether any impression showed a product of the target's category after one of the source's."""
        if not len(self.pairs):
            return np.zeros(len(source), np.bool_)
        asked = self.category[source] * len(self.category) + self.category[target]
        place = np.minimum(np.searchsorted(self.pairs, asked), len(self.pairs) - 1)
        return np.asarray(self.pairs[place] == asked, np.bool_)


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
