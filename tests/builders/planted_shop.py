"""A small shop whose relations are known, for tests of ranking: who goes with whom, and what follows what."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from onward.model.embeddings import Embeddings
from onward.ranking.catalogue import Catalogue, read_catalogue
from onward.ranking.evidence import CountingRules, Evidence, count_evidence
from onward.ranking.fitting import (
    FittedRanking,
    Learners,
    RankingTrainingData,
    TrainingWindow,
    fit_ranking,
    read_training_data,
)
from onward.ranking.learned_lift import LiftSettings
from onward.ranking.ranking_model import RankingModel
from onward.ranking.shopping import Shopping, read_shopping

START = datetime(2020, 1, 1)
DAYS = 200
CLOCK, WINDOW_START = START + timedelta(days=DAYS), START + timedelta(days=120)
FRESH_DAYS = 20

TYPES, OF_A_TYPE = 11, 3
PRODUCTS = TYPES * OF_A_TYPE
TYPE = np.repeat(np.arange(TYPES), OF_A_TYPE)
COMPLEMENTS = ((0, 2), (4, 6))
"""Types: whoever buys the first often puts something of the second into the same basket."""
CHAIN = FIRST, SECOND, THIRD = (24, 27, 30)
"""Products of types 8, 9 and 10, which nobody buys for another reason: one leads to the next in six days."""

RULES = CountingRules(
    min_customers=5, min_support=1, follow_days=30, follow_visits=20, recent_days=28, popularity_prior=100.0
)
TREES = LiftSettings(
    pairs=4000, rivals=2, iterations=30, learning_rate=0.15, leaves=8, min_rows_in_leaf=20, l2=1.0, feature_share=0.8
)


def make_products() -> pd.DataFrame:
    return pd.DataFrame({
        "product": np.arange(PRODUCTS),
        "category": [f"shop {kind // 4} > shelf {kind // 2} > type {kind}" for kind in TYPE],
        "attr_brand": [f"brand {number % 4}" for number in range(PRODUCTS)],
    })  # fmt: skip


def make_purchases(seed: int, customers: int = 100) -> pd.DataFrame:
    """Baskets of popular things, planted complements, and the chain; nothing else has to do with anything else."""
    rng = np.random.default_rng(seed)
    ordinary = np.flatnonzero(TYPE < 8)
    share = 1.0 / (3.0 + ordinary)
    rows: list[tuple[int, int, int]] = []
    for customer in range(customers):
        for day in np.flatnonzero(rng.random(DAYS) < 0.12):
            bought = set(rng.choice(ordinary, rng.integers(1, 5), p=share / share.sum()).tolist())
            for left, right in COMPLEMENTS:
                if (TYPE[list(bought)] == left).any() and rng.random() < 0.6:
                    bought.add(int(rng.choice(np.flatnonzero(right == TYPE))))
            rows.extend((customer, int(day), product) for product in sorted(bought))
        for begin in range(int(rng.integers(0, 40)), DAYS - 12, 45):
            chain = [(customer, begin + 6 * step, product) for step, product in enumerate(CHAIN)]
            rows.extend(each for each in chain if rng.random() < 0.85)
    return as_purchases(rows)


def as_purchases(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    """Of (customer, day, product): one order a customer and day."""
    table = pd.DataFrame(rows, columns=["customer", "day", "product"], dtype="int64")
    moment = pd.Timestamp(START) + pd.to_timedelta(table["day"] * 24 + 9, unit="h")
    return pd.DataFrame({
        "customer": table["customer"], "order": table["customer"] * 1000 + table["day"], "product": table["product"],
        "purchased_at": moment.astype("datetime64[us]"), "quantity": 1.0, "amount": 1.0 + table["product"] % 5,
    })  # fmt: skip


def turned_round(purchases: pd.DataFrame) -> pd.DataFrame:
    """The same log with its days in the other order."""
    day = (purchases["purchased_at"] - pd.Timestamp(START)).dt.days
    shift = pd.to_timedelta(DAYS - 1 - 2 * day, unit="D")
    return purchases.assign(purchased_at=(purchases["purchased_at"] + shift).astype("datetime64[us]"))


def gathered(
    purchases: pd.DataFrame,
    clock: datetime = CLOCK,
    rules: CountingRules = RULES,
    products: pd.DataFrame | None = None,
    fresh_days: int = FRESH_DAYS,
) -> Evidence:
    """Evidence as of a clock, from whatever is in the log."""
    products = make_products() if products is None else products
    shopping, catalogue = read_before(purchases, clock, products, fresh_days)
    return count_evidence(shopping, catalogue, rules, None, seed=0)


def read_before(
    purchases: pd.DataFrame, clock: datetime, products: pd.DataFrame, fresh_days: int
) -> tuple[Shopping, Catalogue]:
    known = purchases[purchases["purchased_at"] < clock]
    return read_shopping(purchases, len(products), clock, fresh_days), read_catalogue(products, known)


def fit(
    purchases: pd.DataFrame, seed: int = 0, products: pd.DataFrame | None = None, **changed: float
) -> FittedRanking:
    """The ranking of a log of the small shop, as of CLOCK."""
    customers = np.unique(purchases["customer"].to_numpy())
    learners = Learners(customers[customers % 4 > 0], customers[customers % 4 == 0])
    trees = replace(TREES, **changed)
    products = make_products() if products is None else products
    return fit_ranking(lesson_of(products, purchases, learners, trees.pairs, seed), trees, seed, 1)


def lesson_of(
    products: pd.DataFrame,
    purchases: pd.DataFrame,
    learners: Learners,
    most_pairs: int = TREES.pairs,
    seed: int = 0,
    rules: CountingRules = RULES,
) -> RankingTrainingData:
    """What there is to learn from a log by the small shop's clocks."""
    window = TrainingWindow(WINDOW_START, CLOCK, FRESH_DAYS, most_pairs)
    return read_training_data(products, purchases, learners, window, rules, seed)


def model_of(fitted: FittedRanking, short_list: int = PRODUCTS) -> RankingModel:
    return RankingModel(fitted.evidence, fitted.lifts, short_list, 1)


def embeddings_of(seed=0):
    sides = np.random.default_rng(seed).normal(size=(2, PRODUCTS, 4)).astype(np.float32)
    sides /= np.linalg.norm(sides, axis=2, keepdims=True)
    return Embeddings(sides[0], sides[1], np.array([[8.0, 2.0, 4.0, 1.0], [1.0, 5.0, 3.0, 9.0]], np.float32))
