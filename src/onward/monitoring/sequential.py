"""Has something changed, and since when, asked anew every day without asking too often.

For every day s on which a change may have begun, the days since are compared with those before: z(s), the standardised
change. Under a normal prior N(0, τ²) for the size of a change, its Bayes factor is Robbins' normal mixture,

    B(s) = (1 + τ²/v)^-½ · exp(½ z² τ² / (τ² + v)),

a martingale of mean 1 while nothing changes and days are added (v is the variance of the estimate). A sum over every
other day s, weighed by 2/365, is one too, and so is a share 1/K of it for each of K streams. By Ville's inequality the
chance that it ever reaches 1/α in a year is at most α, however often one looks (Robbins 1970; Howard, Ramdas, McAuliffe
and Sekhon, Annals of Statistics 2021; sums over starts: Shin, Ramdas and Rinaldo, "E-detectors", 2023). The estimates
that enter are normal only roughly (Waudby-Smith et al., 2024): benchmarks/drift/monitoring.py counts false alarms.
"""

from dataclasses import dataclass

import numpy as np

from onward.monitoring.daily_statistics import Floats

DAYS_A_YEAR = 365.0
# Every so many days is one on which a change may have begun; it carries the weight of all of them.
STARTS_EVERY = 2


@dataclass(frozen=True)
class Evidence:
    """What the starts together say of one stream.

    Attributes:
        start: index of the likeliest first changed day; -1 if no start could be judged.
        change: estimate at that start, in whatever unit it was given.
        margin: the half width that the change would have to exceed to be called one.
        statistic: |change| / margin; above 1 exactly when the evidence reaches the threshold.
        log_evidence: logarithm of the weighted sum.
    """

    start: int
    change: float
    margin: float
    statistic: float
    log_evidence: float

    @property
    def changed(self) -> bool:
        """Whether the change is beyond the stated rate of false alarms."""
        return self.statistic > 1.0


NOTHING = Evidence(-1, float("nan"), float("nan"), 0.0, -np.inf)


def e_detector(
    change: Floats,
    error: Floats,
    prior: float,
    alpha: float,
    streams: int,
    z: Floats | None = None,
    otherwise: int | None = None,
) -> Evidence:
    """Weigh the evidence of all starts of one stream: an e-detector.

    Args:
        change: estimated change if it began there, [S]; NaN where it cannot be estimated.
        error: its standard error [S].
        prior: τ, the size of change that is looked for.
        alpha: chance of a false alarm in a year, over all streams.
        streams: how many streams share alpha.
        z: standardised change, where there is a better one than change / error.
        otherwise: the start to report on, or the nearest, when nothing has changed; the likeliest if None.

    >>> quiet = e_detector(np.array([0.01, 0.02]), np.array([0.05, 0.1]), 0.2, 0.05, 5)
    >>> loud = e_detector(np.array([-0.2, -0.4]), np.array([0.03, 0.05]), 0.2, 0.05, 5)
    >>> quiet.changed, loud.changed, loud.start
    (False, True, 1)
    """
    usable = np.isfinite(change) & np.isfinite(error) & (error > 0)
    if not usable.any():
        return NOTHING
    starts = np.flatnonzero(usable)
    size = change[usable]
    variance = error[usable] ** 2
    standard = size / error[usable] if z is None else z[usable]
    share = prior**2 / (prior**2 + variance)
    log_factor = 0.5 * np.log1p(-share) + 0.5 * standard**2 * share
    most = float(log_factor.max())
    log_evidence = most + float(np.log(np.exp(log_factor - most).sum())) + float(np.log(STARTS_EVERY / DAYS_A_YEAR))
    short = float(np.log(streams / alpha)) - log_evidence
    best = int(np.argmax(log_factor))
    if short > 0.0 and otherwise is not None:
        best = int(np.argmin(np.abs(starts - otherwise)))
    # How far the chosen start's z is from where it would carry the sum to the threshold.
    needed = float(np.sqrt(max(standard[best] ** 2 + 2.0 * short / share[best], 1e-12)))
    statistic = abs(float(standard[best])) / needed
    margin = abs(float(size[best])) / statistic if statistic > 1e-6 else needed * float(error[usable][best])
    return Evidence(int(starts[best]), float(size[best]), margin, statistic, log_evidence)
