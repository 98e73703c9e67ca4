"""The planted shop with lists that know its relations, for tests of the watch over lists."""

from itertools import pairwise

import numpy as np
import pandas as pd

from builders.planted_shop import (
    CHAIN,
    CLOCK,
    COMPLEMENTS,
    FRESH_DAYS,
    PRODUCTS,
    START,
    TYPE,
    make_products,
    make_purchases,
)  # fmt: skip
from onward.monitoring.list_weeks import COUNT, Asking, ListWeek, Purchases, closed_weeks, judge_week

FIRST_DAY = (START - pd.Timestamp(0)).days
LAST_DAY = (CLOCK - pd.Timestamp(0)).days
IN_USE_FROM = FIRST_DAY + 70
MADE = {1: IN_USE_FROM, 2: IN_USE_FROM}
ASKING = Asking(min_customers=5, follow_days=30, limit=10**6, samples=40, seed=1)


def right_lists() -> dict[str, np.ndarray]:
    """What goes with what and comes after what, as it was planted."""
    lists = {name: np.full((PRODUCTS, COUNT), -1) for name in ("goes_with", "after")}
    for left, right in COMPLEMENTS:
        for one, other in ((left, right), (right, left)):
            lists["goes_with"][one == TYPE, :3] = np.flatnonzero(other == TYPE)
    for before, then in pairwise(CHAIN):
        lists["after"][before, 0] = then
    return lists


def shuffled(lists: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Each product given the lists of another one."""
    order = np.random.default_rng(seed).permutation(PRODUCTS)
    return {name: rows[order] for name, rows in lists.items()}


def replaced(lists: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Other products in every place of every list."""
    others = np.random.default_rng(seed).integers(0, PRODUCTS, (2, PRODUCTS, COUNT))
    return {name: np.where(rows >= 0, others[place], rows) for place, (name, rows) in enumerate(lists.items())}


def bought(lines: pd.DataFrame) -> Purchases:
    return Purchases.of(lines, make_products()["category"], FRESH_DAYS)


def shop(seed: int, customers: int = 100) -> Purchases:
    return bought(make_purchases(seed, customers))


def weeks_of(
    purchases: Purchases, lists: dict[int, dict[str, np.ndarray]], changes_on: int = LAST_DAY, as_of: int = LAST_DAY
) -> list[ListWeek]:
    """Every week of version 1, and of version 2 from `changes_on` on."""
    in_use = {day: 1 if day < changes_on else 2 for day in range(IN_USE_FROM, as_of)}
    return [
        week
        for start in closed_weeks(in_use, as_of)
        for week in judge_week(purchases, start, in_use, lists, MADE, ASKING, as_of)
    ]


def known_at(weeks: list[ListWeek], as_of: int) -> list[ListWeek]:
    """The weeks that a look at as_of could judge."""
    follow = {"goes_with": 0, "after": ASKING.follow_days}
    return [week for week in weeks if week.start + 7 + follow[week.name] <= as_of]
