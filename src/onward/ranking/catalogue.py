"""The catalogue as ranking sees it: levels from coarse to fine, attributes two products may share, and prices.

A thin product says little by its own counts and much by its type's, so every product has a place at each level.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.data.contract import ATTRIBUTE_PREFIX, CATEGORY_SEPARATOR, NO_CATEGORY
from onward.ranking.directed_graph import Ints

Float32s = npt.NDArray[np.float32]

UNKNOWN = -1
"""The code of a product whose category or attribute is not known; it is like no other, not even another unknown."""


@dataclass(frozen=True)
class Catalogue:
    """Codes of all P products; see `read_catalogue`.

    Attributes:
        kind: [P] of the deepest category, the product's type.
        category: [P] of the category one step above.
        department: [P] of the first step of the path.
        attributes: [P] codes of each text attribute, by its name.
        log_price: [P] log of the mean price paid for one; NaN where nothing was paid.
    """

    kind: Ints
    category: Ints
    department: Ints
    attributes: Mapping[str, Ints]
    log_price: Float32s

    @property
    def products(self) -> int:
        """Number of products P."""
        return len(self.kind)

    @property
    def has_types(self) -> bool:
        """Whether products have categories: without, a product's own counts are all there is."""
        return bool((self.kind != UNKNOWN).any())


def read_catalogue(products: pd.DataFrame, purchases: pd.DataFrame) -> Catalogue:
    """Code category paths and text attributes.

    An attribute that the category path determines says nothing more and is left out.

    Args:
        products: ordered by number 0..P-1, with any `attr_*` columns and `category`: "a > b > c", or missing, empty or
            `NO_CATEGORY` where it is not known.
        purchases: product, quantity and amount of what may be known.
    """
    path = products["category"].astype("string")
    path = path.mask(path.isin(["", NO_CATEGORY]))
    category = path.str.rsplit(CATEGORY_SEPARATOR, n=1).str[0]
    department = path.str.split(CATEGORY_SEPARATOR).str[0]
    kind = _codes(path)
    attributes = {}
    for name in sorted(column for column in products.columns if column.startswith(ATTRIBUTE_PREFIX)):
        if not pd.api.types.is_numeric_dtype(products[name]):
            codes = _codes(products[name])
            if not _determined(kind, codes):
                attributes[name.removeprefix(ATTRIBUTE_PREFIX)] = codes
    ids = purchases["product"].to_numpy(np.int64)
    paid, bought = (
        np.bincount(ids, purchases[name].to_numpy(np.float64), minlength=len(products))
        for name in ("amount", "quantity")
    )
    priced = (paid > 0) & (bought > 0)
    price = np.full(len(products), np.nan, dtype=np.float32)
    price[priced] = np.log(paid[priced] / bought[priced])
    return Catalogue(kind, _codes(category), _codes(department), attributes, price)


def same(codes: Ints, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
    """[n] whether products `left` and `right` share a code that is known.

    >>> same(np.array([0, 0, UNKNOWN]), np.array([0, 2]), np.array([1, 2])).tolist()
    [True, False]
    """
    shared: npt.NDArray[np.bool_] = (codes[left] == codes[right]) & (codes[left] != UNKNOWN)
    return shared


def _codes(values: pd.Series) -> Ints:
    codes, _ = pd.factorize(values, sort=True)
    return codes.astype(np.int64)


def _determined(kind: Ints, codes: Ints) -> bool:
    categorised = kind != UNKNOWN
    pairs = np.unique(kind[categorised] * (codes.max(initial=0) + 2) + codes[categorised] + 1)
    return bool(categorised.any()) and len(pairs) == len(np.unique(kind[categorised]))
