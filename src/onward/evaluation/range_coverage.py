"""Do the ranges keep their promise? Batches of held-out customers' impressions, held against their mean ranges."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Z95, Interval
from onward.uncertainty.pair_batches import Floats, Ints

ALL_WAYS = "all"


def range_coverage(
    outcome: Floats, low: Floats, high: Floats, customer: Ints, batches: Mapping[str, Ints], samples: int, seed: int
) -> dict[str, Any]:
    """By way to take batches, and over all of them: how many there are, and the share whose outcome was inside.

    The interval is the value and 1.96 standard errors of the bootstrap, customers drawn whole, on either side. Not its
    percentiles: a resample adds the scatter of its draw to that of a batch's share, so fewer batches are inside.

    Args:
        outcome: [n] what converted; or the true chances, where they are known.
        low: [n].
        high: [n].
        customer: [n].
        batches: by way, the number [n] of each row's batch.
        samples: resamples.
        seed: of the resamples.
    """
    draw = CustomerBootstrap.of(customer, samples, seed)
    weights = np.concatenate([np.ones((1, draw.customers)), *draw.weights()])
    inside = {name: _inside(outcome, low, high, draw.codes, batch, weights) for name, batch in batches.items()}
    every = {**inside, ALL_WAYS: np.concatenate(list(inside.values()), axis=1)}
    return {
        name: {"batches": held.shape[1], "coverage": _interval(np.nanmean(held, axis=1)).to_dict()}
        for name, held in every.items()
    }


def _inside(outcome: Floats, low: Floats, high: Floats, codes: Ints, batch: Ints, weights: Floats) -> Floats:
    """[1 + samples, batches] 1 where the outcome lay in the range, NaN for a batch of which nobody was drawn."""
    count = int(batch.max()) + 1
    held = np.empty((len(weights), count))
    for row, weight in enumerate(weights):
        drawn = weight[codes]
        converted, least, most = (np.bincount(batch, drawn * each, count) for each in (outcome, low, high))
        held[row] = (least <= converted) & (converted <= most)
        held[row, np.bincount(batch, drawn, count) <= 0.0] = np.nan
    return held


def _interval(coverage: Floats) -> Interval:
    value, error = float(coverage[0]), float(coverage[1:].std())
    return Interval(value, max(value - Z95 * error, 0.0), min(value + Z95 * error, 1.0))
