"""What a decision policy shows, how often it is right, and whether its levels earn anything.

Two policies that show different numbers of rows differ in recall for that reason alone. So the gain of a policy is
its recall minus the recall of showing equally many rows by score only ("matched volume"), next to the same gain for
levels drawn at random, where such a control was searched.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.matched_volume import top_by_score


def decision_table(
    label: np.ndarray, score: np.ndarray, shown: Mapping[str, np.ndarray], customer: np.ndarray, samples: int, seed: int
) -> list[dict[str, Any]]:
    """One row a policy: volume, precision and recall with customer-bootstrap intervals, and the matched-volume gain.

    Args:
        label: [n] 1 where the row converted.
        score: [n] the order that a score-only policy would follow.
        shown: [n] bool per policy name.
        customer: [n] who the row belongs to.
        samples: bootstrap resamples.
        seed: of the bootstrap.
    """
    bootstrap = CustomerBootstrap.of(customer, samples, seed)
    label = label.astype(np.float64)
    rows = []
    for name, chosen in shown.items():
        taken = chosen.astype(np.float64)
        matched = top_by_score(score, int(chosen.sum()))
        rows.append(
            {
                "policy": name,
                "shown": int(chosen.sum()),
                "hits": int((label * taken).sum()),
                "shown_share": bootstrap.ratio(taken, np.ones(len(label))).to_dict(),
                "precision": bootstrap.ratio(label * taken, taken).to_dict(),
                "recall": bootstrap.ratio(label * taken, label).to_dict(),
                "score_only_recall": bootstrap.ratio(label * matched, label).to_dict(),
                "matched_volume_gain": bootstrap.ratio_difference(
                    label * taken, label, label * matched, label
                ).to_dict(),
            }
        )
    return rows
