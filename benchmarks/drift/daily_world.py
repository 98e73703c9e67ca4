"""A shop whose daily decisions and conversions are drawn as sums: years of it cost seconds.

Conversions of a cohort at a lag are Poisson with the cohort's predictions times the level's true positivity times the
share of conversions with that lag. What is planted is a kind of drift from a day on. The delay curve is that of the
simulator (data/sources/simulator_events.py): an eighth within hours, the rest a Weibull cut at the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from onward.monitoring.daily_statistics import SCORE_BINS, DailyStatistics

Floats = npt.NDArray[np.float64]
Kind = Literal[
    "none", "positivity drop", "delay slow-down", "delay stretch", "delay shift", "engagement outage",
    "category launch", "seasonal bump", "score shift", "label outage",
]  # fmt: skip

WINDOW = 28
# Mean 5 %: levels differ in what they promise.
LEVEL_RATES = (0.035, 0.0425, 0.05, 0.0575, 0.065)
ENGAGED = 0.2
FIRST = date(2017, 1, 1)


@dataclass(frozen=True)
class World:
    """What is drawn.

    Attributes:
        days: S.
        a_day: impressions a day, over all levels.
        kind: of drift.
        start: index of the first changed day.
        size: relative, or what the kind takes.
        level: in which positivity drops.
        rates: per level, what the model predicts and, before any drift, what is true.
    """

    days: int
    a_day: int = 20_000
    kind: Kind = "none"
    start: int = 0
    size: float = 0.2
    level: int = 2
    rates: Sequence[float] = LEVEL_RATES


def delay_mass(tilt: float = 1.0, stretch: float = 1.0, shift: int = 0) -> Floats:
    """Share of conversions at each lag 0 … W; an impression is as likely at any hour."""
    fine = (np.arange(WINDOW * 24) + 0.5) / 24.0
    scale = 0.45 * WINDOW
    slow = 1.0 - np.exp(-((fine / stretch / scale) ** 1.1))
    slow /= 1.0 - np.exp(-((WINDOW / stretch / scale) ** 1.1))
    quick = 1.0 - np.exp(-fine * 24.0 / 4.5)
    arrived = (0.13 * quick + 0.87 * slow) ** tilt
    if shift:
        arrived = np.concatenate([np.zeros(24 * shift), arrived[: -24 * shift]])
    mass = np.diff(np.concatenate([[0.0], arrived / arrived[-1]]))
    lags = np.zeros(WINDOW + 1)
    for hour in range(24):
        lags += np.bincount(((np.arange(len(mass)) + hour + 0.5) // 24).astype(int), mass, WINDOW + 1)[: WINDOW + 1]
    shares: Floats = lags / lags.sum()
    return shares


def draw(world: World, seed: int | Sequence[int]) -> DailyStatistics:
    """Draw all days; `sufficient.until` turns the clock back to any of them."""
    rng = np.random.default_rng(seed)
    days, levels = world.days, len(world.rates)
    day = np.arange(days)
    on = day >= world.start
    each = np.full((days, levels), world.a_day / levels)
    ratio = np.ones((days, levels))
    score_shift = np.zeros(days)
    engaged = np.full(days, ENGAGED)
    unscored = np.zeros(days)
    mass = np.broadcast_to(delay_mass(), (days, WINDOW + 1)).copy()
    extra = np.zeros(days)
    match world.kind:
        case "positivity drop":
            ratio[on, world.level] *= 1.0 - world.size
        case "delay slow-down":
            mass[on] = delay_mass(tilt=1.6)
        case "delay stretch":
            mass[on] = delay_mass(stretch=1.6)
        case "delay shift":
            mass[on] = delay_mass(shift=2)
        case "engagement outage":
            engaged[on] *= 0.3
        case "category launch":
            # A tenth more impressions, on products that the model does not know.
            unscored[on] = rng.poisson(0.1 * world.a_day, int(on.sum()))
            extra[on] = 0.05
        case "seasonal bump":
            bump = on & (day < world.start + 21)
            ratio[bump] *= 1.15
            each[bump] *= 1.3
        case "score shift":
            score_shift[on] = 0.4
        case _:
            pass
    n = rng.poisson(each * (1.0 + extra)[:, None]).astype(np.float64)
    rates = np.asarray(world.rates)
    # A shift of scores without a change of positivity: predictions follow, and come true.
    odds = rates / (1 - rates) * np.exp(score_shift)[:, None]
    predicted = n * odds / (1 + odds)
    arrivals = rng.poisson((predicted * ratio)[:, :, None] * mass[:, None, :]).astype(np.float64)
    arrivals *= (day[:, None] + np.arange(WINDOW + 1)[None, :] < days)[:, None, :]
    if world.kind == "label outage":
        comes = day[:, None] + np.arange(WINDOW + 1)[None, :]
        arrivals *= ~(comes >= world.start)[:, None, :]
    share = 0.3 / rates.mean() * rates
    arrivals_shown = rng.binomial(arrivals.astype(np.int64), np.minimum(1.5 * share, 0.95)[None, :, None])
    centre = 4.0 * np.log(odds) + SCORE_BINS / 2
    edges = np.arange(SCORE_BINS + 1)
    cdf = 1.0 / (1.0 + np.exp(-(edges[None, None, :] - centre[:, :, None]) / 1.8))
    bins = np.diff(cdf, axis=2)
    scores = rng.poisson(n[:, :, None] * bins / bins.sum(axis=2, keepdims=True)).astype(np.float64)
    return DailyStatistics(
        first=FIRST, n=n, shown=np.round(n * share), unscored=unscored, predicted=predicted,
        predicted_shown=predicted * np.minimum(1.5 * share, 0.95), arrivals=arrivals,
        arrivals_shown=arrivals_shown.astype(np.float64),
        engaged=rng.binomial(n.astype(np.int64), engaged[:, None]).astype(np.float64), scores=scores,
        categories=("all",), category_predicted=predicted.sum(axis=1, keepdims=True),
        category_arrivals=arrivals.sum(axis=1, keepdims=True), spread=np.ones(levels),
    )  # fmt: skip
