"""One knob from the most related to the most probable: how many times chance a pair must be before it counts.

Of lists that hit equally often, the one with the highest lift maximises hits less a price for what chance would have
hit: P(v | u) - t P(v), how much likelier v is with u than t times chance. At t = 1 this is the leverage of association
rules (Piatetsky-Shapiro 1991). docs/decisions/0015 holds it against a power of P(v).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# No pair is 10^12 times chance: below this weight the order is that of the log lift.
_LEAST_WEIGHT = 1e-12
# Trees say the same of many pairs: of equal lifts the more popular one comes first.
_TIE = 1e-6


def order_score(log_lift: Floats, share: Floats, weight: float) -> Floats:
    """P(v | u) - t P(v) with t = (1 - w) / w, where that is above 0; the others come after by log lift, then by P(v).

    At w = 0 the order is that of the log lift f, at w = 1 that of P(v | u) = e^f P(v). The popularity of what stands
    first never falls when w rises.

    Args:
        log_lift: f(u, v), of any shape.
        share: P(v), of the same shape or one that broadcasts to it; 0 for what is no candidate, which comes last.
        weight: w, from 0 to 1.

    >>> lift, share = np.log([9.0, 3.0, 1.5]), np.array([0.001, 0.01, 0.1])
    >>> [np.argsort(-order_score(lift, share, weight)).tolist() for weight in (0.0, 0.3, 1.0)]
    [[0, 1, 2], [1, 0, 2], [2, 1, 0]]
    """
    times = (1.0 - weight) / max(weight, _LEAST_WEIGHT)
    excess = share * (np.exp(log_lift) - times)
    below = log_lift - np.log(max(times, _LEAST_WEIGHT)) - _TIE * (1.0 - share)
    score = np.where(excess > 0.0, excess, below)
    return np.where(share > 0.0, score, -np.inf)


def worth_a_place(log_lift: Floats, weight: float) -> npt.NDArray[np.bool_]:
    """[n] whether a pair may stand on a list of related products: where t >= 1, only what is likelier than by chance.

    >>> worth_a_place(np.log([3.0, 0.5]), 0.33).tolist(), worth_a_place(np.log([3.0, 0.5]), 1.0).tolist()
    ([True, False], [True, True])
    """
    return (log_lift > 0.0) | (weight > 0.5)
