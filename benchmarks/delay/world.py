"""Simulated worlds with late conversions whose true probabilities are known: ground for delay estimators alone.

An impression has ten features. It may be clicked and then put into a cart; both raise its odds of conversion. Part of
the conversions come within the hour, the others take days. All coefficients drift from day to day. The pipeline's own
simulator plays a whole shop; this one plays nothing but delay, and is fast enough for hundreds of repetitions.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

WINDOW = 14.0  # W, days
TRAINING = 21.0  # the window that models are trained on
HISTORY = 28.0  # matured days that teach the nuisances
FUTURE = 7.0  # days after the clock on which models are judged
FEATURES = 10

_DAYS = 95  # length of the drift; clocks lie within
_HOUR, _MINUTE = 1 / 24, 1 / 1440
_SOON_SPREAD, _SHAPE = 1.1, 0.95  # of the log of quick delays, and of the Weibull law of late ones


@dataclass(frozen=True)
class Kind:
    """What sets one world apart.

    Attributes:
        impressions_per_day: traffic.
        drift: standard deviation of a coefficient's daily step.
        engagement_tells: clicks and carts say something about conversion and its delay.
        delay_shifts: from 14 days before the clock on, conversions come later.
        rate_jumps: log-odds added from 7 days before the clock on.
    """

    impressions_per_day: int = 5000
    drift: float = 0.045
    engagement_tells: bool = True
    delay_shifts: bool = False
    rate_jumps: float = 0.0


KINDS = {
    "informative": Kind(),
    "useless": Kind(engagement_tells=False),
    "delay shift": Kind(delay_shifts=True),
    "base-rate jump": Kind(rate_jumps=0.4),
    "low drift": Kind(drift=0.01),
    "few positives": Kind(impressions_per_day=400),
}


@dataclass(frozen=True)
class World:
    """n impressions in order of time, in days.

    Attributes:
        shown: [n].
        features: [n, 10].
        probability: of conversion within W given the features alone, [n].
        converts: [n].
        delay: days until conversion, inf where none, [n].
        clicked: days until the click, inf where none, [n].
        carted: days until the cart, inf where none, [n].
    """

    shown: Floats
    features: Floats
    probability: Floats
    converts: npt.NDArray[np.bool_]
    delay: Floats
    clicked: Floats
    carted: Floats


def simulate(kind: Kind, seed: int, clock: float) -> World:
    """Draw the impressions from HISTORY + W before the clock to FUTURE after it; kinds share their random numbers."""
    start = clock - WINDOW - HISTORY
    draw = np.random.default_rng([seed, int(clock), 601])
    n = round((clock + FUTURE - start) * kind.impressions_per_day)
    shown = np.sort(draw.uniform(start, clock + FUTURE, n))
    x = draw.normal(size=(n, FEATURES))
    clicks, carts, buys = _scores(kind, seed, clock, shown, x)
    click, cart, by_stage = _share(-1.9 + clicks), _share(-1.1 + carts), _by_stage(buys)
    probability = (1 - click) * by_stage[0] + click * (1 - cart) * by_stage[1] + click * cart * by_stage[2]
    stage = (draw.random(n) < click).astype(np.int64)
    stage += stage * (draw.random(n) < cart)
    chance = by_stage[stage, np.arange(n)] if kind.engagement_tells else probability
    converts = draw.random(n) < chance
    delay = np.where(converts, _delays(kind, draw, x, stage, late=shown >= clock - WINDOW), np.inf)
    clicked = np.where(stage >= 1, np.exp(np.log(_MINUTE) + 0.7 * draw.normal(size=n)), np.inf)
    wait = np.exp(np.log(15 * _MINUTE) + 1.8 * draw.normal(size=n))
    carted = np.where(stage == 2, np.where(np.isfinite(clicked), clicked, 0.0) + wait, np.inf)
    if kind.engagement_tells:
        clicked = np.where(converts & (stage >= 1), np.minimum(clicked, 0.3 * delay), clicked)
        carted = np.where(converts & (stage == 2), np.minimum(carted, 0.5 * delay), carted)
    return World(shown, x, probability, converts, delay, clicked, carted)


def true_pending_probability(kind: Kind, seed: int, clock: float, world: World) -> Floats:
    """Work out z as the world has it: P(converts within W | x, stage, not by the clock), [n]; 0 where W has passed.

    It knows whether a click or cart will come as well as whether it came, which nobody can at the clock.
    """
    stage = np.isfinite(world.clicked).astype(np.int64) + np.isfinite(world.carted)
    buys = _scores(kind, seed, clock, world.shown, world.features)[2]
    chance = _by_stage(buys)[stage, np.arange(len(stage))] if kind.engagement_tells else world.probability
    slowed = ((world.shown >= clock - WINDOW) & kind.delay_shifts).astype(np.float64)
    at_once, scale = _delay_law(kind, world.features, stage, slowed)
    age = np.clip(clock - world.shown, 1e-9, WINDOW)
    not_soon = ndtr((np.log(20 * _MINUTE) - np.log(age)) / _SOON_SPREAD)
    not_late = 1.0 - _weibull(age, scale) / _weibull(np.full(len(age), WINDOW), scale)
    comes = chance * np.where(age < WINDOW, at_once * not_soon + (1.0 - at_once) * not_late, 0.0)
    z: Floats = comes / (1.0 - chance + comes)
    return z


def _by_stage(buys: Floats) -> Floats:
    """P(converts) of impressions left alone, clicked, and carted, [3, n]."""
    return np.stack([_share(-5.0 + buys), _share(-2.7 + buys), _share(-0.4 + buys)])


def _scores(kind: Kind, seed: int, clock: float, shown: Floats, x: Floats) -> list[Floats]:
    """Log-odds of click, cart and purchase by a random walk of coefficients, the same for every clock of a seed."""
    draw, day = np.random.default_rng([seed, 602]), shown.astype(np.int64)
    scores = []
    for spread, pace in ((0.45, 1.0), (0.35, 1.0), (0.35, 0.7)):
        first = draw.normal(0.0, spread, FEATURES)
        walk = first + np.cumsum(draw.normal(0.0, kind.drift * pace, (_DAYS, FEATURES)), axis=0)
        level = 0.8 * np.cumsum(draw.normal(0.0, kind.drift * pace, _DAYS))
        scores.append(np.einsum("nf,nf->n", x, walk[day]) + level[day])
    scores[2] = scores[2] + kind.rate_jumps * (shown >= clock - 7.0)
    return scores


def _delays(
    kind: Kind, draw: np.random.Generator, x: Floats, stage: npt.NDArray[np.int64], late: npt.NDArray[np.bool_]
) -> Floats:
    """Within the hour, or by a Weibull law cut at W."""
    quick, scale = _delay_law(kind, x, stage, (late & kind.delay_shifts).astype(np.float64))
    at_once = draw.random(len(x)) < quick
    soon = np.minimum(np.exp(np.log(20 * _MINUTE) + _SOON_SPREAD * draw.normal(size=len(x))), WINDOW - 0.01)
    below = draw.random(len(x)) * _weibull(np.full(len(x), WINDOW), scale)
    days: Floats = scale * (-np.log1p(-below)) ** (1.0 / _SHAPE)
    return np.where(at_once, soon, days)


def _delay_law(kind: Kind, x: Floats, stage: npt.NDArray[np.int64], slowed: Floats) -> tuple[Floats, Floats]:
    """P(comes within the hour | converts) and the scale, in days, of those that do not, [n]."""
    quick = -1.3 + 0.8 * x[:, 0] - 0.5 * x[:, 1] - 0.8 * slowed
    if kind.engagement_tells:
        quick = quick + 0.4 * (stage == 2) - 0.2
    return _share(quick), 10.0 * np.exp(0.4 * x[:, 2]) * np.where(slowed > 0, 1.6, 1.0)


def _weibull(days: Floats, scale: Floats) -> Floats:
    """P(within days) by the law of late conversions before it is cut at W, [n]."""
    return 1.0 - np.exp(-((days / scale) ** _SHAPE))


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))
    return share
