"""Decide on real impressions as serving does, whole columns at a time: what the decision log is made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from onward.deployment.bundle import Bundle

DISMISS = "don't show"
UNSCORED = -1


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
    decision[known] = bundle.policy.answer(scored["score"].to_numpy(np.float64)[known], level[known])
    return pd.DataFrame({
        "score": scored["score"], "probability": scored["probability"], "uncertainty": scored["uncertainty"],
        "level": level.astype(np.int8), "decision": decision.astype(str),
    })  # fmt: skip
