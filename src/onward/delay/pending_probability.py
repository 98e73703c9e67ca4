"""z(x, a, e): the probability that an unfinished label ends as a conversion.

x are the features at shown_at, a the engagement so far, e the elapsed time; none converted by e. Using the
engagement here while the served model sees x only is sound: cross-entropy is linear in the label, and
E[z(x, a, e) | x, e] = z(x, e). After "Handling delayed redemption with pre-redemption engagement" (KDD 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.boosting import Boosting, Floats, Inputs
from onward.delay.boosting import fit_boosting, predict_boosting
from onward.errors import DataError


@dataclass(frozen=True)
class PendingProbability:
    """A fitted z.

    Attributes:
        text: the LightGBM model.
        features: names of its inputs, in column order.
        threads: threads for prediction; they do not change the result.
    """

    text: str
    features: tuple[str, ...]
    threads: int

    def predict(self, inputs: Inputs) -> Floats:
        """Predict z [n] for rows of `pending_inputs`; surplus columns at the right are left out."""
        return predict_boosting(self.text, inputs[:, : len(self.features)], self.threads)


def pending_inputs(features: Inputs, elapsed_days: Floats, engagement: Inputs) -> Inputs:
    """Put features [n, f], elapsed [n] and engagement [n, k] side by side: [n, f + 1 + k]."""
    return np.column_stack([features, elapsed_days.astype(np.float32), engagement])


def categorical_columns(features: Sequence[str]) -> list[int]:
    """Positions of the features that hold codes: their names start with `cat_`.

    >>> categorical_columns(["cat_target_leaf", "visits_28"])
    [0]
    """
    return [position for position, name in enumerate(features) if name.startswith("cat_")]


def fit_pending_probability(
    inputs: Inputs, features: Sequence[str], converts: npt.NDArray[np.bool_], boosting: Boosting
) -> PendingProbability:
    """Learn z from matured impressions at pretended clocks, none converted by its clock.

    Args:
        inputs: [n, at least len(features)].
        features: names of the columns to use, from the left.
        converts: whether each ended as a conversion, [n].
        boosting: how trees are grown.

    Raises:
        DataError: no row, or no row of one of the two labels.
    """
    positives = int(converts.sum())
    if positives in {0, len(converts)}:
        raise DataError(
            f"delay: {positives} of {len(converts)} matured, unfinished rows end as conversions, z needs both kinds; "
            "lengthen run.history_days or move run.as_of"
        )
    text = fit_boosting(inputs[:, : len(features)], converts, categorical_columns(features), boosting)
    return PendingProbability(text, tuple(features), boosting.threads)
