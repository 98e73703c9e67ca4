"""Decide on real impressions as serving does, whole columns at a time: what the decision log is made of."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from onward.deployment.bundle import Bundle

SHOW, ABSTAIN, DISMISS = "show", "abstain", "don't show"
UNSCORED = -1
_SPREAD = 1.96
_EDGE = 1e-9


def decide_impressions(
    bundle: Bundle, features: pd.DataFrame, source_ids: Sequence[str], target_ids: Sequence[str], threads: int = 1
) -> pd.DataFrame:
    """Score impressions and decide on each.

    Args:
        bundle: of the version in use.
        features: [n] feature columns of data/features.py, in the bundle's own category codes.
        source_ids: [n] outside ids of what was bought.
        target_ids: [n] outside ids of what would be shown.
        threads: for the heads; the result does not depend on it.

    Returns:
        score, probability, uncertainty, level and decision. Where the bundle does not know a product: NaN, level -1
        and "don't show".

    Raises:
        DataError: lengths differ, or a feature is missing.
    """
    scored = bundle.score(features, source_ids, target_ids, threads=threads)
    level = scored["level"].to_numpy(np.int64)
    decision = np.full(len(level), DISMISS, dtype=object)
    known = level != UNSCORED
    decision[known] = decisions(
        scored["score"].to_numpy(np.float64)[known],
        scored["uncertainty"].to_numpy(np.float64)[known],
        np.asarray(bundle.policy.cuts, np.float64)[level[known]],
    )
    return pd.DataFrame({
        "score": scored["score"], "probability": scored["probability"], "uncertainty": scored["uncertainty"],
        "level": level.astype(np.int8), "decision": decision.astype(str),
    })  # fmt: skip


def decisions(
    score: npt.NDArray[np.float64], uncertainty: npt.NDArray[np.float64], cut: npt.NDArray[np.float64]
) -> npt.NDArray[np.object_]:
    """Show at or above the cut, abstain where the heads disagree on which side of it a score lies; see recommend.py.

    >>> nan = np.array([0.0, 3.0, 0.0])
    >>> decisions(np.array([0.3, 0.3, 0.1]), nan, np.array([0.2, 0.2, 0.2])).tolist()
    ['show', 'abstain', "don't show"]
    """
    centre, reach = logit(np.clip(score, _EDGE, 1 - _EDGE)), _SPREAD * uncertainty
    unsure = (expit(centre - reach) < cut) & (cut <= expit(centre + reach))
    word = np.where(unsure, ABSTAIN, np.where(score >= cut, SHOW, DISMISS))
    return word.astype(object)
