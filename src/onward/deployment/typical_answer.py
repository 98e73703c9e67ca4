"""What is said of pairs where no customer is named; typical_scores.py works it out, listed_scores.py keeps it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from onward.thresholds.policy import Policy
from onward.uncertainty.levels import UncertaintyLevels

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEANS = ("score", "uncertainty", "probability", "low", "high")
"""What is averaged over the reference contexts; the rest follows from these."""


@dataclass(frozen=True)
class TypicalScores:
    """What is said of n pairs.

    Attributes:
        score: [n] what is held against the cuts.
        uncertainty: [n] mean over the contexts.
        probability: [n] that a typical customer who is shown the target buys it new, calibrated.
        low: [n] of the range; see ChanceRange for what it promises.
        high: [n] likewise.
        like_shown: [n] whether any impression showed a product of the target's category after one of the source's.
        level: [n] class of the uncertainty, 0 the surest.
        decision: [n] show, don't show or abstain; a pair unlike any impression abstains.
    """

    score: Floats
    uncertainty: Floats
    probability: Floats
    low: Floats
    high: Floats
    like_shown: Bools
    level: Ints
    decision: npt.NDArray[np.str_]

    @classmethod
    def of(cls, means: tuple[Floats, ...], like_shown: Bools, levels: UncertaintyLevels, policy: Policy) -> Self:
        """Say what follows from the means of n pairs.

        Args:
            means: of `MEANS`, each [n].
            like_shown: [n].
            levels: classes of uncertainty.
            policy: from score and level to a decision.
        """
        score, uncertainty, probability, low, high = means
        level = levels.assign(uncertainty)
        decision = np.where(like_shown, policy.answer(score, level), "abstain")
        return cls(score, uncertainty, probability, low, high, like_shown, level, decision)
