"""Does delay hurt: how many conversions are missing when labels that have not arrived are counted as no?"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from onward.delay.outcomes import ONE_DAY, Outcomes
from onward.diagnosis.answer import ALPHA, Answer
from onward.metrics.customer_bootstrap import Floats, error_of_sum
from onward.metrics.intervals import Z95

NEGLIGIBLE = 0.01
"""Where one conversion in a hundred is missing, no correction is worth its own error."""


@dataclass(frozen=True)
class Labels:
    """What a clock shows of n impressions.

    Attributes:
        customer: [n].
        age: [n] days from when each was shown to the clock.
        delay: [n] days from when each was shown to its known conversion, NaN without one.
        window_days: the attribution window W: older impressions are settled.
    """

    customer: npt.NDArray[np.int64]
    age: Floats
    delay: Floats
    window_days: float

    @classmethod
    def of(cls, customer: npt.ArrayLike, outcomes: Outcomes) -> Self:
        """Take what the stage observed, and whose impressions they are, [n]."""
        window = float(outcomes.window / ONE_DAY)
        return cls(np.asarray(customer, np.int64), outcomes.elapsed_days, outcomes.delay_days, window)

    @property
    def matured(self) -> npt.NDArray[np.bool_]:
        """[n] whether the label cannot change any more."""
        return np.asarray(self.age >= self.window_days, np.bool_)


def missing_share(labels: Labels, in_window: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Share of the window's conversions that have not arrived: estimate, standard error, p-value of "negligible".

    Settled impressions know their delays δ. Shown at the ages of the window's impressions, such a conversion would be
    missing from the share S(δ) that are not older than δ (what happens at the clock is not known yet). So the missing
    share is Σ y S(δ) / Σ y over settled impressions, by customer. No model enters. The error is taken at the share that
    is tested, so that a handful of late conversions cannot prove anything.

    Args:
        labels: all impressions that are known.
        in_window: [n] the impressions that train and calibrate.
    """
    converted = labels.matured & ~np.isnan(labels.delay)
    if not converted.any() or not in_window.any():
        return 0.0, 0.0, 1.0
    ages = np.sort(labels.age[in_window])
    younger = np.searchsorted(ages, labels.delay[converted], side="right") / len(ages)
    customer = labels.customer[converted]
    count = int(converted.sum())
    share = float(younger.mean())
    error = error_of_sum(customer, younger - share) / count
    tested = error_of_sum(customer, younger - NEGLIGIBLE) / count
    return share, error, float(ndtr((NEGLIGIBLE - share) / tested)) if tested > 0.0 else 1.0


def diagnose_delay(labels: Labels, in_window: npt.NDArray[np.bool_], expected: npt.ArrayLike) -> Answer:
    """Hold the rate as observed in the window against the rate that settled impressions lead one to expect.

    Args:
        labels: all impressions that are known.
        in_window: [n] the impressions that train and calibrate.
        expected: labels of the window's impressions, expected ones where unfinished.
    """
    share, error, p_value = missing_share(labels, in_window)
    yes = p_value < ALPHA
    low, high = max(0.0, share - Z95 * error), min(1.0, share + Z95 * error)
    observed = ~np.isnan(labels.delay[in_window])
    pending = float((~observed & ~labels.matured[in_window]).mean()) if in_window.any() else 0.0
    rate, corrected = (float(np.mean(values)) if len(values) else 0.0 for values in (observed, np.asarray(expected)))
    missing = f"{100 * share:.1f} % of conversions [{100 * low:.1f}, {100 * high:.1f}] are still to come"
    return Answer(
        question="delay",
        yes=yes,
        p_value=p_value,
        effect=share,
        low=low,
        high=high,
        measure="share of the training window's conversions that are missing where unfinished labels count as no",
        sentence=(
            f"Delay {'hurts' if yes else 'does not hurt'}: {100 * pending:.0f} % of labels are pending, and {missing}; "
            f"the rate is {100 * rate:.2f} % as observed and {100 * corrected:.2f} % corrected."
        ),
        consequence=(
            "Labels that have not arrived are corrected by `delay.estimator` before anything learns from them."
            if yes
            else "Labels may be taken as observed; `delay.estimator` changes next to nothing."
        ),
        figures={
            "share_pending": pending,
            "observed_rate": rate,
            "corrected_rate": corrected,
            "settled_conversions": float((labels.matured & ~np.isnan(labels.delay)).sum()),
        },
    )
