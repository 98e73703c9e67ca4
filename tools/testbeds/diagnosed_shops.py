"""Small simulated shops in which direction, delay and doubt are each planted or absent: ground for `diagnosis`.

Frequency and season are there in every shop: products are bought by a power law, each has a season of its own, some
come late or go early, new customers keep coming. So are bonds: some products call for others. With direction the other
is bought later, without it just as often but before as often as after. Delay moves the same conversions from hours
after they were shown to days. Doubt changes the odds of conversion at equal score with the uncertainty level; without
it the level goes with the score and with nothing else.
"""

from dataclasses import dataclass
from itertools import product as every

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.diagnosis.delay import Labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DAYS = 300
CUSTOMERS = 1200
PRODUCTS = 150
TYPES = 40
WINDOW = 28.0
TRAINING = 56.0
HISTORY = 112.0
LEVELS = 5

_VISITS, _BASKET = 22, 2.5
_BONDS, _CALL, _WITHIN = 5, 0.14, 60  # bonds a product, chance that one of them is followed, days within which
_IMPRESSIONS = 80_000
_MISSPEAK = 0.5  # log-odds from one level to the next; gains about 3 points of recall
_LATE_DAYS = 60.0  # mean of the law whose first four weeks delays follow; a quarter of the window's are missing


@dataclass(frozen=True)
class World:
    """What is planted."""

    direction: bool
    delay: bool
    doubt: bool

    @property
    def name(self) -> str:
        """The planted ones, or "nothing"."""
        planted = [each for each, there in vars(self).items() if there]
        return " + ".join(planted) or "nothing"


WORLDS = tuple(World(*flags) for flags in every((False, True), repeat=3))


@dataclass(frozen=True)
class SmallShop:
    """What the three questions are asked of.

    Attributes:
        purchases: customer, product, purchased_at.
        products: category.
        labels: of all impressions.
        in_window: [n] those that train and calibrate.
        expected: [in the window] labels, expected ones where unfinished.
        score: [m] of the calibrate split.
        level: [m].
        calibrate_expected: [m].
        calibrate_customer: [m].
    """

    purchases: pd.DataFrame
    products: pd.DataFrame
    labels: Labels
    in_window: Flags
    expected: Floats
    score: Floats
    level: Ints
    calibrate_expected: Floats
    calibrate_customer: Ints


def make_shop(world: World, seed: int) -> SmallShop:
    """Simulate one shop."""
    generator = np.random.default_rng([seed, 15, world.direction, world.delay, world.doubt])
    purchases, products = _purchases(generator, directed=world.direction)
    return SmallShop(purchases, products, *_impressions(generator, delayed=world.delay, doubtful=world.doubt))


def _purchases(generator: np.random.Generator, *, directed: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    weight = 1.0 / np.arange(3, PRODUCTS + 3) ** 0.6
    phase, height = generator.uniform(0.0, 2.0 * np.pi, PRODUCTS), np.abs(generator.normal(0.0, 0.8, PRODUCTS))
    day = np.arange(DAYS)
    season = np.exp(height * np.cos(2.0 * np.pi * day[:, None] / 365.0 - phase))
    # One product in ten comes late, one in ten goes early.
    late, early = generator.permutation(PRODUCTS)[: PRODUCTS // 5].reshape(2, -1)
    for each, share in zip(np.r_[late, early], generator.uniform(0.1, 0.5, PRODUCTS // 5), strict=True):
        gone = day < share * DAYS if each in late else day >= (1.0 - share) * DAYS
        season[gone, each] *= 0.02
    rate = season * weight
    choose = np.cumsum(rate / rate.sum(axis=1, keepdims=True), axis=1)
    joined = np.where(generator.random(CUSTOMERS) < 0.5, 0, generator.integers(0, 200, CUSTOMERS))
    visits = 2 + generator.poisson(generator.gamma(2.0, _VISITS / 2.0, CUSTOMERS))
    customer = np.repeat(np.arange(CUSTOMERS), visits)
    when = np.floor(joined[customer] + generator.random(len(customer)) * (DAYS - joined[customer])).astype(np.int64)
    order = np.lexsort((when, customer))
    customer, when = customer[order], when[order]
    size = 1 + generator.poisson(_BASKET - 1.0, len(customer))
    visit = np.repeat(np.arange(len(customer)), size)
    bought = (generator.random(len(visit))[:, None] > choose[when[visit]]).sum(axis=1).clip(max=PRODUCTS - 1)
    called_visit, called = _called(generator, customer, when, visit, bought, directed=directed)
    visit, bought = np.r_[visit, called_visit], np.r_[bought, called]
    table = pd.DataFrame(
        {
            "customer": customer[visit],
            "product": bought,
            "purchased_at": np.datetime64("2017-01-01", "us") + when[visit] * np.timedelta64(86_400_000_000, "us"),
        }
    )
    kinds = generator.integers(0, TYPES, PRODUCTS)
    return table, pd.DataFrame({"category": [f"shop > aisle {kind % 8} > type {kind}" for kind in kinds]})


def _called(
    generator: np.random.Generator, customer: Ints, when: Ints, visit: Ints, bought: Ints, *, directed: bool
) -> tuple[Ints, Ints]:
    """Visits at which a product is bought because of another, and which: later ones, or as well earlier ones."""
    bonds = np.stack([generator.permutation(PRODUCTS)[:_BONDS] for _ in range(PRODUCTS)])
    chosen = generator.random((len(visit), _BONDS)) < _CALL
    row, bond = np.nonzero(chosen)
    origin, target = visit[row], bonds[bought[row], bond]
    width = 4 * DAYS
    moment = customer * width + when
    here = moment[origin]
    back = np.zeros(len(here), np.bool_) if directed else generator.random(len(here)) < 0.5
    low = np.searchsorted(moment, np.where(back, here - _WITHIN, here + 1))
    high = np.searchsorted(moment, np.where(back, here, here + _WITHIN + 1))
    there = low + np.floor(generator.random(len(here)) * np.maximum(high - low, 1)).astype(np.int64)
    kept = (high > low) & (target != bought[row])
    return there[kept], target[kept]


def _impressions(
    generator: np.random.Generator, *, delayed: bool, doubtful: bool
) -> tuple[Labels, Flags, Floats, Floats, Ints, Floats, Ints]:
    customer = generator.integers(0, CUSTOMERS, _IMPRESSIONS)
    taste = generator.normal(0.0, 0.5, CUSTOMERS)
    age = generator.uniform(0.0, HISTORY, _IMPRESSIONS)
    told = generator.normal(-3.6, 1.2, _IMPRESSIONS)  # what the score says, as log-odds
    doubt = 0.6 * (told + 3.6) / 1.2 + generator.normal(0.0, 1.0, _IMPRESSIONS)
    level = np.searchsorted(np.quantile(doubt, np.arange(1, LEVELS) / LEVELS), doubt)
    odds = told + (_MISSPEAK * (level - (LEVELS - 1) / 2.0) if doubtful else 0.0)
    converts = generator.random(_IMPRESSIONS) < _share(odds + taste[customer])
    mean_delay = _LATE_DAYS if delayed else 1.0 / 12.0
    cut = 1.0 - np.exp(-WINDOW / mean_delay)
    delay = -mean_delay * np.log1p(-generator.random(_IMPRESSIONS) * cut)
    labels = Labels(customer, age, np.where(converts & (delay < age), delay, np.nan), WINDOW)
    observed = ~np.isnan(labels.delay)
    arrived = (1.0 - np.exp(-np.minimum(age, WINDOW) / mean_delay)) / cut
    # What a well calibrated delay model would say: the truth but for the customer's taste.
    rate = _share(odds)
    coming = rate * (1.0 - arrived) / (1.0 - rate * arrived)
    expected = np.where(observed, 1.0, np.where(labels.matured, 0.0, coming))
    window = age < TRAINING
    calibrate = window & (customer % 10 < 6)
    return (
        labels, window, expected[window], _share(told)[calibrate], level[calibrate].astype(np.int64),
        expected[calibrate], customer[calibrate],
    )  # fmt: skip


def _share(odds: Floats) -> Floats:
    share: Floats = 1.0 / (1.0 + np.exp(-odds))
    return share
