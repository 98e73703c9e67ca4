"""Pairs taken together until conversions enough are to be expected: what a range can be held against.

One pair converts or does not; only of many can it be said that the chance was right. Batches are taken in three ways,
since a model can be wrong about a product that it shows, about what people come from, or about a kind of score.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = Sequence[npt.NDArray[Any]]

PRODUCT_SHOWN, PRODUCT_BOUGHT, CHANCE_AND_DOUBT = "product_shown", "product_bought", "chance_and_doubt"


def ways_to_batch(
    source: Ints, target: Ints, category: pd.Series, level: Ints, probability: Floats
) -> Mapping[str, Keys]:
    """By way, the keys [n] that put like pairs beside each other: products by category, chances by level.

    Args:
        source: [n] inside numbers.
        target: [n] likewise.
        category: [P] path of each product; may be missing.
        level: [n] of uncertainty.
        probability: [n].
    """
    kind = pd.factorize(category.fillna("").astype(str), sort=True)[0]
    return MappingProxyType(
        {
            PRODUCT_SHOWN: (kind[target], target),
            PRODUCT_BOUGHT: (kind[source], source),
            CHANCE_AND_DOUBT: (level, probability),
        }
    )


def batches_of(keys: Keys, expected: Floats, least: float) -> Ints:
    """Number [n] of the batch that each row belongs to, 0 first.

    Rows are put in the order of their keys, those with the same keys are kept together, and a batch ends where at
    least `least` is expected of it. What is left over at the end joins the last batch.

    Args:
        keys: each [n], the first one orders first.
        expected: [n] conversions to be expected of each row.
        least: of a batch.
    """
    order = np.lexsort(tuple(reversed(keys)))
    changes = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    unit = np.r_[0, np.cumsum(changes)][: len(order)]
    batch_of_unit = []
    batch, filled = 0, 0.0
    for worth in np.bincount(unit, expected[order]).tolist():
        batch_of_unit.append(batch)
        filled += worth
        if filled >= least:
            batch, filled = batch + 1, 0.0
    number = np.empty(len(order), np.int64)
    number[order] = np.minimum(np.asarray(batch_of_unit, np.int64), max(batch - 1, 0))[unit]
    return number
