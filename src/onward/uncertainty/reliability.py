"""Does a probability mean what it says? Measured against expected labels, so that unfinished ones count."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

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
    nll = -np.mean(expected_label * np.log(probability) + (1.0 - expected_label) * np.log1p(-probability))
    _, predicted, observed = _bin_sums(probability, expected_label, bins)
    return CalibrationSummary(
        examples=len(probability),
        positives=positives,
        nll=float(nll),
        ece=float(np.abs(predicted - observed).sum() / len(probability)),
        pcoc=float(probability.sum() / positives) if positives > 0.0 else None,
    )


def reliability_table(
    probability: Floats, expected_label: Floats, bins: int = 10, confidence: float = 0.95
) -> pd.DataFrame:
    """Predicted against observed rate in equal-mass bins of probability; tied probabilities share a bin.

    Returns:
        Columns bin, n, predicted, observed, low, high; low and high are Wilson's interval of the observed rate
        (with expected labels in place of counts it leaves out the doubt of the delay model).
    """
    n, predicted, observed = _bin_sums(probability, expected_label, bins)
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


def wilson_interval(positives: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a rate (JASA 1927); positives may be fractional, n must be at least 1.

    Examples:
        >>> low, high = wilson_interval([1.0], [10])
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.018], [0.404])
    """
    count = np.asarray(n, dtype=np.float64)
    rate = np.asarray(positives, dtype=np.float64) / count
    z2 = float(ndtri(0.5 + confidence / 2.0)) ** 2
    centre = (rate + z2 / (2.0 * count)) / (1.0 + z2 / count)
    reach = np.sqrt(z2 * rate * (1.0 - rate) / count + (z2 / (2.0 * count)) ** 2) / (1.0 + z2 / count)
    # Rounding must not push an end past the rate itself, where the rate is 0 or 1.
    return np.clip(centre - reach, 0.0, rate), np.clip(centre + reach, rate, 1.0)


def debiased_ece(probability: Floats, expected_label: Floats, bins: int = 20) -> float:
    """Root mean squared calibration error over bins, less what chance alone adds to it.

    Even a perfect probability has an ECE above 0, since observed rates scatter. The squared gap of a bin is too large
    by the variance of its observed rate, r (1 − r) / (n − 1) without bias (Kumar, Liang and Ma, NeurIPS 2019). The
    root of what remains is no smaller than the mean absolute gap, so it bounds the ECE that is there; below 0 (the
    root of the negative part) it means no error that can be told from chance.

    Args:
        probability: [n] in (0, 1).
        expected_label: [n] in [0, 1].
        bins: bins of equal mass.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> p = rng.uniform(0.05, 0.3, 5000)
        >>> y = (rng.random(5000) < p) * 1.0
        >>> bool(abs(debiased_ece(p, y)) < summarise_calibration(p, y).ece)
        True
    """
    n, predicted, observed = _bin_sums(probability, expected_label, bins)
    if not len(n):
        return 0.0
    rate = observed / n
    chance = rate * (1.0 - rate) / np.maximum(n - 1, 1)
    squared = float((n * ((predicted / n - rate) ** 2 - chance)).sum() / n.sum())
    return float(np.copysign(np.sqrt(abs(squared)), squared))


def _bin_sums(probability: Floats, expected_label: Floats, bins: int) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    if not len(probability):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins))
    # A flat stretch of the calibrator swallows whole bins: the empty ones are dropped.
    _, index = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    n = np.bincount(index)
    predicted = np.bincount(index, weights=probability).astype(np.float64)
    return n.astype(np.int64), predicted, np.bincount(index, weights=expected_label).astype(np.float64)
