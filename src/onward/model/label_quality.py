"""How well probabilities fit labels that may be soft: a pending impression counts partly as 1 and partly as 0."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def log_loss(label: FloatArray, probability: FloatArray, weight: FloatArray) -> float:
    """Weighted mean of -(y log p + (1 - y) log(1 - p)), y in [0, 1].

    >>> round(log_loss(np.array([1.0, 0.5]), np.array([0.5, 0.5]), np.ones(2)), 4)
    0.6931
    """
    clipped = np.clip(probability, 1e-12, 1.0 - 1e-12)
    losses = label * np.log(clipped) + (1.0 - label) * np.log1p(-clipped)
    return float(-(weight @ losses) / weight.sum())


def area_under_curve(label: FloatArray, score: FloatArray, weight: FloatArray) -> float:
    """Chance that a random positive outscores a random negative, ties half; NaN when one kind is missing.

    A row with label y is a positive of weight y and a negative of weight 1 - y.

    >>> area_under_curve(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.1]), np.ones(3))
    0.75
    """
    _, group = np.unique(score, return_inverse=True)
    positive = np.bincount(group, weights=weight * label)
    negative = np.bincount(group, weights=weight * (1.0 - label))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2.0) / pairs) if pairs > 0 else float("nan")
