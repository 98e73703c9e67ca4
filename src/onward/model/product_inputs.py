"""What the encoder knows of a product before it looks at any edge.

Category path, attributes, price and popularity: products without edges have these too, and so get embeddings.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CATEGORY_LEVELS = 3
# A value that fewer products share teaches nothing that carries over.
_LEAST_PRODUCTS_PER_VALUE = 5


@dataclass(frozen=True)
class ProductInputs:
    """Inputs of all P products.

    Attributes:
        codes: [P, F] category codes; 0 stands for missing or rare.
        cardinalities: number of codes of each of the F columns, 0 included.
        numbers: [P, K] standardised numbers; missing is 0, the mean.
    """

    codes: IntArray
    cardinalities: tuple[int, ...]
    numbers: Float32Array

    @property
    def products(self) -> int:
        """Number of products P."""
        return len(self.codes)


def product_inputs(products: pd.DataFrame, purchases: pd.DataFrame, customers: Float64Array) -> ProductInputs:
    """Encode products by what is known before the training window.

    Args:
        products: ordered by id 0..P-1, with `category` ("a > b > c") and any `attr_*` columns.
        purchases: product, quantity and amount; only those the graph may know.
        customers: [P] customers who bought each product.
    """
    levels = [_codes(level) for level in _category_levels(products["category"])]
    prices = np.log(_unit_prices(purchases, len(products)))
    numbers = [np.log1p(customers), prices, prices - _mean_by(prices, levels[-1])]
    for name in sorted(column for column in products.columns if column.startswith("attr_")):
        if pd.api.types.is_float_dtype(products[name]):
            numbers.append(products[name].to_numpy(np.float64))
            continue
        attribute = _codes(products[name])
        if not any(_determines(level, attribute) for level in levels):
            levels.append(attribute)
    codes = np.stack(levels, axis=1)
    return ProductInputs(
        codes=codes,
        cardinalities=tuple(int(column.max(initial=0)) + 1 for column in codes.T),
        numbers=np.stack([_standardised(column) for column in numbers], axis=1).astype(np.float32),
    )


def _category_levels(paths: pd.Series) -> list[pd.Series]:
    """The path cut after 1, 2, ... levels, so that equal leaves under different parents stay apart."""
    parts = paths.astype("string").str.split(" > ")
    return [parts.str[:depth].str.join(" > ") for depth in range(1, CATEGORY_LEVELS + 1)]


def _codes(values: pd.Series) -> IntArray:
    """Codes 1.. by ascending value for values that enough products share, else 0."""
    text = values.astype("string").fillna("")
    counts = text.value_counts()
    kept = sorted(str(value) for value in counts.index[counts >= _LEAST_PRODUCTS_PER_VALUE] if value != "")
    codes = {value: code for code, value in enumerate(kept, start=1)}
    return np.array([codes.get(value, 0) for value in text], dtype=np.int64)


def _determines(level: IntArray, codes: IntArray) -> bool:
    """Whether `codes` is a function of `level`: then it adds nothing to a sum of embeddings."""
    pairs = np.unique(level * (int(codes.max(initial=0)) + 1) + codes)
    return len(pairs) == len(np.unique(level))


def _unit_prices(purchases: pd.DataFrame, products: int) -> Float64Array:
    """[P] mean price paid for one; NaN where nothing was paid."""
    ids = purchases["product"].to_numpy(np.int64)
    paid = np.bincount(ids, weights=purchases["amount"].to_numpy(np.float64), minlength=products)
    bought = np.bincount(ids, weights=purchases["quantity"].to_numpy(np.float64), minlength=products)
    priced = (paid > 0) & (bought > 0)
    return np.where(priced, paid, np.nan) / np.where(priced, bought, 1.0)


def _mean_by(values: Float64Array, groups: IntArray) -> Float64Array:
    present = ~np.isnan(values)
    sums = np.bincount(groups[present], weights=values[present], minlength=int(groups.max(initial=0)) + 1)
    counts = np.bincount(groups[present], minlength=len(sums))
    means: Float64Array = sums / np.maximum(counts, 1)
    by_row: Float64Array = means[groups]
    return by_row


def _standardised(values: Float64Array) -> Float64Array:
    present = values[~np.isnan(values)]
    if len(present) == 0 or (spread := float(present.std())) == 0.0:
        return np.zeros(len(values))
    scaled: Float64Array = (values - present.mean()) / spread
    return np.where(np.isnan(scaled), 0.0, scaled)
