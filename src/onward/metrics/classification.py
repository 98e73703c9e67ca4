"""How well scores tell the positives: their order (AUC) and their log loss.

Labels may be soft: an unfinished one counts partly as 1 and partly as 0, which scikit-learn's metrics do not take.
"""

import numpy as np
import numpy.typing as npt

from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval, interval_of

Ints = npt.NDArray[np.int64]

_CLIP = 1e-12


def cross_entropy(label: np.ndarray, probability: np.ndarray) -> Floats:
    """[n] -(y log p + (1 - y) log(1 - p)) in nats, y in [0, 1]; p is kept 1e-12 away from 0 and 1."""
    safe = np.clip(probability.astype(np.float64), _CLIP, 1.0 - _CLIP)
    return np.asarray(-(label * np.log(safe) + (1.0 - label) * np.log1p(-safe)), dtype=np.float64)


def log_loss(label: Floats, probability: Floats, weight: Floats) -> float:
    """Weighted mean of `cross_entropy`.

    >>> round(log_loss(np.array([1.0, 0.5]), np.array([0.5, 0.5]), np.ones(2)), 4)
    0.6931
    """
    return float(weight @ cross_entropy(label, probability) / weight.sum())


def area_under_curve(label: Floats, score: Floats, weight: Floats) -> float:
    """Chance that a random positive outscores a random negative, ties half; NaN when one kind is missing.

    A row with label y is a positive of weight y and a negative of weight 1 - y.

    >>> area_under_curve(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.1]), np.ones(3))
    0.75
    """
    _, group = np.unique(score, return_inverse=True)
    positive = np.bincount(group, weights=weight * label).astype(np.float64)
    negative = np.bincount(group, weights=weight * (1.0 - label)).astype(np.float64)
    return float(_ordered_share(positive, negative))


def auc(label: np.ndarray, score: np.ndarray, bootstrap: CustomerBootstrap) -> Interval:
    """Share of (positive, negative) pairs in the right order, ties half; NaN when one class is missing."""
    return interval_of(*auc_draws(label, score, bootstrap))


def auc_draws(label: np.ndarray, score: np.ndarray, bootstrap: CustomerBootstrap) -> tuple[float, Floats]:
    """The value, and [samples] its values over resampled customers."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    positive = (label[order] > 0).astype(np.float64)
    codes = bootstrap.codes[order]
    drawn = [
        _resampled_share(rows[:, codes], positive, starts)
        for block in bootstrap.weights()
        for rows in np.array_split(block, max(1, len(block) * len(order) // 4_000_000))
    ]
    return area_under_curve((label > 0).astype(np.float64), score, np.ones(len(label))), np.concatenate(drawn)


def _resampled_share(weights: Floats, positive: Floats, starts: Ints) -> Floats:
    """[b] AUC of [b, n] row weights; rows are sorted by score and `starts` opens each run of equal scores."""
    groups = (np.add.reduceat(weights * part, starts, axis=1) for part in (positive, 1.0 - positive))
    return _ordered_share(*groups)


def _ordered_share(positive: Floats, negative: Floats) -> Floats:
    """[...] AUC from the weight of positives and negatives [..., g] at each distinct score, ascending."""
    below = np.cumsum(negative, axis=-1) - negative
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.vecdot(positive, below + negative / 2.0) / (positive.sum(axis=-1) * negative.sum(axis=-1))
    return np.asarray(share, dtype=np.float64)
