"""Importance weights: an observed conversion stands for those of its kind that have not arrived yet.

P is the finished world and Q the snapshot; the weight of a row is P/Q given everything that is known of it.
"""

import numpy as np
import numpy.typing as npt

from onward.delay.contract import LabelledRows, Snapshot

Floats = npt.NDArray[np.float64]


def importance_weight(snapshot: Snapshot, max_weight: float) -> LabelledRows:
    """Weigh examples by P/Q, with engagement.

    An observed positive stands for 1 / G(x, e) conversions, at most max_weight; an unconverted example is negative
    with weight 1 − z(x, a, e).
    """
    return _weigh(snapshot, snapshot.pending_probability, max_weight)


def fsiw(snapshot: Snapshot, max_weight: float) -> LabelledRows:
    """Weigh examples by P/Q without engagement: 1 / G(x, e) and 1 − z(x, e).

    Yasui et al., "A feedback shift correction in predicting conversion rates under delayed feedback" (WWW 2020),
    https://doi.org/10.1145/3366423.3380032.
    """
    return _weigh(snapshot, snapshot.pending_probability_without_engagement, max_weight)


def clipped_share(snapshot: Snapshot, max_weight: float) -> float:
    """Share of observed positives whose importance weight would exceed max_weight; 0 without positives."""
    clipped = _delay_cdf(snapshot)[snapshot.observed] < 1.0 / max_weight
    return float(clipped.mean()) if len(clipped) else 0.0


def _weigh(snapshot: Snapshot, pending_probability: Floats, max_weight: float) -> LabelledRows:
    every = np.arange(len(snapshot.observed))
    negative = np.where(snapshot.matured, 1.0, 1.0 - pending_probability)
    weight = np.where(snapshot.observed, positive_weight(snapshot, max_weight), negative)
    return LabelledRows(every, snapshot.observed.astype(np.int8), weight)


def positive_weight(snapshot: Snapshot, max_weight: float) -> Floats:
    """[n] how many conversions an observed one stands for: 1 / G(x, e), at most max_weight."""
    weight: Floats = 1.0 / np.maximum(_delay_cdf(snapshot), 1.0 / max_weight)
    return weight


def _delay_cdf(snapshot: Snapshot) -> Floats:
    return np.where(snapshot.matured, 1.0, snapshot.delay_cdf)
