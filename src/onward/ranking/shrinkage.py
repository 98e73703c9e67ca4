"""How far a count of pairs is to be believed: empirical Bayes for a Poisson rate.

A pair's count is Poisson with mean lift x expected, and its lift is drawn from a gamma law around what the coarser
level says, worth `strength` expected pairs (Robbins 1956; DuMouchel 1999 for tables of counts). The posterior mean is
then (observed + strength prior) / (expected + strength), and the counts' own law, a negative binomial, says which
strength fits the log best.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]

STRENGTHS = tuple(float(strength) for strength in np.geomspace(0.25, 256.0, 21))
"""Strengths that may be fitted."""


def posterior_lift(observed: Floats, expected: Floats, prior: Floats, strength: float) -> Floats:
    """[n] posterior mean of the lift.

    >>> posterior_lift(np.array([0.0, 40.0]), np.array([0.0, 10.0]), np.array([2.0, 2.0]), 5.0).round(2).tolist()
    [2.0, 3.33]
    """
    lift: Floats = (observed + strength * prior) / (expected + strength)
    return lift


def fitted_strength(observed: Floats, expected: Floats, prior: Floats) -> float:
    """The strength of `STRENGTHS` under which the counts are most likely; the largest where nothing is expected.

    Args:
        observed: [n] counts.
        expected: [n] counts expected by chance.
        prior: [n] lift that the coarser level says, above 0.
    """
    seen = expected > 0
    if not seen.any():
        return STRENGTHS[-1]
    count, chance, lift = observed[seen], expected[seen], prior[seen]
    return max(STRENGTHS, key=lambda strength: _log_likelihood(count, chance, lift, strength))


def _log_likelihood(observed: Floats, expected: Floats, prior: Floats, strength: float) -> float:
    """Of a negative binomial with shape strength x prior and rate strength, up to what strength leaves alone."""
    shape = strength * prior
    share = np.log(strength) - np.log(strength + expected)
    chance = np.log(expected) - np.log(strength + expected)
    terms = gammaln(observed + shape) - gammaln(shape) + shape * share + observed * chance
    return float(terms.mean())
