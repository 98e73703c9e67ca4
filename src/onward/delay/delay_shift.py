"""The guard for shifting delays: G becomes G^κ, with κ read off the delays of fresh conversions.

Of a conversion observed by e, G(d) / G(e) is uniform when its delay d still follows G (the reverse hazard), so that
−log of it has mean 1, and mean 1/κ once delays follow G^κ. Only conversions that were seen enter, so a change of the
rate cannot be mistaken for a change of the delay. κ above 1 means slower.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onward.delay.contract import Snapshot

Floats = npt.NDArray[np.float64]

_FLOOR = 1e-4
_LIMIT = 3.0  # beyond a threefold exponent the form G^κ is no longer believable
_SURE = 2.0  # standard errors that a shift must exceed before it is followed


@dataclass(frozen=True)
class DelayGap:
    """How far conversions lie below the age at which they were seen.

    Attributes:
        conversions: how many different ones.
        mean: of log G(x, e) − log G(x, d), about 1; meaningless without conversions.
    """

    conversions: int
    mean: float


@dataclass(frozen=True)
class DelayShift:
    """A change of delays since history.

    Attributes:
        fitted: κ as fresh conversions have it against history.
        log_error: standard error of log κ.
        exponent: the κ to use, shrunk towards 1 and exactly 1 unless the change is beyond doubt.
    """

    fitted: float
    log_error: float
    exponent: float


NO_SHIFT = DelayShift(1.0, 0.0, 1.0)


def measure_gap(by_age: Floats, by_delay: Floats, conversions: int) -> DelayGap:
    """Summarise conversions [m] by G at their age and G at their delay; several rows may be of one conversion."""
    gap = np.log(np.maximum(by_age, _FLOOR)) - np.log(np.maximum(by_delay, _FLOOR))
    return DelayGap(conversions, float(gap.mean()) if len(gap) else 1.0)


def fit_delay_shift(history: DelayGap, fresh: DelayGap) -> DelayShift:
    """Compare the delays of fresh conversions with those of history, as G sees both.

    Dividing by the gap of history takes out what G itself misses. Doubt shrinks log κ by 1 − (2 σ / log κ)², never
    below 0: a shift that is not there costs nothing, one that is plain costs little.
    """
    if not history.conversions or not fresh.conversions or min(history.mean, fresh.mean) <= 0.0:
        return NO_SHIFT
    log_fitted = float(np.log(history.mean / fresh.mean))
    error = float(np.sqrt(1.0 / history.conversions + 1.0 / fresh.conversions))
    kept = max(0.0, 1.0 - (_SURE * error / log_fitted) ** 2) if log_fitted else 0.0
    bound = float(np.log(_LIMIT))
    return DelayShift(float(np.exp(log_fitted)), error, float(np.exp(np.clip(kept * log_fitted, -bound, bound))))


def apply_delay_shift(snapshot: Snapshot, exponent: float) -> Snapshot:
    """Replace G by G^κ, and the odds of z by odds · (1 − G^κ) / (1 − G)."""
    if exponent == 1.0:
        return snapshot
    delay_cdf = np.clip(snapshot.delay_cdf, _FLOOR, 1.0 - _FLOOR)
    tilted = delay_cdf**exponent
    missing = (1.0 - tilted) / (1.0 - delay_cdf)
    return replace(
        snapshot,
        delay_cdf=np.where(snapshot.matured, snapshot.delay_cdf, tilted),
        pending_probability=_with_odds(snapshot.pending_probability, missing),
        pending_probability_without_engagement=_with_odds(snapshot.pending_probability_without_engagement, missing),
    )


def _with_odds(probability: Floats, factor: Floats) -> Floats:
    return probability * factor / (1.0 - probability + probability * factor)
