"""How good scores are: order (AUC), size (PCOC, calibration error) and both (NLL), overall and per level."""

from typing import Any

import numpy as np

from onward.metrics.calibration import equal_mass_bins, expected_calibration_error
from onward.metrics.classification import auc, cross_entropy
from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import wilson


def measure(
    label: np.ndarray,
    score: np.ndarray,
    probability: np.ndarray,
    customer: np.ndarray,
    samples: int,
    seed: int,
    bins: int,
) -> dict[str, Any]:
    """Everything about one set of rows as plain values; `score` orders, `probability` is calibrated."""
    bootstrap = CustomerBootstrap.of(customer, samples, seed)
    ones = np.ones(len(label))
    return {
        "n": len(label),
        "positives": int(label.sum()),
        "customers": bootstrap.customers,
        "positivity": bootstrap.ratio(label, ones).to_dict(),
        "predicted": float(probability.mean()),
        "auc": auc(label, score, bootstrap).to_dict(),
        "nll": bootstrap.ratio(cross_entropy(label, probability), ones).to_dict(),
        "pcoc": bootstrap.ratio(probability, label).to_dict(),
        "ece": expected_calibration_error(probability, label.astype(np.float64), bins),
    }


def positivity_heat_map(label: np.ndarray, score: np.ndarray, level: np.ndarray, bins: int) -> list[dict[str, Any]]:
    """Positivity of every score bin × uncertainty level, with its evidence; bins are of equal mass over all rows."""
    which = equal_mass_bins(score, bins)
    cells = []
    for number in range(int(which.max()) + 1):
        in_bin = which == number
        for height in range(int(level.max()) + 1):
            inside = in_bin & (level == height)
            total = int(inside.sum())
            positives = int(label[inside].sum())
            share = wilson(positives, total).to_dict()
            cells.append(
                {
                    "score_bin": number,
                    "score_low": float(score[in_bin].min()),
                    "score_high": float(score[in_bin].max()),
                    "level": height,
                    "n": total,
                    "positives": positives,
                    "positivity": share["value"],
                    "low": share["low"],
                    "high": share["high"],
                }
            )
    return cells
