"""Fit the ranking: counts from before the training window teach what its pairs say; counts up to the clock serve."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from onward.model.embeddings import Embeddings
from onward.ranking.catalogue import read_catalogue
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import CountingRules, Evidence, gather
from onward.ranking.happened_pairs import Pairs, pairs_of_baskets, pairs_that_followed
from onward.ranking.learned_lift import RELATIONS, FittedLift, LearnedLift, LiftSettings, fit_lift
from onward.ranking.purchase_log import Bools
from onward.ranking.shopping import Shopping, day_of, read_shopping

# Of each product of a basket, and after each purchase: more of the same customers' pairs, not more customers.
_TARGETS = 4
# Enough to say where to stop; they are judged after every tree.
_SELECTION_PAIRS = 20_000


@dataclass(frozen=True)
class Learners:
    """Who teaches: inside numbers of customers."""

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
        """What learning has to say for itself, as plain values."""
        learnt = {
            name: {"pairs": fit.pairs, "iterations": fit.iterations, "selection_loss": dict(fit.selection_loss)}
            for name, fit in self.fits.items()
        }
        return {"ranking": {"candidates": len(self.evidence.candidates), **learnt}}


@dataclass(frozen=True)
class RankingLesson:
    """What there is to learn from, and what will serve.

    Attributes:
        earlier: evidence from before the window, which describes the pairs to learn from.
        serving: evidence of all purchases before the clock.
        pairs: that happened within the window: by "training" or "selection", then by relation.
    """

    earlier: Evidence
    serving: Evidence
    pairs: Mapping[str, Mapping[str, Pairs]]

    def encoded(self, embeddings: Embeddings) -> "RankingLesson":
        """The same with the scores of an encoder that knew nothing from the window on."""
        earlier, serving = (replace(each, embeddings=embeddings) for each in (self.earlier, self.serving))
        return replace(self, earlier=earlier, serving=serving)


def read_lesson(
    products: pd.DataFrame,
    purchases: pd.DataFrame,
    learners: Learners,
    window_start: datetime,
    clock: datetime,
    fresh_days: int,
    rules: CountingRules,
    most_pairs: int,
    seed: int,
) -> RankingLesson:
    """Count up to the window and up to the clock, and draw the pairs that happened in between.

    Args:
        products: ordered by number 0..P-1; `category` and any `attr_*`.
        purchases: customer, order, product, purchased_at, quantity, amount; nothing at or after the clock is read.
        learners: whose pairs teach and select.
        window_start: first moment of the pairs; counts to learn by end before it.
        clock: the run's.
        fresh_days: a product is new to a customer who has not bought it for so many days.
        rules: what counts.
        most_pairs: of each relation, to learn from.
        seed: of the draw.
    """
    known = purchases[(purchases["purchased_at"] < clock).to_numpy(bool)]
    before = known[(known["purchased_at"] < window_start).to_numpy(bool)]
    count = len(products)
    past = read_shopping(before, count, window_start, fresh_days)
    earlier = gather(past, read_catalogue(products, before), rules, None, seed)
    shopping = read_shopping(known, count, clock, fresh_days)
    allowed = np.zeros(count, dtype=np.bool_)
    allowed[earlier.candidates] = True
    pairs = {
        name: _pairs(shopping, customers, day_of(window_start), allowed, rules.follow_days, most, seed)
        for name, customers, most in (
            ("training", learners.training, most_pairs),
            ("selection", learners.selection, min(most_pairs, _SELECTION_PAIRS)),
        )
    }
    return RankingLesson(earlier, gather(shopping, read_catalogue(products, known), rules, None, seed), pairs)


def fit_ranking(lesson: RankingLesson, settings: LiftSettings, seed: int, threads: int) -> FittedRanking:
    """Learn the lift of every relation.

    Args:
        lesson: what there is to learn from.
        settings: of the trees.
        seed: of rivals and trees.
        threads: of LightGBM.

    Raises:
        DataError: too few pairs happened to learn from.
    """
    training, selection = lesson.pairs["training"], lesson.pairs["selection"]
    fits = {
        relation: fit_lift(lesson.earlier, training[relation], selection[relation], settings, seed, threads)
        for relation in RELATIONS
    }
    return FittedRanking(lesson.serving, fits)


def _pairs(
    shopping: Shopping, customers: Ints, start: int, allowed: Bools, follow_days: int, most: int, seed: int
) -> dict[str, Pairs]:
    """Pairs of each relation by some customers from a day on."""
    mine = np.isin(shopping.basket_customer, customers) & (shopping.basket_day >= start)
    log = shopping.log.where(np.isin(shopping.log.customer, customers) & (shopping.log.day >= start))
    return {
        "together": pairs_of_baskets(shopping.baskets[mine], allowed, _TARGETS, most, seed),
        "after": pairs_that_followed(log, allowed, follow_days, _TARGETS, most, seed),
    }
