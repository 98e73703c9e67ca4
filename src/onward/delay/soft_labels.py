"""Soft labels: a pending example counts partly as a conversion and partly not.

Cross-entropy is linear in the label, so a pending example may be split by P(converts | what is known) without bias,
whatever the served model is shown. With engagement: "Handling delayed redemption with pre-redemption engagement"
(KDD 2023). The exponential delay model: Chapelle, "Modeling delayed feedback in display advertising" (KDD 2014),
https://doi.org/10.1145/2623330.2623634.
"""

import numpy as np
import numpy.typing as npt

from onward.delay.contract import LabelledRows, Snapshot

Floats = npt.NDArray[np.float64]


def soft_label(snapshot: Snapshot) -> LabelledRows:
    """Split a pending example into label 1 with weight z(x, a, e) and label 0 with weight 1 − z(x, a, e)."""
    return split_pending(snapshot, snapshot.pending_probability)


def soft_label_without_engagement(snapshot: Snapshot) -> LabelledRows:
    """Split a pending example by z(x, e), whatever its customer did meanwhile."""
    return split_pending(snapshot, snapshot.pending_probability_without_engagement)


def split_pending(snapshot: Snapshot, pending_probability: Floats) -> LabelledRows:
    """Split each pending example into label 1 with weight `pending_probability` [n] and label 0 with the rest."""
    pending = snapshot.pending
    example = np.repeat(np.arange(len(pending)), 1 + pending)
    split = pending[example]
    second = np.append(False, example[1:] == example[:-1])
    z = pending_probability[example]
    label = np.where(split, ~second, snapshot.observed[example])
    weight = np.where(split, np.where(second, 1.0 - z, z), 1.0)
    return LabelledRows(example, label.astype(np.int8), weight)
