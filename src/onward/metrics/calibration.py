"""Does a probability mean what it says? Measured against expected labels, so that unfinished ones count."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.metrics.classification import cross_entropy
from onward.metrics.intervals import wilson_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationSummary:
    """Calibration of one group of examples.

    Attributes:
        examples: number of examples.
        positives: sum of expected labels.
        nll: mean cross-entropy against the expected labels, in nats.
        ece: expected calibration error over equal-mass bins.
        pcoc: predicted conversions over observed conversions; None where nothing converted.
    """

    examples: int
    positives: float
    nll: float
    ece: float
    pcoc: float | None

    def describe(self) -> str:
        """The two figures of a log line."""
        return f"NLL {self.nll:.4f}, ECE {self.ece:.4f}"


def summarise_calibration(probability: Floats, expected_label: Floats, bins: int = 20) -> CalibrationSummary:
    """Measure the calibration of probability [n] in (0, 1) against expected labels [n] in [0, 1].

    Examples:
        >>> import numpy as np
        >>> summarise_calibration(np.array([0.5, 0.5]), np.array([1.0, 0.0]), bins=1).pcoc
        1.0
    """
    if not len(probability):
        return CalibrationSummary(examples=0, positives=0.0, nll=0.0, ece=0.0, pcoc=None)
    positives = float(expected_label.sum())
    return CalibrationSummary(
        examples=len(probability),
        positives=positives,
        nll=float(np.mean(cross_entropy(expected_label, probability))),
        ece=expected_calibration_error(probability, expected_label, bins),
        pcoc=float(probability.sum() / positives) if positives > 0.0 else None,
    )


def expected_calibration_error(probability: Floats, expected_label: Floats, bins: int) -> float:
    """Mean distance between predicted and observed rate over `equal_mass_bins`, weighted by rows."""
    _, predicted, observed = bin_sums(probability, expected_label, bins)
    return float(np.abs(predicted - observed).sum() / len(probability))


def equal_mass_bins(values: np.ndarray, bins: int) -> npt.NDArray[np.int64]:
    """[n] bin of each value, bins of about equal size; equal values share a bin, so bins may be fewer.

    >>> equal_mass_bins(np.array([0.1, 0.1, 0.8, 0.9]), 2).tolist()
    [0, 0, 1, 1]
    """
    edges = np.quantile(values, np.arange(1, bins) / bins)
    # A flat stretch of a calibrator swallows whole bins: the empty ones are dropped.
    _, dense = np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)
    return dense.astype(np.int64)


def reliability_table(
    probability: Floats, expected_label: Floats, bins: int = 10, confidence: float = 0.95
) -> pd.DataFrame:
    """Predicted against observed rate in equal-mass bins of probability; tied probabilities share a bin.

    Returns:
        Columns bin, n, predicted, observed, low, high; low and high are Wilson's interval of the observed rate
        (with expected labels in place of counts it leaves out the doubt of the delay model).
    """
    n, predicted, observed = bin_sums(probability, expected_label, bins)
    low, high = wilson_interval(observed, n, confidence)
    return pd.DataFrame(
        {
            "bin": np.arange(len(n)),
            "n": n,
            "predicted": predicted / n,
            "observed": observed / n,
            "low": low,
            "high": high,
        }
    )


def equal_count_reliability(probability: Floats, truth: npt.NDArray[np.bool_], bins: int = 10) -> pd.DataFrame:
    """Mean prediction and share that came true, by equal-count bins of the prediction; ties may be parted."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return pd.DataFrame(
        {
            "bin": np.arange(1, len(parts) + 1),
            "rows": [len(part) for part in parts],
            "predicted": [float(probability[part].mean()) for part in parts],
            "observed": [float(truth[part].mean()) for part in parts],
        }
    )


def calibration_by_level(
    probability: Floats, expected_label: Floats, level: npt.NDArray[np.int64], levels: int
) -> tuple[dict[str, CalibrationSummary], pd.DataFrame]:
    """Summaries and reliability tables of all examples ("all") and of each uncertainty level ("0", "1", …).

    Returns:
        The summaries by group, and one table with the column `level` before those of `reliability_table`.
    """
    groups = {"all": np.ones(len(level), dtype=bool), **{str(i): level == i for i in range(levels)}}
    summaries = {name: summarise_calibration(probability[rows], expected_label[rows]) for name, rows in groups.items()}
    tables = [reliability_table(probability[rows], expected_label[rows]) for rows in groups.values()]
    return summaries, pd.concat(tables, keys=list(groups), names=["level", None]).reset_index(level="level")


def bin_sums(probability: Floats, expected_label: Floats, bins: int) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Rows, summed probability and summed expected label of each of the `equal_mass_bins`."""
    if not len(probability):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    index = equal_mass_bins(probability, bins)
    predicted, observed = (
        np.bincount(index, weights=each).astype(np.float64) for each in (probability, expected_label)
    )
    return np.bincount(index).astype(np.int64), predicted, observed
