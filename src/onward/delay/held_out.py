"""How well z does on customers it was not fitted on, at pretended clocks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.metrics.classification import area_under_curve, cross_entropy

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOutCheck:
    """Quality of predicted probabilities; None where the rows cannot tell.

    Attributes:
        rows: how many predictions.
        positives: how many came true.
        auc: probability that a positive outranks a negative, ties counted half.
        nll: mean negative log-likelihood, nats.
        pcoc: predicted over observed: mean prediction / mean truth.
    """

    rows: int
    positives: int
    auc: float | None
    nll: float | None
    pcoc: float | None


def check_probabilities(probability: Floats, truth: Flags) -> HeldOutCheck:
    """Compare probabilities [n] with what happened [n]."""
    rows, positives = len(truth), int(truth.sum())
    if not rows:
        return HeldOutCheck(0, 0, None, None, None)
    nll = float(cross_entropy(truth, probability).mean())
    if positives in {0, rows}:
        return HeldOutCheck(rows, positives, None, nll, float(probability.mean()) if positives else None)
    auc = area_under_curve(truth.astype(np.float64), probability, np.ones(rows))
    return HeldOutCheck(rows, positives, auc, nll, float(probability.mean() / truth.mean()))
