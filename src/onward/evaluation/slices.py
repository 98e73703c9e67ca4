"""The same figures for every part of the shop: category, degree of the product, new or old, kind of customer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.evaluation.score_quality import measure

_BINS = 10


def measure_slices(
    label: npt.NDArray[Any],
    score: npt.NDArray[Any],
    probability: npt.NDArray[Any],
    customer: npt.NDArray[Any],
    slices: Mapping[str, npt.NDArray[Any]],
    *,
    smallest: int,
    samples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """One row a value of each column: what `measure` says of its examples.

    Args:
        label: [n] 0 or 1.
        score: [n] orders.
        probability: [n] calibrated.
        customer: [n].
        slices: columns [n].
        smallest: values with fewer examples are left out.
        samples: bootstrap resamples.
        seed: of the bootstrap.
    """
    rows = []
    for column, values in slices.items():
        for value in np.unique(values):
            inside = values == value
            if int(inside.sum()) < smallest:
                continue
            measured = measure(
                label[inside],
                score[inside],
                probability[inside],
                customer[inside],
                samples=samples,
                seed=seed,
                bins=_BINS,
            )
            rows.append({"slice": column, "value": str(value)} | measured)
    return rows
