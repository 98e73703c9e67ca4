"""Recalibration of z on fresh data: an offset and a slope, for when conversions are few or their rate moves.

z is learnt from matured examples and is as old as they are. The young ones tell something at once: of those that will
convert, a share G has already done so, and a young example has been observed to convert with probability q · G, where
q = P(converts | x). That likelihood fixes how the q of history should move, and z moves with it: its odds are those
of q times 1 − G.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onward.delay.contract import Snapshot

Floats = npt.NDArray[np.float64]

_EDGE = 1e-6
_ROUNDS = 30
# Beliefs before any fresh data: z is right, give or take a third in the odds, and a fifth in the slope.
_PRECISION = np.array([1.0 / 0.35**2, 1.0 / 0.2**2])


@dataclass(frozen=True)
class Recalibration:
    """The log-odds of q become offset + centre + slope · (log-odds − centre).

    Attributes:
        offset: 0 when the rate has not moved.
        slope: 1 when z is as sharp as it should be.
        centre: mean log-odds of q among the young conversions that are expected to be seen.
        offset_error: standard error of the offset.
        slope_error: standard error of the slope.
    """

    offset: float
    slope: float
    centre: float
    offset_error: float
    slope_error: float


UNCHANGED = Recalibration(0.0, 1.0, 0.0, 0.0, 0.0)


def fit_recalibration(snapshot: Snapshot, rate: Floats) -> Recalibration:
    """Fit offset and slope to the young examples of a snapshot, by penalised maximum likelihood.

    Args:
        snapshot: what is known, with G.
        rate: q as history has it, [n].
    """
    young = ~snapshot.matured
    if not young.any():
        return UNCHANGED
    observed = snapshot.observed[young].astype(np.float64)
    arrival = np.clip(snapshot.arrival[young], _EDGE, 1.0 - _EDGE)
    log_odds = _log_odds(rate[young])
    centre = float(np.average(log_odds, weights=arrival * rate[young]))
    design = np.column_stack([np.ones(len(log_odds)), log_odds - centre])
    prior = np.array([0.0, 1.0])
    found = prior.copy()
    for _ in range(_ROUNDS):
        q = _share(centre + design @ found)
        seen = q * arrival
        slope = observed * (1.0 - q) - (1.0 - observed) * seen * (1.0 - q) / (1.0 - seen)
        curvature = seen * (1.0 - q) ** 2 / (1.0 - seen)
        information = (design * curvature[:, None]).T @ design + np.diag(_PRECISION)
        step = np.linalg.solve(information, design.T @ slope - _PRECISION * (found - prior))
        found = found + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    return Recalibration(float(found[0]), float(found[1]), centre, float(errors[0]), float(errors[1]))


def apply_recalibration(snapshot: Snapshot, rate: Floats, recalibration: Recalibration) -> Snapshot:
    """Move the log-odds of z, with and without engagement, by as much as those of q; G stays."""
    if recalibration == UNCHANGED:
        return snapshot
    move = recalibration.offset + (recalibration.slope - 1.0) * (_log_odds(rate) - recalibration.centre)
    return replace(
        snapshot,
        unfinished=np.where(snapshot.pending, _share(_log_odds(snapshot.unfinished) + move), snapshot.unfinished),
        blind=np.where(snapshot.pending, _share(_log_odds(snapshot.blind) + move), snapshot.blind),
    )


def _log_odds(probability: Floats) -> Floats:
    safe = np.clip(probability, _EDGE, 1.0 - _EDGE)
    odds: Floats = np.log(safe) - np.log1p(-safe)
    return odds


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return share
