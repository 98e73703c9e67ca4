"""The features of a question that names a pair and no customer.

A feature row mixes three things: the customer, the pair (sales, prices, categories), and the customer's history with
the pair. The pair's part needs no customer, and nearly all of it is a property of one product as source or as target:
those are computed once, at as_of, by the builder that made the training features, asked on behalf of a customer who
never bought anything. So a bundle keeps one row a product and can describe any pair. The rest is taken from sampled
impressions, the reference contexts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import CATEGORY_SEPARATOR, CONTEXT_PREFIX
from onward.data.features import build_features
from onward.random_streams import Stream

Ints = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]

# A test holds these against the builder: a feature is of the pair exactly if no customer changes it.
_OF_THE_SOURCE = ("cat_source_", "source_sales_", "source_price_")
_OF_THE_TARGET = ("cat_target_", "target_sales_", "target_price_")
_OF_BOTH = ("same_", "price_ratio_")


def is_of_the_pair(feature: str) -> bool:
    """Whether a feature depends on the two products and the moment only."""
    return feature.startswith(_OF_THE_SOURCE + _OF_THE_TARGET + _OF_BOTH)


def describe_products(
    products: pd.DataFrame, purchases: pd.DataFrame, as_of: datetime, categories: Mapping[str, list[str]]
) -> pd.DataFrame:
    """What the shop knew of each product just before as_of: the features of one product, P rows in order."""
    nobody = int(purchases["customer"].max()) + 1 if len(purchases) else 0
    every = products["product"].to_numpy(np.int64)
    pairs = pd.DataFrame(
        {
            "impression": every,
            "customer": nobody,
            "source": every,
            "target": every,
            "shown_at": pd.Series(as_of, index=range(len(every)), dtype="datetime64[us]"),
        }
    )
    product_categories = {
        name: values for name, values in categories.items() if not name.startswith(f"cat_{CONTEXT_PREFIX}")
    }
    frame = build_features(products, purchases, pairs, pd.DataFrame(index=pairs.index), product_categories).frame
    return frame[[name for name in frame.columns if name.startswith(_OF_THE_SOURCE + _OF_THE_TARGET)]]


@dataclass(frozen=True)
class ProductState:
    """What is known of each of P products alone, as arrays that a request can pick from.

    Attributes:
        of_source: features of a product that was bought, each [P].
        of_target: features of a product that is shown, each [P].
        category: [P] number of its category; products without one share a nameless one, as in training.
        department: [P] number of the first step of its category.
    """

    of_source: Mapping[str, Float32s]
    of_target: Mapping[str, Float32s]
    category: Ints
    department: Ints

    @classmethod
    def of(cls, state: pd.DataFrame, category: pd.Series) -> Self:
        """Gather it.

        Args:
            state: what `describe_products` returned.
            category: [P] path of each product; may be missing.
        """
        of_source, of_target = (
            {name: state[name].to_numpy(np.float32) for name in state.columns if name.startswith(side)}
            for side in (_OF_THE_SOURCE, _OF_THE_TARGET)
        )
        numbers, paths = pd.factorize(category.fillna(""))
        tops, _ = pd.factorize(pd.Series(paths, dtype="str").str.partition(CATEGORY_SEPARATOR)[0])
        numbers, departments = numbers.astype(np.int64), tops[numbers].astype(np.int64)
        return cls(of_source, of_target, numbers, departments)

    def columns(self, source: Ints, target: Ints) -> dict[str, Float32s]:
        """Features of the pair alone, each [n], for n pairs of inside numbers."""
        columns = {name: values[source] for name, values in self.of_source.items()}
        columns |= {name: values[target] for name, values in self.of_target.items()}
        columns["same_category"] = (self.category[source] == self.category[target]).astype(np.float32)
        columns["same_department"] = (self.department[source] == self.department[target]).astype(np.float32)
        paid, base = (columns[f"{end}_price_90d"].astype(np.float64) for end in ("target", "source"))
        ratio = np.divide(paid, base, out=np.full(len(base), np.nan), where=base > 0)
        columns["price_ratio_90d"] = ratio.astype(np.float32)
        return columns


def sample_contexts(features: pd.DataFrame, eligible: npt.NDArray[np.bool_], count: int, seed: int) -> pd.DataFrame:
    """Features of up to `count` eligible impressions, drawn without replacement, without those of the pair."""
    rows = np.flatnonzero(eligible)
    drawn = np.random.default_rng([seed, Stream.TYPICAL_CONTEXTS]).choice(
        rows, size=min(count, len(rows)), replace=False
    )
    names = [name for name in features.columns if name != "impression" and not is_of_the_pair(name)]
    return features.loc[np.sort(drawn), names].reset_index(drop=True)
