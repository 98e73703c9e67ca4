"""Does this log have direction: an order of pairs beyond what frequency and season explain?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from onward.diagnosis.answer import ALPHA, Answer
from onward.diagnosis.first_purchases import FirstPurchases
from onward.diagnosis.residual_order import measure_order, shuffle_days
from onward.diagnosis.seasons import fit_seasons
from onward.metrics.intervals import Z95

WITHIN_DAYS = 90
NEGLIGIBLE = 0.015
"""A typical pair that keeps one order in 51.5 of 100 cases, where frequency and season say 50, has no use for a list.

Catalogues and shoppers always have some structure that no table of seasons holds; a large log would prove any of it.
"""

_MOST_ITEMS = 800
_MOST_PAIRS = 4_000_000
_SHUFFLES = 3


@dataclass(frozen=True)
class LevelOrder:
    """The order of pairs at one level of the catalogue.

    Attributes:
        level: `products` or `types`.
        pairs: pairs that were compared.
        square: mean square log-odds of a pair's own order, shuffled logs' taken off.
        error: its standard error.
        raw_pairs: pairs whose order no coin would give, frequency and season included.
        ordered_pairs: pairs ordered beyond frequency and season, at most 5 % of them falsely.
        shuffled_pairs: the same in shuffled logs, mean.
    """

    level: str
    pairs: int
    square: float
    error: float
    raw_pairs: int
    ordered_pairs: int
    shuffled_pairs: float

    @property
    def p_value(self) -> float:
        """Of the test that a typical pair's own order is negligible."""
        least = (4.0 * NEGLIGIBLE) ** 2
        return float(ndtr((least - self.square) / self.error)) if self.error > 0.0 else 1.0

    def shift(self, errors: float = 0.0) -> float:
        """How far a typical pair's order lies from an even one, so many standard errors aside.

        A quarter of the log-odds, which is their share near one half.
        """
        return float(np.sqrt(max(0.0, self.square + errors * self.error)) / 4.0)


def diagnose_direction(purchases: pd.DataFrame, products: pd.DataFrame, seed: int) -> Answer:
    """Test the log at product level and, where products have types, at type level.

    Args:
        purchases: columns customer, product, purchased_at.
        products: column category, a path such as "a > b > c"; rows by product number. The deepest path is the type.
        seed: of the shuffles.
    """
    day = purchases["purchased_at"].to_numpy("datetime64[D]").astype(np.int64)
    customer = purchases["customer"].to_numpy()
    product = purchases["product"].to_numpy()
    kinds, kind = np.unique(products["category"].fillna("").to_numpy(str), return_inverse=True)
    levels = [measure_level("products", FirstPurchases.of(customer, product, day), seed)]
    if 2 < len(kinds) < len(products):
        levels.append(measure_level("types", FirstPurchases.of(customer, kind[product], day), seed))
    return _answer(levels)


def measure_level(level: str, first: FirstPurchases, seed: int) -> LevelOrder:
    """Compare the residual order of pairs with that of logs whose days were dealt anew.

    At most the 800 most bought items and four million pairs of first purchases are read: enough to tell, and quick.
    """
    if not len(first.item):
        return LevelOrder(level, 0, 0.0, 0.0, 0, 0, 0.0)
    read = first.most_bought(_MOST_ITEMS).sample(_MOST_PAIRS, WITHIN_DAYS, seed)
    seasons = fit_seasons(read)
    raw = measure_order(read, seasons.flat(), WITHIN_DAYS, strengths=False)
    real = measure_order(read, seasons, WITHIN_DAYS)
    if real.information <= 0.0:
        return LevelOrder(level, real.pairs, 0.0, 0.0, 0, 0, 0.0)
    nulls = []
    for number in range(_SHUFFLES):
        dealt = shuffle_days(read, seasons, (seed + 7919 * number) % 2**31)
        nulls.append(measure_order(dealt, fit_seasons(dealt), WITHIN_DAYS))
    centre = float(np.mean([null.agreement for null in nulls]))
    # The centre is known from so many shuffles only, each as uncertain as the log itself.
    error = real.error * np.sqrt(1.0 + 1.0 / _SHUFFLES)
    return LevelOrder(
        level,
        real.pairs,
        (real.agreement - centre) / real.information,
        float(error / real.information),
        raw.ordered_pairs,
        real.ordered_pairs,
        float(np.mean([null.ordered_pairs for null in nulls])),
    )


def _answer(levels: list[LevelOrder]) -> Answer:
    best = min(levels, key=lambda level: level.p_value)
    p_value = min(1.0, best.p_value * len(levels))  # Bonferroni: one p-value a log
    yes = p_value < ALPHA
    reported = max(levels, key=lambda level: level.pairs) if not yes else best
    share, low, high = reported.shift(), reported.shift(-Z95), reported.shift(Z95)
    finding = f"a typical pair of {reported.level} keeps one order in {50 + 100 * share:.1f} of 100 cases"
    if not reported.pairs:
        sentence = "Too few customers first bought two products on different days to say whether order matters."
    elif yes:
        sentence = f"Order matters: beyond frequency and season {finding}, where shuffled dates give 50."
    else:
        sentence = (
            f"No order beyond frequency and season: {finding}, where shuffled dates give 50 and 51.5 is negligible."
        )
    if reported.pairs:
        sentence += (
            f" Of {reported.pairs:,} pairs {reported.raw_pairs:,} come in an order that no coin would give; "
            f"looked at one by one, frequency and season explain all but {reported.ordered_pairs:,} of them."
        )
    return Answer(
        question="direction",
        yes=yes,
        p_value=p_value,
        effect=share,
        low=low,
        high=high,
        measure=f"how far a typical pair of {reported.level} is from an even order",
        sentence=sentence,
        consequence=(
            "The lists `after` and `before` are ordered by direction among what is related."
            if yes
            else "The lists `after` and `before` say that order tells nothing here, and lean on `goes_with`."
        ),
        figures={
            f"{level.level}_{name}": value
            for level in levels
            for name, value in (
                ("pairs", level.pairs),
                ("shift", level.shift()),
                ("p_value", level.p_value),
                ("raw_pairs", level.raw_pairs),
                ("ordered_pairs", level.ordered_pairs),
                ("shuffled_pairs", level.shuffled_pairs),
            )
        },
    )
