"""What the model says of pairs: chance, interval, uncertainty, level, decision and the cut that it was held against.

A chance needs a customer. Where the question names none, it is for a typical one: the mean over the bundle's reference
contexts (see deployment/typical_scores.py). Features of a context that are given take the place of those of every
reference context; where all are given, there is one context left and nothing to average.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onward.deployment.bundle import Bundle
from onward.deployment.typical_scores import Situations
from onward.errors import DataError
from onward.serving.recommend import word_for

Ints = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 131_072


class PairScore(NamedTuple):
    """What is said of one pair; a tuple, since an answer makes dozens.

    Attributes:
        probability: that who is shown the target after the source buys it new within the attribution window.
        low: of the range; see ChanceRange for what it promises.
        high: likewise.
        score: uncalibrated; what the cut is held against.
        uncertainty: by the bundle's source of it.
        level: uncertainty level, 0 the surest.
        doubt: the level as a word.
        decision: show, don't show or abstain.
        threshold: the level's cut; None where it never shows.
        like_shown: whether any impression showed a product of the target's category after one of the source's.
    """

    probability: float
    low: float
    high: float
    score: float
    uncertainty: float
    level: int
    doubt: str
    decision: str
    threshold: float | None
    like_shown: bool

    @property
    def reason(self) -> str:
        """Why this decision, in a line."""
        if not self.like_shown:
            return "no impression showed a product of that category after one of this: abstains"
        if self.threshold is None:
            return f"level {self.level} is never shown"
        way = "reaches" if self.score >= self.threshold else "is below"
        return f"score {self.score:.3g} {way} the cut {self.threshold:.3g} of level {self.level}"


def typical_scores(bundle: Bundle, source: Ints, target: Ints, threads: int = 1) -> list[PairScore]:
    """Score n pairs of inside numbers for a typical customer."""
    step = max(1, _ROWS_AT_ONCE // max(len(bundle.contexts), 1))
    return [
        score
        for start in range(0, len(source), step)
        for score in _scores(bundle, source[start : start + step], target[start : start + step], threads)
    ]


def scores_in_context(
    bundle: Bundle, source: Ints, target: Ints, context: Mapping[str, float], threads: int = 1
) -> list[PairScore]:
    """Score n pairs of inside numbers for a customer of whom some features are known.

    Args:
        bundle: the model.
        source: [n] what was bought.
        target: [n] what would be shown.
        context: value by name of feature, names among the columns of the bundle's contexts.
        threads: of the heads.

    Raises:
        DataError: a feature is not one of the context.
    """
    known = bundle.contexts.columns
    unknown = [name for name in context if name not in known]
    if unknown:
        raise DataError(
            f"score: {len(unknown)} features of the context are not known, first {unknown[0]!r}; "
            "GET /v1/champion lists those that are"
        )
    contexts = bundle.contexts.assign(**{name: np.float32(value) for name, value in context.items()})
    if len(context) == len(known):
        contexts = contexts.iloc[:1]
    return _scores(bundle, source, target, threads, bundle.typical.situations(contexts))


def _scores(
    bundle: Bundle, source: Ints, target: Ints, threads: int, situations: Situations | None = None
) -> list[PairScore]:
    if not len(source):
        return []
    if situations is None:
        said = bundle.typical_scores(source, target, threads)
    else:
        said = bundle.typical.scores(source, target, threads, situations)
    levels = bundle.uncertainty.levels.count
    words = [word_for(level, levels) for level in range(levels)]
    cuts = [cut if math.isfinite(cut) else None for cut in bundle.policy.cuts]
    level = said.level.tolist()
    columns = {"doubt": [words[number] for number in level], "threshold": [cuts[number] for number in level]}
    columns |= {name: getattr(said, name).tolist() for name in PairScore._fields if name not in columns}
    return [PairScore._make(row) for row in zip(*(columns[name] for name in PairScore._fields), strict=True)]
