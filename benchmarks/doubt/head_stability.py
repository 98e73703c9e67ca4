"""How far the order of uncertainties depends on which heads an ensemble happens to have.

Ensembles of k heads each, on other bootstraps of the same customers, are asked about the same held-out customers'
pairs. Not a benchmark of its own: `ranges` publishes it.
"""

import numpy as np
from scipy.special import logit
from scipy.stats import rankdata

from benchmarks.doubt.rotated_runs import SEED, Rows, first_test
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Interval, interval_of
from onward.params import Params
from onward.thresholds.grid import Floats

SIZES = (5, 10, 20)
RESAMPLES = 200


def stability(rows: Rows, params: Params) -> dict[str, Interval]:
    """Spearman's correlation of two ensembles of each size, and of five heads with twenty others: what they order.

    The interval is over customers; ranks are those of all rows.
    """
    most = max(SIZES)
    probabilities, customer = first_test(rows, params, heads=2 * most)
    odds = logit(np.clip(probabilities, 1e-9, 1.0 - 1e-9))
    draw = CustomerBootstrap.of(customer, RESAMPLES, SEED)
    left = {size: _ranks(odds[:, :size]) for size in SIZES}
    right = {size: _ranks(odds[:, most : most + size]) for size in SIZES}
    found = {f"u_stability_{size}": _correlation(left[size], right[size], draw) for size in SIZES}
    return found | {"u_stability_5_to_20": _correlation(left[min(SIZES)], right[most], draw)}


def _ranks(odds: Floats) -> Floats:
    return np.asarray(rankdata(odds.std(axis=1)), np.float64)


def _correlation(one: Floats, other: Floats, draw: CustomerBootstrap) -> Interval:
    x, y = (ranks / len(ranks) - 0.5 for ranks in (one, other))
    total, drawn = draw.sums(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1))
    return interval_of(float(_pearson(total[None])[0]), _pearson(drawn))


def _pearson(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = sums.T
    covariance = xy / n - x * y / n**2
    return np.asarray(covariance / np.sqrt((xx / n - (x / n) ** 2) * (yy / n - (y / n) ** 2)), np.float64)
