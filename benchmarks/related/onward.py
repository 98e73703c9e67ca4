"""The one place where Onward's model enters the benchmark: trained and listed by the product's own code."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.harness.form import ROOT
from benchmarks.related.clocks import ClockData
from onward.params import read_params
from onward.ranking.purchase_log import Ints
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings
from onward.ranking.scored_lists import ScoredLists
from onward.stages.ranking_training import encoder_of, learn, ranking_training_data

Together = Literal["together", "after"]

NAME = "Onward"
"""What the rows of this benchmark call the model below."""

_RELATIONS = {"together": "basket", "after": "later"}


@dataclass(frozen=True)
class Onward:
    """The model that was fitted at a clock; sources and lists are candidate numbers."""

    lists: ScoredLists
    candidates: Ints

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """[m, count] candidates of any type, best first: related at weight 0, most probable at weight 1."""
        return self._numbers(self.lists.order(self.candidates[sources], _RELATIONS[relation], weight)[:, :count])

    def goes_with(self, sources: Ints, count: int) -> Ints:
        """[m, count] complements at the default weight, as they are served."""
        return self._numbers(self.lists.goes_with(self.candidates[sources])[:, :count])

    def recall(self, sources: Ints, weights: Iterable[float], count: int) -> float:
        """Share of the best `count` of all candidates that the short lists hold, of the relation and weight with least.

        Args:
            sources: candidate numbers; every candidate is scored after each of them.
            weights: of the orders.
            count: depth of the lists.
        """
        model, products = self.lists.model, self.candidates[sources]
        short, everything = (
            list(each.scored(products, backwards=False))
            for each in (model, replace(model, short_list=len(self.candidates)))
        )
        shares = []
        for relation in _RELATIONS:
            for weight in weights:
                listed, best = (model.ordered(rows, relation, weight, count) for rows in (short, everything))
                shares.append(float(np.mean([np.isin(b, a).mean() for a, b in zip(listed, best, strict=True)])))
        return min(shares)

    def _numbers(self, products: Ints) -> Ints:
        place = np.searchsorted(self.candidates, np.maximum(products, 0))
        return np.where(products >= 0, place, -1).astype(np.int64)


def onward(data: ClockData, seed: int, threads: int, *, encoded: bool | None = None) -> Onward:
    """Fit at a clock, from what was known before it, with the settings of params.yaml.

    Args:
        data: the clock.
        seed: of everything drawn.
        threads: that may be used.
        encoded: whether the lifts read the graph encoder; None leaves it to params.yaml.
    """
    params = read_params(ROOT / "params.yaml")
    run = params.run.model_copy(update={"as_of": data.day, "seed": seed, "threads": threads})
    params = params.model_copy(update={"run": run})
    lesson = ranking_training_data(params, data.products, data.known, data.customers)
    if params.ranking.encoder_scores if encoded is None else encoded:
        lesson = lesson.encoded(encoder_of(lesson, params, data.products, data.known).embeddings)
    fitted = learn(lesson, params)
    ranking = params.ranking
    model = RankingModel(fitted.evidence, fitted.lifts, ranking.short_list, threads)
    settings = ListSettings(ranking.list_length, ranking.popularity_weight, directed=False)
    return Onward(ScoredLists(model, settings), fitted.evidence.candidates)
