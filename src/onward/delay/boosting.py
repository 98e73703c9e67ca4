"""A boosted probability of a yes/no event, kept as text: the learner of this room's nuisances."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from onward.boosting import Boosting, Floats, Inputs, Trees, bin_rows, grow

# Events are rare and rows are correlated (same customer, several clocks): few columns a tree and coarse bins
# keep the trees from memorising, and halve the time.
_COLUMN_SHARE = 0.4
_BINS = 63


def fit_boosting(
    inputs: Inputs,
    event: npt.NDArray[np.bool_],
    categorical: Sequence[int],
    boosting: Boosting,
    offset: Floats | None = None,
    weight: Floats | None = None,
) -> str:
    """Fit P(event | inputs) by gradient boosting and return LightGBM's text form.

    Args:
        inputs: [n, f]; categorical columns hold codes, missing values are NaN.
        event: [n].
        categorical: positions of the categorical columns.
        boosting: how trees are grown; shares of columns, bins and categories are this function's.
        offset: log-odds [n] to start from; pass the same function of the inputs to `predict_boosting`.
        weight: of the rows [n], default 1.
    """
    coarse = replace(
        boosting,
        feature_share=_COLUMN_SHARE,
        bins=_BINS,
        drops_constant=False,
        category_rows=boosting.min_rows_in_leaf,
        category_l2=boosting.l2,
    )
    # Columns go in by position: LightGBM refuses names with characters that an engagement kind may have.
    binned = bin_rows(inputs, event.astype(np.float32), coarse, categorical=categorical, weight=weight, offset=offset)
    return grow(binned, coarse).to_text()


def predict_boosting(text: str, inputs: Inputs, threads: int, offset: Floats | None = None) -> Floats:
    """Predict P(event) [n] with the model that `fit_boosting` returned."""
    if not len(inputs):
        return np.zeros(0)
    log_odds = Trees.from_text(text).raw_score(inputs, threads)
    return 1.0 / (1.0 + np.exp(-(log_odds if offset is None else log_odds + offset)))
