"""Score and doubt of a pair, from the heads of an ensemble."""

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from onward.errors import DataError

# Further out than any boosted head goes on purpose; it only keeps a logit finite.
_EDGE = 1e-9


def mean_of_heads(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The score of n examples, [n]: the mean probability.

    Args:
        probabilities: [n, heads], each in [0, 1].

    Raises:
        DataError: the array is not two-dimensional, has fewer than two heads or holds no probabilities.

    >>> mean_of_heads([[0.5, 0.5], [0.2, 0.4]]).round(3).tolist()
    [0.5, 0.3]
    """
    return np.asarray(_checked(probabilities).mean(axis=1))


def disagreement_of_heads(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The spread of n examples, [n]: the standard deviation of the heads' logits.

    On the logit scale a head that doubles small odds counts as much as one that doubles large odds; on the probability
    scale rare events would always look certain. Arguments and errors are those of `mean_of_heads`.

    >>> disagreement_of_heads([[0.5, 0.5], [0.2, 0.4]]).round(3).tolist()
    [0.0, 0.49]
    """
    return np.asarray(logit(np.clip(_checked(probabilities), _EDGE, 1.0 - _EDGE)).std(axis=1))


def _checked(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    heads = np.asarray(probabilities, dtype=np.float64)
    if heads.ndim != 2 or heads.shape[1] < 2:
        raise DataError(
            f"head probabilities: shape {heads.shape}, need [examples, 2 or more heads]; raise scorer.heads"
        )
    bad = int(np.count_nonzero(~((heads >= 0.0) & (heads <= 1.0))))
    if bad:
        raise DataError(f"head probabilities: {bad} of {heads.size} values lie outside [0, 1]; train the scorer again")
    return heads


def leave_out(heads: npt.ArrayLike, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Score customers that heads were trained on by those heads only that did not see them.

    Such out-of-bag scores are as good as those of a held-out customer (Breiman, "Out-of-bag estimation", 1996), from
    fewer heads.

    Args:
        heads: probabilities, [n, heads].
        seen: whether the head's bootstrap held the row's customer, [n, heads].

    Returns:
        The mean over the other heads, [n]; NaN where every head saw the customer.

    Examples:
        >>> leave_out([[0.2, 0.4], [0.3, 0.5]], np.array([[True, False], [True, True]])).tolist()
        [0.4, nan]
    """
    others = (~seen).sum(axis=1)
    total = np.where(seen, 0.0, np.asarray(heads, dtype=np.float64)).sum(axis=1)
    score = np.full(len(total), np.nan)
    np.divide(total, others, out=score, where=others > 0)
    return score
