"""Recalibration of z on fresh data, for when conversions are few or their rate moves.

z is learnt from matured examples and is as old as they are. The young ones tell something at once: of those that will
convert, a share G has already done so, and a young example has been observed to convert with probability q · G, where
q = P(converts | x). That likelihood fixes how the q of history should move, by an offset, a slope and a little by each
feature, and z moves with it: its odds are those of q times 1 − G.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onward.boosting import Floats, Inputs
from onward.delay.contract import Snapshot
from onward.delay.outcomes import Flags
from onward.delay.pending_probability import categorical_columns

_EDGE = 1e-6
_ROUNDS = 30
_FARTHEST = 3.0  # standard deviations beyond which a feature's value tells no more
# Beliefs before any fresh data: the odds of q are right, give or take a third for all together and another third from
# one example to the next, which the features share evenly; the slope is right, give or take a fifth.
_ODDS, _SLOPE = 0.35, 0.2


@dataclass(frozen=True)
class Recalibration:
    """The log-odds of q become offset + centre + slope · (log-odds − centre) + features · by_feature.

    Attributes:
        offset: 0 when the rate has not moved.
        slope: 1 when z is as sharp as it should be.
        centre: mean log-odds of q among the young conversions that are expected to be seen.
        offset_error: standard error of the offset.
        slope_error: standard error of the slope.
        by_feature: log-odds for each standard deviation of a feature, in the order of `comparable`.
        spread: standard deviation of what the features add to the log-odds of young examples.
    """

    offset: float
    slope: float
    centre: float
    offset_error: float
    slope_error: float
    by_feature: tuple[float, ...]
    spread: float

    def move(self, rate: Floats, features: Floats) -> Floats:
        """Say by how much the log-odds of q [n] move, [n]; `features` are comparable ones."""
        bent = (self.slope - 1.0) * (_log_odds(rate) - self.centre)
        moved: Floats = self.offset + bent + features @ np.array(self.by_feature)
        return moved


UNCHANGED = Recalibration(0.0, 1.0, 0.0, 0.0, 0.0, (), 0.0)


def comparable(features: Inputs, names: Sequence[str], among: Flags) -> Floats:
    """Measure the features that are no codes in standard deviations from their mean among some examples.

    Missing values are taken for the mean, none lies farther off than three, and those that do not vary are left out.

    Args:
        features: [n, f].
        names: of the features; those of codes start with `cat_`.
        among: whose mean and standard deviation, [n].
    """
    codes = set(categorical_columns(names))
    table = features[:, [n for n in range(len(names)) if n not in codes]].astype(np.float64)
    if not among.any():
        return np.zeros((len(table), 0))
    present = np.ma.masked_invalid(table[among])
    varies = np.ma.filled(present.max(axis=0) > present.min(axis=0), fill_value=False)
    mean, spread = present[:, varies].mean(axis=0).filled(), present[:, varies].std(axis=0).filled()
    apart: Floats = np.nan_to_num(np.clip((table[:, varies] - mean) / spread, -_FARTHEST, _FARTHEST))
    return apart


def fit_recalibration(snapshot: Snapshot, rate: Floats, features: Floats, independence: float) -> Recalibration:
    """Fit the move of q to the young examples of a snapshot, by penalised maximum likelihood.

    Args:
        snapshot: what is known, with G.
        rate: q as history has it, [n].
        features: comparable ones, [n, f].
        independence: how much of an independent example each one tells, above 0; customers buy many things at once.
    """
    young = ~snapshot.matured
    if not young.any():
        return UNCHANGED
    observed = snapshot.observed[young].astype(np.float64)
    delay_cdf = np.clip(snapshot.delay_cdf[young], _EDGE, 1.0 - _EDGE)
    log_odds = _log_odds(rate[young])
    centre = float(np.average(log_odds, weights=delay_cdf * rate[young]))
    design = np.column_stack([np.ones(len(log_odds)), log_odds - centre, features[young]])
    number = features.shape[1]
    precision = np.array([1.0 / _ODDS**2, 1.0 / _SLOPE**2, *[number / _ODDS**2] * number])
    prior = np.array([0.0, 1.0, *[0.0] * number])
    coefficients = prior.copy()
    for _ in range(_ROUNDS):
        q = _share(centre + design @ coefficients)
        seen = q * delay_cdf
        gradient = observed * (1.0 - q) - (1.0 - observed) * seen * (1.0 - q) / (1.0 - seen)
        curvature = seen * (1.0 - q) ** 2 / (1.0 - seen)
        information = independence * (design * curvature[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(information, independence * (design.T @ gradient) - precision * (coefficients - prior))
        coefficients = coefficients + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    offset, slope, *by_feature = coefficients.tolist()
    spread = float((design[:, 2:] @ coefficients[2:]).std())
    return Recalibration(offset, slope, centre, float(errors[0]), float(errors[1]), tuple(by_feature), spread)


def move_probability(probability: Floats, move: Floats) -> Floats:
    """Move the log-odds of probabilities [n] by `move` [n]."""
    return _share(_log_odds(probability) + move)


def apply_recalibration(snapshot: Snapshot, move: Floats) -> Snapshot:
    """Move the log-odds of z, with and without engagement, by as much as those of q, [n]; G stays."""
    return replace(
        snapshot,
        pending_probability=np.where(
            snapshot.pending, move_probability(snapshot.pending_probability, move), snapshot.pending_probability
        ),
        pending_probability_without_engagement=np.where(
            snapshot.pending,
            move_probability(snapshot.pending_probability_without_engagement, move),
            snapshot.pending_probability_without_engagement,
        ),
    )


def _log_odds(probability: Floats) -> Floats:
    safe = np.clip(probability, _EDGE, 1.0 - _EDGE)
    odds: Floats = np.log(safe) - np.log1p(-safe)
    return odds


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return share
