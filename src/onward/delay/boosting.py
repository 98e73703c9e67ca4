"""A boosted probability of a yes/no event, kept as text: the learner of this room's nuisances."""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Inputs = npt.NDArray[np.float32]

# Events are rare and rows are correlated (same customer, several clocks): few columns a tree and coarse bins
# keep the trees from memorising, and halve the time.
_COLUMN_SHARE = 0.4
_BINS = 63


@dataclass(frozen=True)
class Boosting:
    """How trees are grown; see params.yaml, section delay."""

    iterations: int
    learning_rate: float
    leaves: int
    min_rows_in_leaf: int
    l2: float
    seed: int
    threads: int


def fit_boosting(
    inputs: Inputs,
    event: npt.NDArray[np.bool_],
    categorical: Sequence[int],
    boosting: Boosting,
    offset: Floats | None = None,
) -> str:
    """Fit P(event | inputs) by gradient boosting and return LightGBM's text form.

    Args:
        inputs: [n, f]; categorical columns hold codes, missing values are NaN.
        event: [n].
        categorical: positions of the categorical columns.
        boosting: how trees are grown.
        offset: log-odds [n] to start from; pass the same function of the inputs to `predict_boosting`.
    """
    settings = {
        "objective": "binary",
        "learning_rate": boosting.learning_rate,
        "num_leaves": boosting.leaves,
        "min_data_in_leaf": boosting.min_rows_in_leaf,
        "min_data_per_group": boosting.min_rows_in_leaf,
        "lambda_l2": boosting.l2,
        "cat_l2": boosting.l2,
        "feature_fraction": _COLUMN_SHARE,
        "max_bin": _BINS,
        "seed": boosting.seed,
        "num_threads": boosting.threads,
        "deterministic": True,
        "force_col_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    # Columns go in by position: LightGBM refuses names with characters that an engagement kind may have.
    data = lgb.Dataset(
        inputs,
        label=event.astype(np.float32),
        init_score=offset,
        categorical_feature=list(categorical),
        params=settings,
    )
    text: str = lgb.train(settings, data, num_boost_round=boosting.iterations).model_to_string()
    return text


def predict_boosting(text: str, inputs: Inputs, threads: int, offset: Floats | None = None) -> Floats:
    """Predict P(event) [n] with the model that `fit_boosting` returned."""
    if not len(inputs):
        return np.zeros(0)
    log_odds = np.asarray(lgb.Booster(model_str=text).predict(inputs, raw_score=True, num_threads=threads), np.float64)
    return 1.0 / (1.0 + np.exp(-(log_odds if offset is None else log_odds + offset)))
