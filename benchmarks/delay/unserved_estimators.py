"""Estimators that no run can ask for: they need the truth or the score of the model, or weigh below zero."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onward.delay.contract import LabelledRows, Snapshot
from onward.delay.outcomes import Flags
from onward.delay.soft_labels import split_pending
from onward.delay.weights import positive_weight

Floats = npt.NDArray[np.float64]


def oracle(converts: Flags) -> LabelledRows:
    """Take the final labels [n], which nobody has at the clock: for benchmarks on simulated or replayed history.

    `choose_estimator` refuses it by name, and no snapshot holds what it needs.
    """
    every = np.arange(len(converts))
    return LabelledRows(every, converts.astype(np.int8), np.ones(len(every)))


def dfm(snapshot: Snapshot, elapsed_days: Floats, score: Floats, hazard: Floats) -> LabelledRows:
    """Split a pending example by the posterior of Chapelle's model, whose delays are exponential.

    This is the E-step of that model: z = p · S / (1 − p + p · S) with S = exp(−hazard · elapsed). Iterating it with a
    refit of `score` and `hazard` maximises the published likelihood.

    Args:
        snapshot: what is known.
        elapsed_days: since the example was shown, [n].
        score: the model's own current P(converts | x), [n].
        hazard: conversions a day of those who will convert, [n].
    """
    waits = score * np.exp(-hazard * elapsed_days)
    return split_pending(snapshot, waits / (1.0 - score + waits))


def self_cancelling(snapshot: Snapshot, max_weight: float) -> LabelledRows:
    """Weigh a positive by 1 / G(x, e), and cancel what it was counted too often by a negative of weight 1 − 1 / G.

    Needs G only. The cancelling rows have weights below zero, which many learners refuse. Saito et al., "Dual
    learning algorithm for delayed conversions" (SIGIR 2020), https://arxiv.org/abs/1910.01847.
    """
    weight = positive_weight(snapshot, max_weight)
    cancels = snapshot.observed & (weight > 1.0)
    return gather_rows(
        [
            (snapshot.observed, 1, weight),
            (cancels, 0, 1.0 - weight),
            (~snapshot.observed, 0, np.ones(len(weight))),
        ]
    )


def gather_rows(parts: Sequence[tuple[npt.NDArray[np.bool_], int, npt.NDArray[np.float64]]]) -> LabelledRows:
    """Put rows of several kinds in order.

    Args:
        parts: for each kind: which of the n examples have such a row, its label, and the weights [n].
    """
    example = np.concatenate([np.flatnonzero(chosen) for chosen, _, _ in parts])
    label = np.concatenate([np.full(int(chosen.sum()), label, np.int8) for chosen, label, _ in parts])
    weight = np.concatenate([weight[chosen] for chosen, _, weight in parts])
    order = np.lexsort((-label, example))
    return LabelledRows(example[order], label[order], weight[order])
