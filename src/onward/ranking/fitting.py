"""Fit the ranking: counts from before the training window teach what its pairs say; counts up to the clock serve."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from onward.model.embeddings import Embeddings
from onward.ranking.catalogue import read_catalogue
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import CountingRules, Evidence, count_evidence
from onward.ranking.learned_lift import RELATIONS, FittedLift, LearnedLift, LiftSettings, fit_lift
from onward.ranking.purchase_log import Bools
from onward.ranking.shopping import Shopping, day_of, read_shopping
from onward.ranking.training_pairs import Pairs, pairs_of_baskets, pairs_that_followed
from onward.threads import map_in_order

# Of each product of a basket, and after each purchase: more of the same customers' pairs, not more customers.
_TARGETS = 4
# Enough to say where to stop; they are judged after every tree.
_SELECTION_PAIRS = 20_000


@dataclass(frozen=True)
class TrainingWindow:
    """When the pairs to learn from happened.

    Attributes:
        start: first moment of the pairs; counts to learn by end before it.
        clock: the run's; nothing at or after it is read.
        fresh_days: a product is new to a customer who has not bought it for so many days.
        most_pairs: of each relation, to learn from.
    """

    start: datetime
    clock: datetime
    fresh_days: int
    most_pairs: int


@dataclass(frozen=True)
class Learners:
    """Whose pairs are learned from: inside numbers of customers."""

    training: Ints
    selection: Ints


@dataclass(frozen=True)
class FittedRanking:
    """What serves, and how each relation was learnt.

    Attributes:
        evidence: of all purchases before the clock.
        fits: by relation.
    """

    evidence: Evidence
    fits: Mapping[str, FittedLift]

    @property
    def lifts(self) -> dict[str, LearnedLift]:
        """The models, by relation."""
        return {relation: fit.lift for relation, fit in self.fits.items()}

    def summary(self) -> dict[str, object]:
        """How learning went, as plain values."""
        learnt = {
            name: {"pairs": fit.pairs, "iterations": fit.iterations, "selection_loss": dict(fit.selection_loss)}
            for name, fit in self.fits.items()
        }
        return {"ranking": {"candidates": len(self.evidence.candidates), **learnt}}


@dataclass(frozen=True)
class RankingTrainingData:
    """What the ranking learns from, and what it will serve with.

    Attributes:
        earlier: evidence from before the window, which describes the pairs to learn from.
        serving: evidence of all purchases before the clock.
        pairs: that happened within the window: by "training" or "selection", then by relation.
        customers: [P] customers who bought each product before the window.
    """

    earlier: Evidence
    serving: Evidence
    pairs: Mapping[str, Mapping[str, Pairs]]
    customers: Ints

    def encoded(self, embeddings: Embeddings) -> "RankingTrainingData":
        """The same with the scores of an encoder that knew nothing from the window on."""
        earlier, serving = (replace(evidence, embeddings=embeddings) for evidence in (self.earlier, self.serving))
        return replace(self, earlier=earlier, serving=serving)


def read_training_data(
    products: pd.DataFrame,
    purchases: pd.DataFrame,
    learners: Learners,
    window: TrainingWindow,
    rules: CountingRules,
    seed: int,
) -> RankingTrainingData:
    """Count up to the window and up to the clock, and draw the pairs that happened in between.

    Args:
        products: ordered by number 0..P-1; `category` and any `attr_*`.
        purchases: customer, order, product, purchased_at, quantity, amount; nothing at or after the clock is read.
        learners: whose pairs teach and select.
        window: when the pairs happened.
        rules: what counts.
        seed: of the draw.
    """
    past_purchases = purchases[(purchases["purchased_at"] < window.clock).to_numpy(bool)]
    earlier_purchases = past_purchases[(past_purchases["purchased_at"] < window.start).to_numpy(bool)]
    count = len(products)
    earlier_shopping = read_shopping(earlier_purchases, count, window.start, window.fresh_days)
    earlier = count_evidence(earlier_shopping, read_catalogue(products, earlier_purchases), rules, None, seed)
    shopping = read_shopping(past_purchases, count, window.clock, window.fresh_days)
    allowed = np.zeros(count, dtype=np.bool_)
    allowed[earlier.candidates] = True
    pairs = {
        name: _pairs(shopping, customers, day_of(window.start), allowed, rules.follow_days, most, seed)
        for name, customers, most in (
            ("training", learners.training, window.most_pairs),
            ("selection", learners.selection, min(window.most_pairs, _SELECTION_PAIRS)),
        )
    }
    serving = count_evidence(shopping, read_catalogue(products, past_purchases), rules, None, seed)
    return RankingTrainingData(earlier, serving, pairs, earlier_shopping.customers)


def fit_ranking(training_data: RankingTrainingData, settings: LiftSettings, seed: int, threads: int) -> FittedRanking:
    """Learn the lift of every relation.

    Args:
        training_data: what there is to learn from.
        settings: of the trees.
        seed: of rivals and trees.
        threads: of LightGBM.

    Raises:
        DataError: too few pairs happened to learn from.
    """
    training = training_data.pairs["training"]
    selection = training_data.pairs["selection"]

    def fit(relation: str) -> FittedLift:
        return fit_lift(training_data.earlier, training[relation], selection[relation], settings, seed, threads)

    # Features of pairs are made by one thread and trees grown by several: two fits at once leave none idle.
    fits = zip(RELATIONS, map_in_order(fit, RELATIONS, len(RELATIONS)), strict=True)
    return FittedRanking(training_data.serving, dict(fits))


def _pairs(
    shopping: Shopping, customers: Ints, start: int, allowed: Bools, follow_days: int, most: int, seed: int
) -> dict[str, Pairs]:
    """Pairs of each relation by some customers from a day on."""
    learning_baskets = np.isin(shopping.basket_customer, customers) & (shopping.basket_day >= start)
    log = shopping.log.where(np.isin(shopping.log.customer, customers) & (shopping.log.day >= start))
    return {
        "together": pairs_of_baskets(shopping.baskets[learning_baskets], allowed, _TARGETS, most, seed),
        "after": pairs_that_followed(log, allowed, follow_days, _TARGETS, most, seed),
    }
