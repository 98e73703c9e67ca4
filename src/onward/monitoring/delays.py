"""The delay curve of the decisions, and how far that of recent ones has moved, from right-truncated conversions.

Of a young cohort only the fast conversions are known. What they do tell, whatever the rate, is the *reverse-time
hazard* h_j: of the conversions that came by lag j, the share that came at lag j. Every cohort that is old enough adds
to h_j the conversions by j as a denominator, so truncation does no harm, and G(a) = Π_{j > a} (1 − h_j) is the share of
conversions that has arrived by lag a (Lagakos, Barraj and De Gruttola, Biometrika 1988; Kalbfleisch and Lawless 1991).

A change of delays is a tilt: G becomes G^κ, which multiplies every −log(1 − h_j) by κ, as in delay/delay_shift.py.
Given how many conversions came at all, their lags say nothing about the rate: κ and positivity are estimated apart.
"""

from dataclasses import dataclass

import numpy as np

from onward.monitoring.daily_statistics import DailyStatistics, Floats

# A level's own hazards are drawn towards all levels' by so many conversions.
_OWN = 100.0
_LEAST_HAZARD = 1e-6
_MOST_TILT = np.log(4.0)
_ROUNDS = 12
_CLOSE = 1e-3


@dataclass(frozen=True)
class Curves:
    """Share of conversions that has arrived, and rate against prediction, of some cohorts.

    Attributes:
        arrived: G by lag [..., K, W + 1]; relative to the oldest cohort's age where none has matured.
        rate: conversions over predictions, per level [..., K].
        conversions: behind them, [..., K].
        exposure: predicted conversions that could be known by now [..., K]: rate = conversions / exposure.
    """

    arrived: Floats
    rate: Floats
    conversions: Floats
    exposure: Floats


def lag_counts(arrivals: Floats, known: np.ndarray) -> tuple[Floats, Floats]:
    """Conversions at each lag, and by each lag, of the cohorts for which that lag is known: [S, K, W + 1] each."""
    mask = known[:, None, :]
    return arrivals * mask, np.cumsum(arrivals, axis=2) * mask


def arrived_from(at: Floats, by: Floats) -> Floats:
    """G by lag from summed counts at and by each lag, [..., K, W + 1].

    >>> at = np.array([[10.0, 10.0, 0.0]]); by = np.array([[10.0, 20.0, 20.0]])
    >>> arrived_from(at, by).round(2).tolist()
    [[0.5, 1.0, 1.0]]
    """
    pooled_at, pooled_by = at.sum(axis=-2, keepdims=True), by.sum(axis=-2, keepdims=True)
    pooled = pooled_at / np.maximum(pooled_by, 1.0)
    weight = np.where(pooled_by > 0, np.minimum(_OWN, pooled_by), 0.0)
    hazard = (at + weight * pooled) / np.maximum(by + weight, 1.0)
    hazard = np.clip(hazard[..., 1:], 0.0, 1.0 - _LEAST_HAZARD)
    survive = np.cumprod((1.0 - hazard)[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([survive, np.ones_like(survive[..., :1])], axis=-1)


def reference_curves(statistics: DailyStatistics) -> Curves:
    """Curves of all cohorts together."""
    at, by = lag_counts(statistics.arrivals, statistics.known)
    arrived = arrived_from(at.sum(axis=0), by.sum(axis=0))
    lag = np.minimum(statistics.ages - 1, statistics.window)
    exposure = (statistics.predicted * arrived[:, lag].T).sum(axis=0)
    conversions = at.sum(axis=(0, 2))
    rate = (conversions + 0.5) / np.maximum(exposure, 0.5)
    return Curves(arrived, rate, conversions, exposure)


@dataclass(frozen=True)
class Shift:
    """log κ of some conversions against a curve, with its standard error; inf where nothing can be said."""

    log_tilt: Floats
    error: Floats


def fit_shift(at: Floats, by: Floats, arrived: Floats) -> Shift:
    """Maximum likelihood of log κ for each of several groups of cohorts, all levels together.

    The conversions at lag j among those by lag j are binomial with 1 − exp(−κ H_j), H_j = log G_j − log G_{j−1}.

    Args:
        at: conversions at each lag [..., K, W + 1].
        by: conversions by each lag, of the same cohorts.
        arrived: the curve G [..., K, W + 1] that κ is measured against.
    """
    step = np.diff(np.log(np.maximum(arrived, 1e-9)), axis=-1)
    usable = step > _LEAST_HAZARD
    hits = np.where(usable, at[..., 1:], 0.0)
    trials = np.where(usable, by[..., 1:], 0.0)
    step = np.where(usable, step, 1.0)
    eta = np.zeros(at.shape[:-2])
    for _ in range(_ROUNDS):
        tilt = np.exp(eta)[..., None, None]
        stay = np.exp(-tilt * step)
        slope = (tilt * step * (hits * stay / (1.0 - stay) - (trials - hits))).sum(axis=(-1, -2))
        information = _information(trials, tilt, step, stay)
        better = np.clip(eta + np.clip(slope / np.maximum(information, 1.0), -0.7, 0.7), -_MOST_TILT, _MOST_TILT)
        settled = bool(np.abs(better - eta).max(initial=0.0) < _CLOSE)
        eta = better
        if settled:
            break
    tilt = np.exp(eta)[..., None, None]
    information = _information(trials, tilt, step, np.exp(-tilt * step))
    with np.errstate(divide="ignore"):
        error = np.where(information > 0, 1.0 / np.sqrt(information), np.inf)
    return Shift(np.where(information > 0, eta, 0.0), error)


def shift_information(by: Floats, arrived: Floats) -> Floats:
    """Fisher information about log κ, at κ = 1, in conversions by each lag [..., K, W + 1]; at least that of one."""
    step = np.diff(np.log(np.maximum(arrived, 1e-9)), axis=-1)
    trials = np.where(step > _LEAST_HAZARD, by[..., 1:], 0.0)
    step = np.maximum(step, _LEAST_HAZARD)
    return np.maximum(_information(trials, np.ones(step.shape[:-2])[..., None, None], step, np.exp(-step)), 1.0)


def _information(trials: Floats, tilt: Floats, step: Floats, stay: Floats) -> Floats:
    information: Floats = (trials * (tilt * step) ** 2 * stay / (1.0 - stay)).sum(axis=(-1, -2))
    return information
