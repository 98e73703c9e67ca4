"""The one place where Onward's model enters the benchmark: trained and listed by the product's own code."""

from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa

from benchmarks.form import ROOT
from benchmarks.related.clocks import ClockData
from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.product_inputs import product_inputs
from onward.model.training import EncoderSettings, train_encoder
from onward.params import Params, read_params
from onward.ranking.asked_lists import AskedLists
from onward.ranking.evidence import CountingRules
from onward.ranking.fitting import Learners, fit_ranking
from onward.ranking.learned_lift import LiftSettings
from onward.ranking.purchase_log import Ints
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings

Together = Literal["together", "after"]

NAME = "Onward"
"""What the rows of this benchmark call the model below."""

_RELATIONS = {"together": "basket", "after": "later"}


@dataclass(frozen=True)
class Onward:
    """The model that was fitted at a clock; sources and lists are candidate numbers."""

    lists: AskedLists
    candidates: Ints

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """[m, count] candidates of any type, best first: related at weight 0, most probable at weight 1."""
        return self._numbers(self.lists.order(self.candidates[sources], _RELATIONS[relation], weight)[:, :count])

    def goes_with(self, sources: Ints, count: int) -> Ints:
        """[m, count] complements at the default weight, as they are served."""
        return self._numbers(self.lists.goes_with(self.candidates[sources])[:, :count])

    def _numbers(self, products: Ints) -> Ints:
        place = np.searchsorted(self.candidates, np.maximum(products, 0))
        return np.where(products >= 0, place, -1).astype(np.int64)


def onward(data: ClockData, seed: int, threads: int, *, encoded: bool = True) -> Onward:
    """Fit at a clock, from what was known before it, with the settings of params.yaml.

    Args:
        data: the clock.
        seed: of everything drawn.
        threads: that may be used.
        encoded: whether the graph encoder is trained and its scores are read.
    """
    params = read_params(ROOT / "params.yaml")
    clock = datetime.combine(data.day, time.min)
    start = clock - timedelta(days=params.run.training_days)
    split = data.customers["split"].to_numpy()
    customer = data.customers["customer"].to_numpy(np.int64)
    learners = Learners(customer[split == "train"], customer[split == "selection"])
    ranking, graph = params.ranking, params.graph
    rules = CountingRules(
        graph.min_customers, ranking.min_support, graph.follow_days, ranking.follow_visits, ranking.recent_days,
        ranking.popularity_prior,
    )  # fmt: skip
    trees = LiftSettings(**{field.name: getattr(ranking, field.name) for field in fields(LiftSettings)})
    embeddings = _embeddings(data, params, start, seed, threads) if encoded else None
    fitted = fit_ranking(
        data.products, data.known, learners, start, clock, graph.fresh_days, rules, trees, embeddings, seed, threads
    )
    model = RankingModel(fitted.evidence, fitted.lifts, ranking.short_list, threads)
    settings = ListSettings(ranking.list_length, ranking.popularity_weight, directed=False)
    return Onward(AskedLists(model, settings), fitted.evidence.candidates)


def _embeddings(data: ClockData, params: Params, start: datetime, seed: int, threads: int) -> Embeddings:
    """What train_gnn would embed at this clock."""
    rules = CountRules(**params.graph.model_dump())
    edges, nodes = count_in_process(pa.Table.from_pandas(data.known), start, rules, threads)
    graph = ProductGraph.from_tables(len(data.products), edges, nodes)
    inputs = product_inputs(data.products, data.known[data.known["purchased_at"] < start], graph.customers)
    return train_encoder(graph, inputs, EncoderSettings(**params.encoder.model_dump()), seed, threads).embeddings
