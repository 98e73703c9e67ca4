"""How good probabilities are: order (AUC), size (PCOC, calibration error) and both (NLL), overall and per level."""

from typing import Any

import numpy as np
import numpy.typing as npt

from onward.evaluation.intervals import CustomerBootstrap, Floats, Interval, interval_of, wilson
from onward.uncertainty.reliability import reliability_table

Ints = npt.NDArray[np.int64]


def negative_log_likelihood(label: np.ndarray, probability: np.ndarray) -> Floats:
    """[n] log loss of each row; probabilities are kept 1e-6 away from 0 and 1."""
    safe = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.where(label > 0, -np.log(safe), -np.log1p(-safe))


def auc(label: np.ndarray, score: np.ndarray, bootstrap: CustomerBootstrap) -> Interval:
    """Share of (positive, negative) pairs in the right order, ties half; NaN when one class is missing."""
    return interval_of(*_auc_draws(label, score, bootstrap))


def auc_gain(label: np.ndarray, score: np.ndarray, other: np.ndarray, bootstrap: CustomerBootstrap) -> Interval:
    """AUC of one score minus that of another on the same rows, with customers drawn together."""
    (value, drawn), (other_value, other_drawn) = (_auc_draws(label, each, bootstrap) for each in (score, other))
    return interval_of(value - other_value, drawn - other_drawn)


def _auc_draws(label: np.ndarray, score: np.ndarray, bootstrap: CustomerBootstrap) -> tuple[float, Floats]:
    """The value, and [samples] its values over resampled customers."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    positive = (label[order] > 0).astype(np.float64)
    codes = bootstrap.codes[order]
    value = _pair_share(np.ones((1, len(order))), positive, starts)[0]
    drawn = [
        _pair_share(rows[:, codes], positive, starts)
        for block in bootstrap.weights()
        for rows in np.array_split(block, max(1, len(block) * len(order) // 4_000_000))
    ]
    return float(value), np.concatenate(drawn)


def equal_mass_bins(score: np.ndarray, bins: int) -> Ints:
    """[n] bin of each row, bins of about equal size; equal scores share a bin, so bins may be fewer."""
    edges = np.quantile(score, np.arange(1, bins) / bins)
    _, dense = np.unique(np.searchsorted(edges, score, side="right"), return_inverse=True)
    return dense.astype(np.int64)


def calibration_error(label: np.ndarray, probability: np.ndarray, bins: int) -> float:
    """Mean distance between predicted and observed rate over equal-mass bins, weighted by rows."""
    table = reliability_table(probability, label.astype(np.float64), bins)
    return float((table["n"] * (table["predicted"] - table["observed"]).abs()).sum() / len(label))


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
        "nll": bootstrap.ratio(negative_log_likelihood(label, probability), ones).to_dict(),
        "pcoc": bootstrap.ratio(probability, label).to_dict(),
        "ece": calibration_error(label, probability, bins),
    }


def positivity_heat_map(label: np.ndarray, score: np.ndarray, level: np.ndarray, bins: int) -> list[dict[str, Any]]:
    """Positivity of every score bin × uncertainty level, with its evidence; bins are of equal mass over all rows."""
    which = equal_mass_bins(score, bins)
    cells = []
    for number in range(int(which.max()) + 1):
        in_bin = which == number
        for height in range(int(level.max()) + 1):
            inside = in_bin & (level == height)
            total, positives = int(inside.sum()), int(label[inside].sum())
            share = wilson(positives, total).to_dict()
            cells.append({
                "score_bin": number, "score_low": float(score[in_bin].min()), "score_high": float(score[in_bin].max()),
                "level": height, "n": total, "positives": positives,
                "positivity": share["value"], "low": share["low"], "high": share["high"],
            })  # fmt: skip
    return cells


def _pair_share(weights: Floats, positive: Floats, starts: Ints) -> Floats:
    """Weighted AUC of [b, n] row weights; rows are sorted by score and `starts` opens each run of equal scores."""
    up = np.add.reduceat(weights * positive, starts, axis=1)
    down = np.add.reduceat(weights * (1.0 - positive), starts, axis=1)
    below = np.cumsum(down, axis=1) - down
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = (up * (below + down / 2)).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1))
    return share
