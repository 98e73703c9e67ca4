"""How well z does on customers it was not fitted on, at pretended clocks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

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
    safe = np.clip(probability, 1e-12, 1.0 - 1e-12)
    nll = float(-np.where(truth, np.log(safe), np.log1p(-safe)).mean())
    if positives in {0, rows}:
        return HeldOutCheck(rows, positives, None, nll, float(probability.mean()) if positives else None)
    rank_sum = float(pd.Series(probability).rank().to_numpy()[truth].sum())
    auc = (rank_sum - positives * (positives + 1) / 2) / (positives * (rows - positives))
    return HeldOutCheck(rows, positives, auc, nll, float(probability.mean() / truth.mean()))


def reliability_table(probability: Floats, truth: Flags, bins: int = 10) -> pd.DataFrame:
    """Mean prediction and share that came true, by equal-count bins of the prediction."""
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
