"""The part of a bundle that answers about lists: read alone, it is there in a fraction of the whole's time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.deployment.listed_scores import ListedScores
from onward.deployment.served_lists import ServedLists, no_lists

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ListedProducts:
    """A catalogue with its lists, and what is said of the pairs on them.

    Attributes:
        products: product (0..P-1, in order), product_id, name, category.
        customers: [P] how many bought each.
        lists: what is served.
        scores: of the pairs on the lists.
        facts: source, as_of and attribution_days of the run that made it.
    """

    products: pd.DataFrame
    customers: npt.NDArray[np.float64]
    lists: ServedLists
    scores: ListedScores
    facts: Mapping[str, Any]

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Self:
        """Read it from a bundle's files; a bundle from before lists were has none."""
        products = files["products.parquet"]
        count = len(products)
        return cls(
            products,
            files["nodes.parquet"]["customers"].to_numpy(np.float64),
            ServedLists.from_files(files) if "lists.json" in files else no_lists(count),
            ListedScores.from_files(files, count),
            files["facts.json"],
        )

    @cached_property
    def product_ids(self) -> Sequence[str]:
        """Outside ids by inside number."""
        return [str(identity) for identity in self.products["product_id"].tolist()]

    @cached_property
    def names(self) -> Sequence[str]:
        """Names by inside number."""
        return [str(name) for name in self.products["name"].tolist()]

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {identity: number for number, identity in enumerate(self.product_ids)}

    def inside(self, product_ids: Sequence[str]) -> Ints:
        """[n] inside numbers of outside product ids, -1 where the catalogue does not hold the product."""
        return np.array([self._numbers.get(identity, -1) for identity in product_ids], dtype=np.int64)
